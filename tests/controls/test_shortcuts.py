"""Shortcuts: what is planted is found and named, and clean data raises no alarm."""

import dataclasses
import functools
import json

import numpy as np
import pytest

from tfcovid.controls.evidence import (
    FAMILIES,
    aspect,
    border_pixels,
    border_thumbnail,
    image_evidence,
    one_hot,
    size,
)
from tfcovid.controls.shortcuts import LEAST_EFFECT, shortcut_scores
from tfcovid.metrics.intervals import balanced_accuracy_interval

BOX = (0.12, 0.88, 0.10, 0.90)
CLASSES = ("Normal", "Pneumonia", "COVID-19")
PIXELS = ("border_pixels", "histogram", "border_thumbnail")


def made_up(seed, *, patients=100, images_each=2, size_px=64):
    """Returns image_evidence's arguments, labels and patients: nothing depends on the class.

    Each patient has a class, a texture, a format and a size; the images of one are nearly alike.
    """
    rng = np.random.default_rng(seed)
    of_patient = np.r_[0, 0, 1, 1, 2, 2, rng.choice(3, patients - 6, p=[0.45, 0.4, 0.15])]
    patient = np.repeat(np.arange(patients), images_each)
    shape = (patients, size_px, size_px, 1)
    textures = rng.normal(110, 25, (patients, 1, 1, 1)) + rng.normal(0, 18, shape)
    squares = textures[patient] + rng.normal(0, 8, (len(patient), *shape[1:]))
    arguments = {
        "formats": rng.choice(["JPEG", "PNG"], patients)[patient],
        "modes": rng.choice(["L", "RGB", "P"], patients)[patient],
        "widths": rng.integers(400, 2000, patients)[patient],
        "heights": rng.integers(400, 2000, patients)[patient],
        "squares": squares.clip(0, 255).astype(np.uint8),
        "box": BOX,
    }
    return arguments, of_patient[patient], patient


def scores(arguments, labels, groups, *, only=tuple(FAMILIES), **options):
    evidence = {name: found for name, found in image_evidence(**arguments).items() if name in only}
    options = {"classes": CLASSES, "interval": balanced_accuracy_interval, "seed": 0} | options
    return {found.name: found for found in shortcut_scores(evidence, labels, groups, **options)}


def alarms(found):
    return [name for name, shortcut in found.items() if shortcut.beats_chance]


@pytest.mark.parametrize("seed", range(6))
def test_clean_data_raises_no_alarm(seed):
    found = scores(*made_up(seed))
    assert list(found) == list(FAMILIES)
    assert alarms(found) == []
    for shortcut in found.values():
        assert shortcut.interval["low"] <= shortcut.balanced_accuracy <= shortcut.interval["high"]
        assert shortcut.class_given_away is None
        assert "not shown to be better than guessing" in shortcut.sentence


def test_images_of_a_patient_taken_for_patients_would_raise_false_alarms():
    arguments, labels, patients = made_up(7, images_each=4)
    one_each = np.arange(len(labels))
    assert {"size", "aspect", "border_pixels"} <= set(alarms(scores(arguments, labels, one_each)))
    assert alarms(scores(arguments, labels, patients)) == []


def test_planted_corner_mark_of_four_pixels_is_found_and_the_sentence_names_the_class():
    for seed, marked in ((0, 2), (1, 0)):
        arguments, labels, patients = made_up(seed)
        arguments["squares"][labels == marked, :2, -2:] = 255
        found = scores(arguments, labels, patients)
        border = found["border_pixels"]
        assert border.beats_chance
        assert border.class_given_away == CLASSES[marked]
        assert f"{CLASSES[marked]} is told from the other classes" in border.sentence
        assert border.per_class[CLASSES[marked]]["auroc"] > 0.95
        assert set(alarms(found)) <= set(PIXELS)


def test_format_that_equals_class_is_found_and_nothing_else():
    arguments, labels, patients = made_up(3)
    arguments["formats"] = np.where(labels == 2, "PNG", "JPEG")
    found = scores(arguments, labels, patients)
    assert alarms(found) == ["file_format"]
    assert found["file_format"].class_given_away == "COVID-19"
    assert found["file_format"].balanced_accuracy == pytest.approx(2 / 3, abs=0.01)
    assert found["file_format"].per_class["COVID-19"] == {"recall": 1.0, "auroc": 1.0}


def test_size_between_others_is_found_though_it_has_no_direction():
    arguments, labels, patients = made_up(4)
    arguments["widths"] = np.where(labels == 1, 1024, arguments["widths"])
    found = scores(arguments, labels, patients, only=("size",))
    assert alarms(found) == ["size"]
    assert found["size"].class_given_away == "Pneumonia"


def test_of_two_classes_the_rarer_is_named_and_told_from_the_other():
    arguments, labels, patients = made_up(5)
    arguments["modes"] = np.where(labels == 2, "RGB", "L")
    found = scores(
        arguments,
        (labels == 2).astype(int),
        patients,
        only=("mode",),
        classes=("other", "COVID-19"),
    )
    assert found["mode"].class_given_away == "COVID-19"
    assert "COVID-19 is told from other by the colour mode" in found["mode"].sentence
    assert found["mode"].chance == 0.5


