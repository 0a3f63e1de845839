"""Cramér's V by patients: its value, its interval, and what is missing."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tfcovid.metrics.association import (
    age_group,
    association,
    class_associations,
    cramers_v,
    cramers_v_interval,
    independence,
    patient_table,
)

TABLES = st.lists(st.lists(st.integers(1, 60), min_size=3, max_size=3), min_size=2, max_size=4).map(
    np.array
)


def bergsma(table):
    """An independent writing of Bergsma 2013, eq. 7 to 9, with loops."""
    n, (r, c) = table.sum(), table.shape
    phi = (
        sum(
            (table[i, j] - table[i].sum() * table[:, j].sum() / n) ** 2
            / (table[i].sum() * table[:, j].sum() / n)
            for i in range(r)
            for j in range(c)
        )
        / n
    )
    phi = max(0, phi - (r - 1) * (c - 1) / (n - 1))
    return np.sqrt(phi / min(r - (r - 1) ** 2 / (n - 1) - 1, c - (c - 1) ** 2 / (n - 1) - 1))


@given(TABLES)
@settings(deadline=None, max_examples=50)
def test_value_is_bergsmas_and_lies_in_its_interval(table):
    value, found = cramers_v(table), cramers_v_interval(table)
    assert value == pytest.approx(min(1, bergsma(table)), abs=1e-9)
    assert 0 <= found["low"] <= value <= found["high"] <= 1


def test_independent_properties_average_near_zero_where_the_plain_figure_does_not():
    rng = np.random.default_rng(0)
    tables = [rng.multinomial(60, np.full(12, 1 / 12)).reshape(3, 4) + 1 for _ in range(200)]
    plain = [stats.contingency.association(table, method="cramer") for table in tables]
    assert np.mean([cramers_v(table) for table in tables]) < 0.05 < 0.1 < np.mean(plain)


@pytest.mark.parametrize("strength", [0.0, 0.3, 0.8])
def test_interval_covers_the_truth(strength):
    rng = np.random.default_rng(1)
    share = (1 - strength) / 9 + strength * np.eye(3) / 3
    expected = np.outer(share.sum(axis=1), share.sum(axis=0))
    truth = np.sqrt((np.square(share - expected) / expected).sum() / 2)
    covered = 0
    for _ in range(200):
        table = rng.multinomial(200, share.ravel()).reshape(3, 3)
        found = cramers_v_interval(table[table.any(axis=1)][:, table.any(axis=0)])
        covered += found["low"] <= truth + 1e-9 and truth <= found["high"]
    assert covered >= 182


def test_complete_association_of_a_large_sample_is_near_one():
    found = cramers_v_interval(np.diag([100_000, 50_000]))
    assert cramers_v(np.diag([100_000, 50_000])) == pytest.approx(1, abs=1e-4)
    assert found["low"] > 0.99 and found["high"] == 1


def test_p_value_is_fishers_for_two_by_two():
    table = np.array([[7, 1], [2, 6]])
    exact = stats.fisher_exact(table).pvalue
    assert independence(table, seed=0) == pytest.approx(exact, abs=0.01)
    assert independence(np.diag([40, 40]), seed=0) == pytest.approx(1e-4)


def test_p_values_of_independent_properties_reject_no_more_than_they_say():
    rng = np.random.default_rng(2)
    values = [
        independence(rng.multinomial(40, np.full(6, 1 / 6)).reshape(2, 3) + 1, seed=i, tables=499)
        for i in range(200)
    ]
    assert np.mean(np.array(values) <= 0.05) < 0.1


def test_patients_are_counted_once_however_many_images_they_have():
    labels = np.array(["a", "a", "a", "b", "b", "a"])
    values = np.array(["x", "x", "y", "y", "y", "x"])
    groups = np.array([0, 0, 0, 1, 1, 2])
    np.testing.assert_array_equal(patient_table(labels, values, groups), [[2, 0], [0, 1]])
    many = np.repeat([0, 1, 2, 3, 4, 5], 50)
    np.testing.assert_array_equal(
        patient_table(labels[many], values[many], groups[many]),
        patient_table(labels, values, groups),
    )


def test_many_images_of_a_patient_do_not_make_an_association():
    rng = np.random.default_rng(3)
    labels, values = rng.choice(["a", "b"], 30), rng.choice(["PA", "AP"], 30)
    repeated = np.repeat(np.arange(30), 40)
    by_image = association(
        "view", labels[repeated], values[repeated], np.arange(len(repeated)), seed=0
    )
    by_patient = association("view", labels[repeated], values[repeated], repeated, seed=0)
    assert by_image.p_value < 0.05 < by_patient.p_value
    assert by_patient.n_patients == 30
    assert "no association shown" in by_patient.sentence


def test_unknown_is_left_out_of_the_value_and_shown_beside_it():
    rng = np.random.default_rng(4)
    labels = np.repeat(["Normal", "COVID-19"], 100)
    views = rng.choice(["PA", "AP"], 200).astype(object)
    views[:90] = None
    views[90:95] = np.nan
    found = {
        one.name: one for one in class_associations(labels, {"view": views}, range(200), seed=0)
    }
    assert list(found) == ["view known or not", "view"]
    assert found["view"].n_patients == 105
    assert found["view known or not"].n_patients == 200
    assert found["view known or not"].cramers_v > 0.9
    assert "almost completely" in found["view known or not"].sentence


def test_what_cannot_be_compared_has_words_and_no_figure():
    labels, groups = ["a", "a", "b", "b"], [1, 2, 3, 4]
    columns = {
        "source": ["one"] * 4,
        "sex": [None] * 4,
        "age": ["0-5", "6-17", None, None],
    }
    found = {one.name: one for one in class_associations(labels, columns, groups, seed=0)}
    assert "one for all 4 patients" in found["source"].sentence
    assert "not known for any patient" in found["sex"].sentence
    assert "known for one class only" in found["age"].sentence
    assert found["age known or not"].cramers_v is not None
    for name in columns:
        assert found[name].cramers_v is None and found[name].interval is None
    json.dumps([one.entry() for one in found.values()], allow_nan=False)


def test_entry_has_the_keys_of_the_audit_and_strongest_come_first():
    labels = np.repeat(["a", "b"], 50)
    columns = {"sex": np.tile(["F", "M"], 50), "source": np.repeat(["one", "two"], 50)}
    found = class_associations(labels, columns, np.arange(100), seed=0)
    assert [one.name for one in found] == ["source", "sex"]
    entry = found[0].entry()
    assert set(entry) == {"with", "cramers_v", "interval", "p_value", "n_patients", "sentence"}
    assert "go together almost completely" in entry["sentence"] and "p < 0.001" in entry["sentence"]


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"sex: expected .* Received: 1 values, 2 labels"):
        class_associations(["a", "b"], {"sex": ["F"]}, [1, 2], seed=0)


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (0, "0-5"),
        (5.9, "0-5"),
        (6, "6-17"),
        (18, "18-39"),
        (79, "60-79"),
        (80, "80+"),
        (100, "80+"),
    ],
)
def test_age_groups(age, expected):
    assert age_group(age) == expected
    assert age_group(None) is None and age_group(float("nan")) is None
