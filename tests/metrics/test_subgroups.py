"""Subgroups have the figures of their images alone; a column with one value divides nothing."""

import numpy as np
import pytest

from tfcovid.metrics.score import score
from tfcovid.metrics.subgroups import subgroup_figures

CLASSES = ("a", "b", "c")


def scored(n=240, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    logits = rng.normal(size=(n, 3))
    logits[np.arange(n), labels] += 1.5
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return labels, probs, probs.argmax(axis=1), np.arange(n) // 2


def test_a_part_has_the_figures_of_its_images_alone():
    labels, probs, decisions, groups = scored()
    sex = [None if i % 5 == 0 else ("F" if i % 3 else "M") for i in range(len(labels))]
    found = subgroup_figures(
        labels, probs, decisions, groups, CLASSES, columns={"sex": sex}, seed=1
    )["sex"]
    assert list(found) == ["F", "M", "unknown"]
    assert sum(part["n_images"] for part in found.values()) == len(labels)
    part = np.array([value == "M" for value in sex])
    alone = score(labels[part], probs[part], decisions[part], groups[part], CLASSES, seed=1)
    assert found["M"]["accuracy"] == alone["accuracy"]
    assert found["M"]["n_patients"] == alone["n_patients"]
    assert found["M"]["recall"]["b"] == alone["per_class"]["b"]["recall"]
    assert found["M"]["intervals"]["b"] == alone["intervals"]["per_class.b.recall"]
    assert found["M"]["intervals"]["accuracy"] == alone["intervals"]["accuracy"]


def test_a_class_that_a_part_lacks_has_no_recall_and_no_interval():
    labels, probs, decisions, groups = scored()
    source = ["x" if label == 2 else "y" for label in labels]
    found = subgroup_figures(
        labels, probs, decisions, groups, CLASSES, columns={"source": source}, seed=1
    )["source"]
    assert found["x"]["recall"]["a"] is None and "a" not in found["x"]["intervals"]
    assert found["x"]["n_patients_of_class"] == {
        "a": 0,
        "b": 0,
        "c": np.unique(groups[labels == 2]).size,
    }


@pytest.mark.parametrize("value", ["F", None])
def test_a_column_with_one_value_divides_nothing(value):
    labels, probs, decisions, groups = scored()
    columns = {"sex": [value] * len(labels)}
    assert not subgroup_figures(labels, probs, decisions, groups, CLASSES, columns=columns, seed=1)
