"""A run that processes share: they find each other, one writes, and none is lost unnoticed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT, SMALL, run_entry, train_here

KEPT = ("--snapshot_minutes=0.0001", "--resume", "--controls=none")
FREE_PORTS = iter(range(33_000 + 50 * (os.getpid() % 100), 39_000))
NOTICED_S = 30


def start(arguments, count, *, of_the_last=()):
    """Starts the workers of a run, the last one with further arguments."""
    addresses = [f"127.0.0.1:{next(FREE_PORTS)}" for _ in range(count)]
    command = [sys.executable, "-m", "tfcovid.train", *map(str, arguments)]
    started = []
    for index in range(count):
        task = {"type": "worker", "index": index}
        named = json.dumps({"cluster": {"worker": addresses}, "task": task})
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        environment = {**os.environ, "TF_CONFIG": named}
        more = of_the_last if index == count - 1 else ()
        started.append(
            subprocess.Popen([*command, *more], cwd=ROOT, env=environment, text=True, **pipes)
        )
    return started


def ended(workers):
    """Waits for the workers; returns of each its exit code, stdout and stderr."""
    found = []
    for worker in workers:
        shown = worker.communicate(timeout=300)
        found.append((worker.returncode, *shown))
    return found


@pytest.fixture(scope="module")
def asked(small_data):
    # 242 training images: the last batch has two, of which the second worker gets one.
    return [f"--data_dir={small_data}", *SMALL, *KEPT, "--batch_size=60", "--epochs=4"]


@pytest.fixture(scope="module")
def shared(asked, tmp_path_factory):
    """A run that two workers shared from its begin to its end."""
    workdir = tmp_path_factory.mktemp("shared") / "run"
    chief, other = ended(start([*asked, "--distribute=multi_worker", f"--workdir={workdir}"], 2))
    assert chief[0] == other[0] == 0, chief[2] + other[2]
    assert "unhealthy" not in chief[2]  # nobody left before the chief had ended
    assert "worker 1 of 2" in chief[1] and "the training is over; waiting for worker 1" in other[1]
    return workdir


def test_a_shared_run_is_that_of_one_process_but_for_rounding(asked, shared, tmp_path):
    train_here(*asked[:-4], *asked[-2:], "--controls=none", f"--workdir={tmp_path / 'run'}")
    alone, ours = (pd.read_csv(run / "history.csv") for run in (tmp_path / "run", shared))
    assert (alone["phase"] == ours["phase"]).all()
    np.testing.assert_allclose(ours.drop(columns="phase"), alone.drop(columns="phase"), rtol=5e-3)
    environment = json.loads((shared / "environment.json").read_text())
    assert environment["shared"] == {"by": "worker 1 of 2", "sync_batch_norm": True}
    assert (shared / "saved_model").is_dir() and (shared / "finished.json").is_file()
    assert not list(shared.rglob("training-*"))


def test_a_killed_worker_is_noticed_and_the_run_goes_on_to_the_same_end(asked, shared, tmp_path):
    run = tmp_path / "run"
    command = [*asked, "--distribute=multi_worker", f"--workdir={run}"]
    chief, other = start(command, 2)
    while not list(run.glob("checkpoints/training-000003*")):
        assert chief.poll() is None and other.poll() is None
        time.sleep(0.05)
    other.send_signal(signal.SIGKILL)
    killed_s = time.monotonic()
    code, _, stderr = ended([chief])[0]
    assert time.monotonic() - killed_s < NOTICED_S
    assert ended([other])[0][0] == -signal.SIGKILL
    line = stderr.splitlines()[-1]
    assert (
        code == 1 and line.startswith("error: worker 1 of 2") and "another worker is gone" in line
    )
    first, second = ended(start(command, 2))
    assert first[0] == second[0] == 0, first[2] + second[2]
    assert "going on from a snapshot" in first[1]
    for name in ("predictions.csv", "decision.json", "metrics.json"):
        assert (run / name).read_bytes() == (shared / name).read_bytes()


def test_a_worker_with_other_data_is_told(asked, tmp_path):
    from tfcovid.data.sources.synthetic import write_synthetic

    write_synthetic(tmp_path / "other", seed=2, image_size=48, patients=60)
    unlike(asked, f"--data_dir={tmp_path / 'other'}", tmp_path, "the same images, labels and split")


def test_a_worker_with_other_flags_is_told(asked, tmp_path):
    unlike(asked, "--learning_rate=0.5", tmp_path, "the same flags and precision")


def unlike(asked, change, tmp_path, message):
    command = [*asked, "--distribute=multi_worker", f"--workdir={tmp_path / 'run'}"]
    said = ended(start(command, 2, of_the_last=[change]))
    assert [code for code, _, _ in said] == [1, 1]
    assert any(message in stderr for _, _, stderr in said)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--distribute=mirrored",), "expected two GPUs or more, found 0"),
        (("--distribute=multi_worker",), "expected --workdir"),
        (("--distribute=multi_worker", "--workdir=RUN"), "expected TF_CONFIG in the environment"),
        (
            ("--distribute=mirrored", "--split=kfold", "--folds=3"),
            "shares the training of one network: give --fold too",
        ),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_shared_is_refused_in_one_line(small_data, tmp_path, flags, message):
    done = run_entry("train", f"--data_dir={small_data}", *SMALL, *flags, check=False)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and line.startswith("error: ") and message in line


def test_a_finished_shared_run_is_left_as_it_is(asked, shared):
    command = [*asked, "--distribute=multi_worker", f"--workdir={shared}"]
    before = (shared / "metrics.json").stat().st_mtime_ns
    chief, other = ended(start(command, 2))
    assert chief[0] == other[0] == 0, chief[2] + other[2]
    assert "finished before: nothing to do" in chief[1]
    assert (shared / "metrics.json").stat().st_mtime_ns == before


def test_sigterm_to_one_worker_ends_all_of_them_behind_a_snapshot(asked, tmp_path):
    run = tmp_path / "run"
    command = [*asked, "--epochs=500", "--distribute=multi_worker", f"--workdir={run}"]
    chief, other = start(command, 2)
    while not list(run.glob("checkpoints/training-*")):
        assert chief.poll() is None and other.poll() is None
        time.sleep(0.05)
    other.send_signal(signal.SIGTERM)
    said = ended([chief, other])
    assert [code for code, _, _ in said] == [143, 143]
    assert list(run.glob("checkpoints/training-*")) and not (run / "diverged.json").exists()


def test_a_port_that_is_taken_is_told_in_one_line(small_data, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        addresses = [f"127.0.0.1:{port}", f"127.0.0.1:{next(FREE_PORTS)}"]
        named = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": 0}}
        command = [sys.executable, "-m", "tfcovid.train", f"--data_dir={small_data}", *SMALL]
        done = subprocess.run(
            [*command, "--distribute=multi_worker", f"--workdir={tmp_path / 'run'}"],
            cwd=ROOT,
            env={**os.environ, "TF_CONFIG": json.dumps(named)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"worker 1 cannot begin at 127.0.0.1:{port}" in line
