"""The card says what the run's files know, and that the rest is not known."""

import numpy as np
import pandas as pd
import pytest

from tests.report import examples
from tfcovid.report.html import write_report
from tfcovid.report.model_card import NOT_KNOWN, model_card

ASKED = {
    "data": "coronahack",
    "backbone": "resnet50",
    "classifier": "linear",
    "members": [],
    "combine": "soft_vote",
    "member_weights": [],
    "image_size": 64,
    "weights": None,
    "loss": "focal",
    "imbalance": "class_weight",
    "epochs": 8,
    "seed": 0,
    "split": "patient",
    "manifest": None,
}


def people():
    return pd.DataFrame(
        {
            "split": ["train", "train", "test", "validation"],
            "group_id": ["a", "a", "b", "c"],
            "patient_id": ["a", "a", "b", pd.NA],
            "source": ["x", "x", "y", pd.NA],
            "sex": ["F", "F", "M", pd.NA],
            "age": [30.0, 30.0, 50.0, np.nan],
            "view": ["PA", "PA", pd.NA, pd.NA],
        }
    )


def card(**changes):
    decision = examples.report_inputs()["decision"]
    return model_card(examples.metrics(), people(), examples.rejected(), ASKED | changes, decision)


def test_patients_are_counted_once_and_what_is_unknown_is_a_share():
    found = card()
    assert found["Participants"].startswith(
        "3 patients (groups); age known of 2, median 40 (30\u201350)"
    )
    assert "sex F 1, M 1" in found["Participants"]
    assert "patient id 25%, sex 25%, age 25%, view 50%" in found["Missing data"]
    assert "x (2 images)" in found["Data"] and "unknown (1 images)" in found["Data"]


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        ({"thresholds": {}, "weights": None, "rule": "largest"}, "the most probable class."),
        (
            {"thresholds": {"COVID-19": 0.2567}, "weights": None, "rule": "threshold"},
            "COVID-19 from a probability of 0.257 on, else the likeliest of the others.",
        ),
        (
            {"thresholds": {}, "weights": {"A": 0.5, "B": 12.0}, "rule": "in proportion"},
            "in proportion; each probability is multiplied by a factor first: A 0.5, B 12.",
        ),
        ({"outputs": {}, "thresholds": {}}, "each finding from its own threshold on."),
        ({"rule": "of folds"}, "each fold's by its own network's rule, which its page tells."),
    ],
)
def test_the_rule_that_decides_is_told_as_it_is_applied(decision, words):
    whole = examples.report_inputs()["decision"]
    whole = {key: whole[key] for key in ("how", "chosen_on")} | decision
    found = model_card(examples.metrics(), people(), examples.rejected(), ASKED, whole)
    assert found["Decision"] == words


def test_drawn_phantoms_are_called_so_and_no_patients():
    found = card(data="synthetic")
    assert "drawn phantoms, no patients" in found["Data"] and "no use on X-rays" in found["Data"]
    assert found["Participants"].startswith("none; invented: 3 patients")


def test_the_partition_names_how_it_was_made():
    assert "made by patient" in card()["Partition"]
    assert "train 2 images of 1 patient, validation" in card()["Partition"]
    assert "taken from split.csv" in card(manifest="split.csv")["Partition"]


def test_what_a_program_cannot_know_is_said():
    found = card()
    assert NOT_KNOWN in found["Reference standard"] and NOT_KNOWN in found["Data"]
    assert found["Model"].startswith("network resnet50, 64 px, weights random")


def test_no_control_is_said_and_the_card_stands_on_the_page(tmp_path):
    inputs = examples.report_inputs()
    inputs["metrics"] |= {"controls": {}}
    write_report(tmp_path / "report.html", **inputs)
    text = (tmp_path / "report.html").read_text()
    assert "no control was scored" in text and "Model card" in text
