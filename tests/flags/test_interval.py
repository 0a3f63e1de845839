import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flags.interval import Interval


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinities_lie_in_no_interval(value):
    assert value not in Interval(-math.inf)
    assert value not in Interval(0, 1)


def test_an_open_end_is_left_out_and_a_closed_one_is_not():
    assert 0 in Interval(0, 1)
    assert 1 in Interval(0, 1)
    assert 0 not in Interval(0, 1, open_low=True)
    assert 1 not in Interval(0, 1, open_high=True)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_without_a_high_end_every_number_above_the_low_end_is_in(value):
    assert (value in Interval(0)) == (value >= 0)
    assert (value in Interval(0, open_low=True)) == (value > 0)


def test_the_words_name_both_ends_and_which_are_left_out():
    assert str(Interval(0)) == "a number of at least 0"
    assert str(Interval(0, open_low=True)) == "a number above 0"
    assert str(Interval(0.5, 1.25)) == "a number from 0.5 to 1.25"
    assert str(Interval(0, 1, open_high=True)) == "a number from 0 to 1 (excluded)"


def test_whole_numbers_are_written_in_full():
    assert str(Interval(0, 2**31 - 1)) == "a number from 0 to 2147483647"
    assert str(Interval(12345678)) == "a number of at least 12345678"
