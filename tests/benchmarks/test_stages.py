import pytest

from benchmarks.stages import Stage, durations, growth

LINES = [(1.0, "data: x"), (2.0, "epoch 1"), (4.0, "epoch 2"), (5.0, "Files")]


def test_a_stage_ends_with_its_line_and_begins_with_the_one_before():
    stages = [Stage("a", ("data:",)), Stage("b", ("epoch",), last=True), Stage("c", ("Files",))]
    assert durations(stages, LINES) == [1.0, 3.0, 1.0]


def test_a_stage_that_never_came_takes_no_time_from_the_others():
    stages = [Stage("a", ("data:",)), Stage("b", ("gone",)), Stage("c", ("Files",))]
    assert durations(stages, LINES) == [1.0, None, 4.0]


def test_growth_is_the_last_sample_before_each_moment():
    assert growth([(0.0, 10.0), (1.0, 20.0), (2.0, 15.0)], [0.5, 2.0]) == [10.0, 15.0]
    with pytest.raises(IndexError):
        growth([(1.0, 20.0)], [0.5])
