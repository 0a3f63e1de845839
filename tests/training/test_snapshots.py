"""Snapshots are whole or absent, two of them are kept, and damage is found and told."""

import errno
import itertools

import numpy as np
import pytest

from tfcovid.training.snapshots import PART, Snapshots


@pytest.fixture
def snapshots(tmp_path):
    found = Snapshots(tmp_path)
    for number in range(3):
        found.write({"step": number}, {"weights": np.full((3, 2), number, np.float16)})
    return found


def files(snapshots):
    return sorted(snapshots.folder.glob("training-*.npz"))


def step_of(snapshots, told=None):
    found = Snapshots(snapshots.folder).newest([].append if told is None else told.append)
    return found and found[0]["step"]


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_two_are_kept_and_the_newest_is_what_was_written(snapshots):
    assert len(files(snapshots)) == 2
    progress, arrays = Snapshots(snapshots.folder).newest(pytest.fail)
    assert progress == {"step": 2} and list(arrays) == ["weights"]
    assert arrays["weights"].dtype == np.float16 and (arrays["weights"] == 2).all()


@pytest.mark.parametrize("place", [0, 40, -1, "cut"])
def test_a_damaged_one_is_told_removed_and_the_one_before_is_taken(snapshots, place):
    newest, told = files(snapshots)[-1], []
    if place == "cut":
        newest.write_bytes(newest.read_bytes()[:-7])
    else:
        flip(newest, place)
    assert step_of(snapshots, told) == 1
    assert len(told) == 1 and str(newest) in told[0] and "damaged" in told[0]
    assert not newest.exists()


def test_where_all_are_damaged_there_is_none(snapshots):
    for path in files(snapshots):
        flip(path, 100)
    assert step_of(snapshots) is None and not files(snapshots)


def test_one_without_a_file_that_it_needs_whole_is_worth_nothing(snapshots):
    content = b"a model"
    digest = "f2a8a0b2d0f0b3b0"
    needed = snapshots.folder / f"best-{digest}.keras"
    needed.write_bytes(content)
    snapshots.write({"step": 3}, {}, needs=[needed.name])
    told = []
    assert step_of(snapshots, told) == 2  # its digest is not that of its content
    assert str(needed) in told[0]


@pytest.mark.parametrize("fails_at", [0, 1, 2])
def test_a_write_that_fails_leaves_those_before_and_no_part(snapshots, monkeypatch, fails_at):
    before, calls = files(snapshots), itertools.count()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    if fails_at == 0:
        monkeypatch.setattr(np, "savez", full)
    else:
        monkeypatch.setattr("os.fsync", lambda _: full() if next(calls) == fails_at - 1 else None)
    with pytest.raises(OSError, match="No space left"):
        snapshots.write({"step": 3}, {"weights": np.zeros(9)})
    assert set(before) <= set(files(snapshots)) and not (snapshots.folder / PART).exists()
    assert step_of(snapshots) in (2, 3)


def test_what_a_kill_left_half_written_is_no_snapshot(snapshots):
    (snapshots.folder / PART).write_bytes(b"half")
    assert step_of(snapshots) == 2
    snapshots.clear()
    assert list(snapshots.folder.iterdir()) == []
