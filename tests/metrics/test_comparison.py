"""Two systems on the same images: what an entry holds, how often it covers, what groups do."""

import json

import numpy as np
import pytest

from tests.metrics.systems import two_systems
from tfcovid.metrics.classification import classification_metrics
from tfcovid.metrics.comparison import BOOTSTRAP, MOVER, compare_systems

CLASSES = ["Normal", "Pneumonia", "COVID-19"]
KEYS = {"accuracy", "balanced_accuracy", "macro_f1"} | {
    f"per_class.{name}.{key}" for name in CLASSES for key in ("recall", "precision", "f1", "auroc")
}


def compared(labels, groups, probs_a, probs_b, **options):
    options = {"resamples": 300, "draws": 300, "seed": 0} | options
    return compare_systems(
        labels,
        groups,
        CLASSES,
        probs_a=probs_a,
        decisions_a=probs_a.argmax(axis=1),
        probs_b=probs_b,
        decisions_b=probs_b.argmax(axis=1),
        **options,
    )


def value_of(figures, key):
    if not key.startswith("per_class."):
        return figures[key]
    name, figure = key.removeprefix("per_class.").rsplit(".", 1)
    return figures["per_class"][name][figure]


@pytest.mark.parametrize("patients", [6, 40, 300])
@pytest.mark.parametrize("skills", [(1.5, 1.5), (9.0, 9.0), (3.0, 0.0)])
def test_every_figure_has_its_difference_inside_its_interval(patients, skills):
    labels, groups, *probs = two_systems(patients, skill_a=skills[0], skill_b=skills[1])
    found = compared(labels, groups, *probs)
    figures = [classification_metrics(labels, p, p.argmax(axis=1), CLASSES) for p in probs]
    assert set(found) <= KEYS
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for key, entry in found.items():
        assert entry["a"] == pytest.approx(value_of(figures[0], key)), key
        assert entry["b"] == pytest.approx(value_of(figures[1], key)), key
        assert entry["difference"] == pytest.approx(entry["a"] - entry["b"])
        assert -1 <= entry["low"] <= entry["difference"] <= entry["high"] <= 1, key
        assert 0 < entry["p_value"] <= 1
        assert 0 <= entry["n_discordant"] <= len(np.unique(groups))


def test_swapping_the_systems_turns_the_interval_round():
    labels, groups, a, b = two_systems(150)
    there, back = compared(labels, groups, a, b), compared(labels, groups, b, a)
    for key, entry in there.items():
        assert back[key]["difference"] == pytest.approx(-entry["difference"], abs=1e-12), key
        assert back[key]["low"] == pytest.approx(-entry["high"], abs=1e-9), key
        assert back[key]["p_value"] == entry["p_value"], key


def test_paired_interval_is_narrower_than_that_of_unrelated_systems():
    widths = []
    for alike in (0.0, 0.9):
        found = compared(*two_systems(400, alike=alike))
        assert found["accuracy"]["method"] == BOOTSTRAP
        widths.append(found["accuracy"]["high"] - found["accuracy"]["low"])
    assert widths[1] < 0.6 * widths[0]


def test_images_of_one_patient_do_not_make_a_difference_surer():
    labels, groups, a, b = two_systems(80)
    once = compared(labels, groups, a, b)
    again = (np.repeat(values, 4, axis=0) for values in (labels, groups, a, b))
    for key, entry in compared(*again).items():
        for part in ("difference", "low", "high", "p_value"):
            assert entry[part] == pytest.approx(once[key][part], rel=0.01, abs=1e-9), (key, part)


def test_few_discordant_patients_take_the_systems_own_intervals():
    labels, groups, a, _ = two_systems(60, skill_a=2.0)
    other = a.copy()
    first = groups == "patient0"
    other[first] = a[first][:, [1, 2, 0]]
    found = compared(labels, groups, a, other)
    entry = found["accuracy"]
    assert entry["method"] == MOVER
    assert entry["n_discordant"] <= 1
    assert entry["low"] < 0 < entry["high"]


def test_one_system_against_itself_differs_by_nothing_with_an_interval_around_it():
    labels, groups, a, _ = two_systems(60)
    for key, entry in compared(labels, groups, a, a).items():
        assert (entry["difference"], entry["p_value"], entry["n_discordant"]) == (0, 1, 0), key
        assert entry["low"] < 0 < entry["high"], key


def test_only_the_figures_asked_for_are_compared():
    sample = two_systems(40)
    one = "per_class.COVID-19.recall"
    found = compared(*sample, figures=[one])
    assert found == {one: compared(*sample)[one]}
    with pytest.raises(ValueError, match=r"Received: \['kappa'\]"):
        compared(*sample, figures=["kappa"])


def test_class_without_an_image_has_no_entry():
    labels, groups, a, b = two_systems(60)
    kept = labels < 2
    found = compared(labels[kept], groups[kept], a[kept], b[kept])
    assert "per_class.COVID-19.recall" not in found
    assert "per_class.COVID-19.auroc" not in found
    assert "accuracy" in found


@pytest.mark.parametrize("patients", [25, 80])
def test_intervals_hold_the_true_difference(patients):
    keys = ("accuracy", "balanced_accuracy", "per_class.Normal.recall", "per_class.Normal.auroc")
    large = two_systems(60_000, seed=1, skill_a=2.0, skill_b=1.2)
    of_large = [classification_metrics(large[0], p, p.argmax(axis=1), CLASSES) for p in large[2:]]
    truth = np.array([value_of(of_large[0], key) - value_of(of_large[1], key) for key in keys])
    covered = np.zeros(len(keys))
    for seed in range(100):
        sample = two_systems(patients, seed=100 + seed, skill_a=2.0, skill_b=1.2)
        found = compared(*sample, figures=keys, draws=1, resamples=200)
        covered += [
            found[key]["low"] <= true <= found[key]["high"]
            for key, true in zip(keys, truth, strict=True)
        ]
    assert (covered >= 88).all(), covered
