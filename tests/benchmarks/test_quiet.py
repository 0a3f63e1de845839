import os

from benchmarks.quiet import Others, busy_ticks, process_ticks

STAT = "cpu  100 20 30 4000 500 6 7 8 0 0\ncpu0 50 10 15 2000 250 3 3 4 0 0\n"


def test_idle_time_and_waiting_for_a_disk_are_not_busy_and_stolen_time_is():
    assert busy_ticks(STAT) == 100 + 20 + 30 + 6 + 7 + 8


def test_a_name_with_brackets_does_not_move_the_columns():
    fields = ["S", *map(str, range(1, 11)), "70", "8", "0"]
    assert process_ticks(f"12 (a) b (c) {' '.join(fields)}") == 78


def test_the_share_of_others_lies_between_nothing_and_everything():
    others = Others([os.getpid()])
    sum(range(100_000))
    assert 0 <= others.share() <= 1