def test_difference_too_small_to_matter_raises_no_alarm():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 20_000)
    right = rng.random(len(labels)) < 0.5 + LEAST_EFFECT / 4
    formats = np.where(right, labels, 1 - labels).astype(str)
    (found,) = shortcut_scores(
        {"file_format": one_hot(formats)},
        labels,
        np.arange(len(labels)),
        classes=("a", "b"),
        interval=functools.partial(balanced_accuracy_interval, resamples=200),
        seed=0,
    )
    assert found.interval["low"] > 0.5
    assert not found.beats_chance
    assert "too little to matter" in found.sentence


def test_small_classes_lower_the_folds_and_a_single_patient_is_left_out():
    arguments, labels, patients = made_up(6)
    few = np.flatnonzero(labels == 2)
    for kept, left_out in ((3, ()), (1, ("COVID-19",))):
        dropped = np.isin(patients, np.unique(patients[few])[kept:])
        found = scores(
            {k: v if k == "box" else v[~dropped] for k, v in arguments.items()},
            labels[~dropped],
            patients[~dropped],
            only=("mode", "border_pixels"),
        )
        for shortcut in found.values():
            assert shortcut.left_out == left_out
            assert ("not enough patients: COVID-19" in shortcut.sentence) == bool(left_out)
            assert list(shortcut.per_class) == [n for n in CLASSES if n not in left_out]
            assert shortcut.chance == 1 / len(shortcut.per_class)
            assert not shortcut.beats_chance


def test_without_two_classes_of_two_patients_there_are_words_and_no_figure():
    labels, groups = np.array([0, 0, 0, 1]), np.array([0, 1, 2, 3])
    (found,) = shortcut_scores(
        {"mode": np.eye(4)},
        labels,
        groups,
        classes=CLASSES,
        interval=balanced_accuracy_interval,
        seed=0,
    )
    assert found.balanced_accuracy is None and found.interval is None and found.chance is None
    assert "Not enough patients" in found.sentence
    json.dumps(dataclasses.asdict(found), allow_nan=False)


def test_all_alike_says_so():
    arguments, labels, patients = made_up(8)
    arguments["formats"] = ["JPEG"] * len(labels)
    found = scores(arguments, labels, patients, only=("file_format",))["file_format"]
    assert found.balanced_accuracy == pytest.approx(1 / 3)
    assert "the same in every image" in found.sentence
    json.dumps(dataclasses.asdict(found), allow_nan=False)


def test_same_seed_gives_the_same_scores_and_the_level_allows_for_every_family():
    once, again = (scores(*made_up(9), only=("size", "mode")) for _ in range(2))
    assert once == again
    assert once["size"].interval["level"] == pytest.approx(1 - 0.05 / 2)


def test_patient_of_several_classes_is_on_one_side_of_every_fold():
    arguments, labels, patients = made_up(10)
    labels = np.where(np.arange(len(labels)) % 10 == 0, (labels + 1) % 3, labels)
    assert alarms(scores(arguments, labels, patients)) == []


def test_missing_sizes_are_a_value_and_no_error():
    arguments, labels, patients = made_up(11)
    arguments["widths"] = np.where(labels == 2, np.nan, arguments["widths"])
    found = scores(arguments, labels, patients, only=("size", "aspect"))
    assert alarms(found) == ["size", "aspect"]
    assert found["size"].class_given_away == "COVID-19"


def test_unfit_arguments_are_refused():
    options = {"classes": CLASSES, "interval": balanced_accuracy_interval, "seed": 0}
    labels, groups = np.array([0, 0, 1, 1]), np.arange(4)
    with pytest.raises(ValueError, match=r"expected a family of .* Received: colour"):
        shortcut_scores({"colour": np.eye(4)}, labels, groups, **options)
    with pytest.raises(ValueError, match=r"Received: shape \(3, 3\), 4 labels"):
        shortcut_scores({"mode": np.eye(3)}, labels, groups, **options)
    with pytest.raises(ValueError, match="at least 2 folds"):
        shortcut_scores({"mode": np.eye(4)}, labels, groups, folds=1, **options)


def test_evidence_holds_what_it_says():
    rng = np.random.default_rng(0)
    squares = rng.integers(0, 256, (5, 48, 48, 1), np.uint8)
    rims = border_pixels(squares)
    assert rims.shape == (5, 88)
    np.testing.assert_allclose(rims[:, 0], squares[:, :2].mean(axis=(1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(rims[:, 9], squares[:, -2:].max(axis=(1, 2, 3)))
    np.testing.assert_array_equal(rims[:, -16:], squares[:, -4:, -4:, 0].reshape(5, -1))
    np.testing.assert_array_equal(one_hot(["b", None, "a"]), [[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    np.testing.assert_allclose(size([4], [8]), [[4, 8, np.log(32)]])
    np.testing.assert_allclose(aspect([4], [8]), [[np.log(0.5)]])


@pytest.mark.parametrize("side", [48, 75, 96, 224])
def test_border_evidence_knows_nothing_of_the_lung_box(side):
    rng = np.random.default_rng(1)
    squares = rng.integers(0, 256, (3, side, side, 1), np.uint8)
    changed = squares.copy()
    top, bottom, left, right = (round(edge * side) for edge in BOX)
    inside = changed[:, top:bottom, left:right]
    changed[:, top:bottom, left:right] = rng.integers(0, 256, inside.shape, np.uint8)
    np.testing.assert_array_equal(border_pixels(squares), border_pixels(changed))
    found = border_thumbnail(squares, BOX)
    np.testing.assert_array_equal(found, border_thumbnail(changed, BOX))
    assert found.shape[1] >= 60 and found.std() > 0
