import numpy as np
import pytest

from tfcovid.metrics.heat_shares import heat_share_entries, outside_notes

CLASSES = ("A", "B")


def test_a_class_has_the_mean_of_its_own_images_maps_of_it():
    shares = np.array([[0.2, 0.9], [0.4, 0.9], [0.9, 0.5], [np.nan, 0.9], [0.9, np.nan]])
    has = np.array([[1, 0], [1, 0], [0, 1], [1, 0], [0, 1]], bool)
    groups = np.array(["p", "p", "q", "r", "s"])
    entries, intervals = heat_share_entries(shares, has, groups, CLASSES, seed=0)
    assert entries["A"] == {
        "share": pytest.approx(0.3),
        "n_images": 2,
        "n_patients": 1,
        "without_heat": 1,
    }
    assert entries["B"] == {"share": 0.5, "n_images": 1, "n_patients": 1, "without_heat": 1}
    assert intervals == {}


def test_a_class_without_images_has_no_share():
    entries, _ = heat_share_entries(
        np.full((2, 2), 0.5), np.array([[1, 0], [1, 0]], bool), np.arange(2), CLASSES, seed=0
    )
    assert entries["B"] == {"share": None, "n_images": 0, "n_patients": 0, "without_heat": 0}


def test_the_interval_counts_patients_not_images():
    rng = np.random.default_rng(0)
    of_patient = rng.uniform(0.2, 0.8, 40)
    few, many = np.arange(40), np.repeat(np.arange(40), 25)
    widths = []
    for groups in (few, many):
        shares = np.stack([of_patient[groups], np.zeros(len(groups))], axis=1)
        has = np.array([[True, False]] * len(groups))
        _, intervals = heat_share_entries(shares, has, groups, CLASSES, seed=0)
        assert intervals["A"]["n_patients"] == 40
        assert intervals["A"]["low"] < of_patient.mean() < intervals["A"]["high"]
        widths.append(intervals["A"]["high"] - intervals["A"]["low"])
    np.testing.assert_allclose(widths[0], widths[1], rtol=0.05)
    expected = 2 * 1.96 * of_patient.std() / np.sqrt(40)
    np.testing.assert_allclose(widths[0], expected, rtol=0.1)


def test_a_class_is_noted_only_if_its_whole_interval_is_below_the_box():
    def heat(low, high):
        return {
            "box_share_of_image": 0.61,
            "per_class": {"A": {"share": 0.5}, "B": {"share": None}},
            "intervals": {"A": {"low": low, "high": high}},
        }

    (note,) = outside_notes(heat(0.4, 0.6))
    assert "Evidence for A" in note and "0.50 (0.40-0.60)" in note and "0.61 of the image" in note
    assert outside_notes(heat(0.4, 0.62)) == []
