"""Predictive values: Bayes' rule, and intervals that cover."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcovid.metrics.prevalence import METHOD, at_prevalence, ratio_interval
from tfcovid.metrics.small_samples import wilson_interval


def figures_of(sensitivity, specificity, positives=20, negatives=200, **more):
    shares = {"recall": (sensitivity, positives), "specificity": (specificity, negatives)}
    intervals = {}
    for key, (share, n) in shares.items():
        low, high = wilson_interval(share, n, 0.95)
        intervals[f"per_class.COVID-19.{key}"] = {
            "low": low,
            "high": high,
            "level": 0.95,
            "n_patients": n,
            **more,
        }
    per_class = {"COVID-19": {key: share for key, (share, _) in shares.items()}}
    return {"per_class": per_class, "intervals": intervals}


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.001, 0.999))
def test_predictive_values_are_shares_of_a_population(sensitivity, specificity, prevalence):
    found = at_prevalence(figures_of(sensitivity, specificity), "COVID-19", prevalence)
    ill = 1e6 * prevalence
    well = 1e6 - ill
    hits, alarms = ill * sensitivity, well * (1 - specificity)
    misses, passes = ill * (1 - sensitivity), well * specificity
    for name, right, wrong in (("ppv", hits, alarms), ("npv", passes, misses)):
        if right + wrong == 0:
            assert found[name] is None and name not in found["intervals"]
            continue
        assert found[name] == pytest.approx(right / (right + wrong), abs=1e-9)
        interval = found["intervals"][name]
        assert 0 <= interval["low"] <= found[name] <= interval["high"] <= 1
        assert interval["method"] == METHOD
        assert interval["n_patients"] == 220


def test_at_the_test_splits_own_prevalence_ppv_is_its_precision():
    found = at_prevalence(figures_of(15 / 20, 190 / 200), "COVID-19", 20 / 220)
    assert found["ppv"] == pytest.approx(15 / 25)
    assert found["npv"] == pytest.approx(190 / 195)
    assert (found["class"], found["prevalence"]) == ("COVID-19", 20 / 220)


@pytest.mark.parametrize(
    ("sensitivity", "specificity", "positives", "negatives", "prevalence"),
    [(0.9, 0.95, 8, 200, 0.05), (0.9, 0.95, 40, 200, 0.05), (0.7, 0.8, 60, 60, 0.3)],
)
def test_intervals_cover_the_truth_as_often_as_they_say(
    sensitivity, specificity, positives, negatives, prevalence
):
    rng, covered = np.random.default_rng(0), {"ppv": [], "npv": []}
    truth = at_prevalence(figures_of(sensitivity, specificity), "COVID-19", prevalence)
    for _ in range(1000):
        seen = figures_of(
            rng.binomial(positives, sensitivity) / positives,
            rng.binomial(negatives, specificity) / negatives,
            positives,
            negatives,
        )
        found = at_prevalence(seen, "COVID-19", prevalence)["intervals"]
        for name, hits in covered.items():
            hits.append(found[name]["low"] <= truth[name] <= found[name]["high"])
    for hits in covered.values():
        assert 0.93 <= np.mean(hits) <= 0.98


@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95), st.floats(0.001, 0.04))
def test_narrow_intervals_give_the_delta_methods_interval_of_a_ratio(up, down, half):
    half *= min(up, down)
    found = ratio_interval(up, (up - half, up + half), down, (down - half, down + half))
    spread = up / down * np.hypot(half / up, half / down)
    np.testing.assert_allclose(found, up / down + np.array([-spread, spread]), rtol=0.01)


def test_a_part_known_exactly_leaves_the_others_interval():
    np.testing.assert_allclose(ratio_interval(0.6, (0.5, 0.8), 0.2, (0.2, 0.2)), [2.5, 4.0])
    np.testing.assert_allclose(ratio_interval(0.6, (0.6, 0.6), 0.2, (0.1, 0.3)), [2.0, 6.0])


def test_few_patients_and_absence_are_passed_on():
    few = at_prevalence(figures_of(0.9, 0.9, few_groups=True), "COVID-19", 0.1)
    assert all(entry["few_groups"] for entry in few["intervals"].values())
    absent = {
        "per_class": {"COVID-19": {"recall": None, "specificity": 0.9}},
        "intervals": {},
    }
    found = at_prevalence(absent, "COVID-19", 0.1)
    assert (found["ppv"], found["npv"], found["intervals"]) == (None, None, {})


@pytest.mark.parametrize("prevalence", [0, 1, -0.1, float("nan")])
def test_prevalence_must_be_a_share(prevalence):
    with pytest.raises(ValueError, match="prevalence must be in"):
        at_prevalence(figures_of(0.9, 0.9), "COVID-19", prevalence)
