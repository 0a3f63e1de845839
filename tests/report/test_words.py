import pytest

from tests.report import examples
from tfcovid.report import words


def test_undefined_number_is_named_and_never_a_zero():
    assert words.number(None) == "n/a"
    assert words.number(float("nan")) == "n/a"
    assert words.number(0.0) == "0.00"


def test_interval_on_few_patients_is_marked():
    sure = examples.interval(0.5, 0.1, 40)
    assert words.interval(sure) == "0.40-0.60"
    assert words.interval(sure | {"few_groups": True}) == "0.40-0.60*"
    assert words.interval(None) == ""


def test_control_sentence_states_scores_chance_and_difference():
    metrics = examples.metrics() | {"balanced_accuracy": 0.91}
    assert words.control_sentence(metrics, "border_only") == (
        "Of the 0.91 balanced accuracy, a probe that sees only the border around the lungs "
        "reaches 0.42 (chance 0.33): the model is 0.49 above it."
    )


def test_control_sentence_admits_overlapping_intervals():
    metrics = examples.metrics() | {"balanced_accuracy": 0.70}
    metrics["intervals"]["balanced_accuracy"] = examples.interval(0.70, 0.06, 134)
    sentence = words.control_sentence(metrics, "thumbnail_32")
    assert sentence.endswith("the model is 0.03 above it, and the intervals overlap.")


@pytest.mark.parametrize("model", [0.67, 0.672, 0.5])
def test_control_sentence_admits_a_model_that_is_not_better(model):
    metrics = examples.metrics() | {"balanced_accuracy": model}
    sentence = words.control_sentence(metrics, "thumbnail_32")
    assert sentence.endswith("the model is not above it.")


def test_what_is_left_is_told_of_the_best_control_that_sees_no_lungs():
    metrics = examples.metrics()
    sentence = words.left_sentence(metrics)
    border = metrics["controls"]["border_only"]
    assert "the border around the lungs reaches" in sentence
    share = (border["balanced_accuracy"] - 1 / 3) / (metrics["balanced_accuracy"] - 1 / 3)
    assert f"reaches {100 * share:.0f} %" in sentence
    assert words.number(border["above"]["difference"]) in sentence
    assert "may be nothing" not in sentence
    border["above"]["low"] = -0.01
    assert "may be nothing" in words.left_sentence(metrics)
    assert words.left_sentence(metrics | {"balanced_accuracy": 0.3}).startswith("The score is not")
    border["above"] |= {"difference": -0.2, "low": -0.29, "high": -0.11}
    assert words.left_sentence(metrics).startswith("The model is 0.20 (0.11 to 0.29) below a probe")
    assert words.left_sentence(metrics | {"controls": {}}) == ""


def test_notes_stand_once_in_order():
    assert words.all_notes({"notes": ["a", "b"]}, ["b", "c"]) == ["a", "b", "c"]


def test_one_is_singular():
    assert words.counted(1, "image") == "1 image"
    assert words.counted(5412, "image") == "5,412 images"


@pytest.mark.parametrize(
    ("drop", "expected"),
    [
        ((0.9, 0.7, 0.1, 0.3), "is 0.20 lower (0.10-0.30) than on the run's own test split, 0.90."),
        ((0.8, 0.9, -0.15, -0.05), "is 0.10 higher (0.05-0.15) than"),
        ((0.9, 0.85, -0.02, 0.12), "is 0.05 lower (between -0.12 and 0.02: may be none) than"),
    ],
)
def test_the_drop_to_other_data_is_told_with_its_interval(drop, expected):
    a, b, low, high = drop
    found = {"a": a, "b": b, "difference": a - b, "low": low, "high": high}
    metrics = examples.metrics() | {"drop": {"balanced_accuracy": found}}
    assert expected in words.drop_sentence(metrics)
    assert words.drop_sentence(examples.metrics()) == ""


def test_no_lungs_are_credited_where_the_network_sees_a_part_of_the_image_only():
    sentence = words.left_sentence(examples.metrics() | {"view": "border_only"})
    assert "lungs" not in sentence and "the view border_only only" in sentence


def test_a_decision_that_aims_elsewhere_than_the_controls_is_said():
    asked = words.left_sentence(examples.metrics() | {"operating_point": "sensitivity"})
    assert "the controls for balanced accuracy" in asked
    youden = words.left_sentence(examples.metrics() | {"operating_point": "youden"})
    assert "the controls for balanced accuracy" not in youden
