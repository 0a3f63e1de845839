import pytest

from benchmarks.pairs import median_s, paired_ratio


def test_a_machine_that_slows_both_of_a_pair_changes_no_ratio():
    ours, theirs = [[1.0, 1.1, 1.0], [2.0, 2.0, 2.2]], [[1.5, 1.5, 9.0], [3.0, 3.1, 3.0]]
    ratio = paired_ratio(ours, theirs)
    assert (ratio.median, ratio.low, ratio.high) == (1.5, 1.5, 1.5)


def test_the_ratio_is_their_time_over_ours_with_its_range():
    ratio = paired_ratio([[1.0], [1.0], [2.0]], [[1.0], [3.0], [4.0]])
    assert (ratio.median, ratio.low, ratio.high) == (2.0, 1.0, 3.0)
    assert str(ratio) == "2.00 (1.00 to 3.00)"


@pytest.mark.parametrize("theirs", [[], [[1.0], [1.0]]])
def test_rounds_without_a_partner_are_refused(theirs):
    with pytest.raises(ValueError, match="expected pairs of rounds"):
        paired_ratio([[1.0]], theirs)


def test_the_median_is_of_all_steps():
    assert median_s([[1.0, 5.0], [2.0]]) == 2.0
