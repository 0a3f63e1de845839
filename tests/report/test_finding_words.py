"""Sentences and tables of findings, the same on the terminal and on the page."""

import io

import numpy as np
import pytest
from rich.console import Console

from tests.metrics.finding_examples import NAMES, drawn, probabilities
from tfcovid.metrics.finding_scores import finding_scores
from tfcovid.report import finding_words
from tfcovid.report.finding_curves import known_scores, roc_panels_figure
from tfcovid.report.finding_terminal import print_findings


@pytest.fixture(scope="module")
def metrics():
    targets, logits, groups = drawn()
    probs = probabilities(logits)
    found = finding_scores(
        targets, probs, (probs > 0.4).astype(int), groups, NAMES, averaged=NAMES, seed=0
    )
    control = {
        "sees": "the border",
        "model": "probe",
        "lungs": False,
        "mean_auroc": 0.55,
        "interval": {"low": 0.5, "high": 0.6, "level": 0.95, "method": "m"},
        "per_class": {name: {"auroc": 0.55, "interval": None} for name in NAMES},
        "above": {"difference": 0.17, "low": 0.1, "high": 0.2, "level": 0.95, "method": "m"},
    }
    return found | {
        "task": "findings14",
        "split": "patient",
        "view": "full",
        "controls": {"border_only": control},
        "notes": ["mind this"],
    }


def shown(metrics, tmp_path):
    file = io.StringIO()
    print_findings(Console(file=file, width=100), metrics, tmp_path / "run")
    return file.getvalue()


def test_rows_hold_counts_and_each_figure_with_its_interval(metrics):
    rows = finding_words.finding_rows(metrics)
    assert [row["name"] for row in rows] == list(NAMES)
    for row in rows:
        own = metrics["per_class"][row["name"]]
        assert row["n_images_unknown"] == own["n_images_unknown"]
        for (value, found), (key, _) in zip(row["cells"], finding_words.COLUMNS, strict=True):
            assert value == own[key]
            assert found == metrics["intervals"].get(f"per_class.{row['name']}.{key}")


def test_the_best_control_without_lungs_is_said_with_what_it_leaves(metrics):
    sentence = finding_words.left_sentence(metrics)
    assert "a probe that sees only the border reaches 0.55 (chance 0.50)" in sentence
    assert "the model is 0.17 (0.10 to 0.20) above it" in sentence
    above = metrics["controls"]["border_only"]["above"] | {"low": -0.1}
    doubtful = metrics["controls"]["border_only"] | {"above": above}
    sentence = finding_words.left_sentence(metrics | {"controls": {"border_only": doubtful}})
    assert "which may be nothing" in sentence
    assert "No controls stand beside" in finding_words.left_sentence(metrics | {"controls": {}})
    nothing = metrics["controls"]["border_only"] | {"mean_auroc": None, "above": None}
    sentence = finding_words.left_sentence(metrics | {"controls": {"border_only": nothing}})
    assert "No finding has an AUROC here" in sentence


def test_a_drop_is_said_with_its_ends_in_order(metrics):
    assert finding_words.drop_sentence(metrics) == ""
    drop = {"mean_auroc": {"difference": 0.1, "low": -0.02, "high": 0.2, "a": 0.8}}
    assert "0.10 lower" in finding_words.drop_sentence(metrics | {"drop": drop})
    assert "0.80" in finding_words.drop_sentence(metrics | {"drop": drop})


def test_the_terminal_names_every_finding_and_what_to_doubt(metrics, tmp_path):
    text = shown(metrics, tmp_path)
    for word in (*NAMES, "mean AUROC over findings", "mind this", "saved_model"):
        assert word in text
    assert text.isascii()
    assert "Confusion matrix" not in text


def test_curves_are_of_the_known_images_and_an_undefined_one_has_an_empty_panel():
    targets, logits, _ = drawn()
    targets[:, 1] = np.where(targets[:, 1] == 1, 0, targets[:, 1])
    scored = known_scores(targets, probabilities(logits), NAMES)
    assert [len(has) for has, _ in scored.values()] == (targets >= 0).sum(axis=0).tolist()
    figure = roc_panels_figure(scored, {"Mass": 0.9, "Edema": None, "Hernia": 0.5})
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left").split("\n")[1] for axes in panels] == ["0.90", "n/a", "0.50"]
    assert [len(axes.lines) for axes in panels] == [2, 1, 2]


def test_a_mean_of_some_findings_says_of_how_many(metrics):
    assert finding_words.headline_rows(metrics)[0]["name"] == "mean AUROC over findings"
    first = NAMES[0]
    unknown = metrics["per_class"] | {first: metrics["per_class"][first] | {"auroc": None}}
    name = finding_words.headline_rows(metrics | {"per_class": unknown})[0]["name"]
    assert name == f"mean AUROC over {len(NAMES) - 1} of {len(NAMES)} findings"
