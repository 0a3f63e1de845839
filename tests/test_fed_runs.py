"""A run whose batches other processes make is the run of none, and ends where one of them does."""

import json
import os
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from tests.conftest import ROOT, SMALL, run_entry, train_here
from tests.feed_process import Feed
from tests.test_shared_runs import ended, start
from tfcovid.training.run_record import RunFolder

pytest.importorskip("apache_beam")

KEPT = ("--snapshot_minutes=0.0001", "--resume", "--controls=none")
NOTICED_S = 60
NAMES = ("history.csv", "predictions.csv", "decision.json", "metrics.json")


@pytest.fixture(scope="module")
def feeds():
    both = Feed(), Feed()
    yield both
    for feed in both:
        if feed.process.poll() is None:
            assert feed.told()[0] == 0


@pytest.fixture(scope="module")
def asked(small_data, tmp_path_factory):
    records = tmp_path_factory.mktemp("fed") / "records"
    run_entry(
        "prepare",
        f"--data_dir={small_data}",
        f"--output_dir={records}",
        "--image_size=32",
        "--shards=3",
    )
    return [f"--data_dir={records}", *SMALL, *KEPT, "--batch_size=60", "--epochs=3"]


@pytest.fixture(scope="module")
def alone(asked, tmp_path_factory):
    """The run that makes its batches itself, from images in memory."""
    workdir = tmp_path_factory.mktemp("alone") / "run"
    train_here(
        *(flag for flag in asked if "minutes" not in flag and flag != "--resume"),
        "--cache=memory",
        f"--workdir={workdir}",
    )
    return workdir


def assert_same(run, other):
    for name in NAMES:
        assert (run / name).read_bytes() == (other / name).read_bytes(), name
    one, two = (
        keras.models.load_model(RunFolder(folder).best_model, compile=False)
        for folder in (run, other)
    )
    for mine, theirs in zip(one.weights, two.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy(), err_msg=mine.path)


def fed(asked, feeds, run):
    addresses = ",".join(feed.address for feed in feeds)
    return [*asked, "--cache=records", f"--data_service={addresses}", f"--workdir={run}"]


def test_a_fed_run_is_that_of_images_in_memory(asked, alone, feeds, tmp_path):
    done = run_entry("train", *fed(asked, feeds, tmp_path / "run"))
    assert f"batches: made in turn by {feeds[0].address}, {feeds[1].address}" in done.stdout
    assert "cache: records, read in place in" in done.stdout
    assert_same(tmp_path / "run", alone)


def test_a_killed_feed_ends_the_run_which_goes_on_to_the_same_end(asked, alone, feeds, tmp_path):
    doomed, run = Feed(), tmp_path / "run"
    command = [sys.executable, "-m", "tfcovid.train", *fed(asked, (feeds[0], doomed), run)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    training = subprocess.Popen(command, cwd=ROOT, text=True, **pipes)
    while not list(run.glob("checkpoints/training-*")):
        assert training.poll() is None, training.communicate()
        time.sleep(0.01)
    doomed.process.kill()
    killed_s = time.monotonic()
    doomed.process.communicate()
    _, stderr = training.communicate(timeout=10 * NOTICED_S)
    assert time.monotonic() - killed_s < NOTICED_S
    (line,) = stderr.splitlines()
    assert training.returncode == 1
    assert line.startswith(f"error: --data_service={doomed.address}: the feed there is gone")
    done = run_entry("train", *fed(asked, feeds[:1], run))
    assert "going on from a snapshot" in done.stdout
    assert_same(run, alone)


def test_workers_that_share_a_run_are_fed_each_its_own_parts(asked, alone, feeds, tmp_path):
    run = tmp_path / "run"
    command = [*fed(asked, feeds, run), "--distribute=multi_worker"]
    chief, other = ended(start(command, 2))
    assert chief[0] == other[0] == 0, chief[2] + other[2]
    found, expected = (json.loads((run / "metrics.json").read_text()) for run in (run, alone))
    assert found["brier"] == pytest.approx(expected["brier"], rel=5e-3)


def test_a_feed_that_is_told_to_stop_stops():
    feed = Feed()
    code, said = feed.told()
    assert (code, said.splitlines()[-1]) == (0, "Stopped.")
    done = run_entry(
        "train",
        "--data_service=" + feed.address,
        "--cache=none",
        f"--workdir={os.devnull}/no",
        check=False,
    )
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and "found none that answers" in line
