import json

import numpy as np

from tfcovid.metrics.score import few_patient_notes, score

CLASSES = ("Normal", "COVID-19")


def scored(num_positive_patients):
    """Two images a patient, 40 negative patients, one image in five decided wrongly."""
    labels = np.repeat([0, 1], [80, 2 * num_positive_patients])
    groups = np.array([f"p{i // 2}" for i in range(len(labels))])
    decisions = np.where(np.arange(len(labels)) % 5 == 0, 1 - labels, labels)
    probs = np.where(decisions[:, None] == [0, 1], 0.8, 0.2)
    return score(labels, probs, decisions, groups, CLASSES, seed=0)


def test_images_and_patients_are_both_counted_for_each_class():
    figures = scored(12)
    assert (figures["n_images"], figures["n_patients"]) == (104, 52)
    assert figures["per_class"]["COVID-19"]["n_images"] == 24
    assert figures["per_class"]["COVID-19"]["n_patients"] == 12


def test_every_headline_figure_has_an_interval_around_it():
    figures = scored(12)
    for key in ("accuracy", "balanced_accuracy", "macro_f1", "mcc", "cohen_kappa", "brier"):
        interval = figures["intervals"][key]
        assert interval["low"] <= figures[key] <= interval["high"], key


def test_figures_are_json_numbers():
    json.dumps(scored(12), allow_nan=False)


def test_class_of_few_patients_is_named():
    (note,) = few_patient_notes(scored(9))
    assert note.startswith("COVID-19: only 9 patients")
    assert not few_patient_notes(scored(10))
