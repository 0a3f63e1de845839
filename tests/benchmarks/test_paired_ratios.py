"""Ratios hold on a machine that is slow at times, and the table says which is which."""

import itertools

import numpy as np
import pytest

from benchmarks.paired_ratios import (
    best_setting,
    in_turn,
    median_s,
    paired_ratios,
    ratio_of_times,
    spread,
    table,
)


def test_a_machine_that_slows_down_changes_rates_and_no_ratio():
    slowness = np.array([1.0, 3.0, 1.5, 8.0])
    found = paired_ratios(list(900 / slowness), list(300 / slowness))
    np.testing.assert_allclose([found.median, found.least, found.greatest], 3)


def test_a_spread_is_the_median_between_the_extremes():
    found = spread([5.0, 1.0, 2.0])
    assert (found.median, found.least, found.greatest) == (2, 1, 5)
    assert found.text(1) == "2.0 (1.0 to 5.0)"


@pytest.mark.parametrize(("rates", "others"), [([1.0], [1.0, 2.0]), ([], [])])
def test_runs_of_other_rounds_are_no_pairs(rates, others):
    with pytest.raises(ValueError, match="same rounds"):
        paired_ratios(rates, others)


def test_variants_take_turns_and_every_second_round_goes_backwards():
    order = []

    def run(name):
        order.append(name)
        return float(len(order))

    variants = {name: lambda name=name: run(name) for name in "abc"}
    rates = in_turn(variants, 3)
    assert "".join(order) == "abccbaabc"
    assert rates == {"a": [1, 6, 7], "b": [2, 5, 8], "c": [3, 4, 9]}


def test_the_best_setting_is_the_one_with_the_fastest_single_try():
    steady, uneven = itertools.repeat(5.0), iter([1.0, 9.0])
    settings = {"steady": lambda: next(steady), "uneven": lambda: next(uneven)}
    assert best_setting(settings, tries=2) == "uneven"


def test_the_table_has_a_row_a_variant_with_both_ratios():
    rates = {"ours": [400.0, 200.0], "peer": [40.0, 10.0], "limit": [800.0, 800.0]}
    lines = table(rates, ours="ours", limit="limit", cores=2)
    assert len(lines) == 2 + len(rates)
    cells = [cell.strip() for cell in lines[3].strip("|").split("|")]
    expected = ["peer", "25.0 (10.0 to 40.0)", "12.5", "15.00 (10.00 to 20.00)"]
    assert cells[:4] == expected
    assert cells[4].startswith("0.03 (0.01")
    assert len({line.count("|") for line in lines}) == 1


def test_a_ratio_of_times_is_above_1_where_ours_takes_less():
    ours, theirs = [[1.0, 1.1, 1.0], [2.0, 2.0, 2.2]], [[1.5, 1.5, 9.0], [4.0, 4.1, 4.0]]
    assert ratio_of_times(ours, theirs).text(2) == "1.75 (1.50 to 2.00)"


def test_times_of_rounds_without_a_partner_are_refused():
    with pytest.raises(ValueError, match="rates of the same rounds"):
        ratio_of_times([[1.0]], [[1.0], [1.0]])


def test_the_median_is_of_all_steps():
    assert median_s([[1.0, 5.0], [2.0]]) == 2.0
