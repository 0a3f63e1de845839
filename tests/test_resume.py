"""A run that is killed and goes on is the run that was not: the same files, bit for bit."""

import hashlib
import io
import json
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import keras
import numpy as np
import pytest

from flags.resume_flags import Keeping
from tests.conftest import ROOT, SMALL, run_entry, train_here
from tests.experiment.tiny_weights import tiny_weights
from tfcovid.experiment.resumed import alone_in
from tfcovid.training import run_record
from tfcovid.training.snapshots import Snapshots

EVERY_STEP = Keeping(goes_on=True, every_s=0.0)
NO_CONTROLS = "--controls=none"
EQUAL = ("predictions.csv", "metrics.json", "decision.json", "history.csv")


class KilledError(BaseException):
    """Ends a run as a kill does: nothing that the process knew stays."""


def fingerprint(workdir):
    """Returns the SHA-256 of the figures and weights of a run, its folds and members."""
    found = {}
    for name in EQUAL:
        for path in workdir.rglob(name):
            found[str(path.relative_to(workdir))] = hashlib.sha256(path.read_bytes()).hexdigest()
    for path in workdir.rglob("model.keras"):
        weights = keras.models.load_model(path, compile=False).get_weights()
        content = b"".join(array.tobytes() for array in weights)
        found[str(path.relative_to(workdir))] = hashlib.sha256(content).hexdigest()
    return found


def killed_at(monkeypatch, number, *arguments):
    """Runs until so many snapshots were written; returns whether it came so far."""
    write, written = Snapshots.write, iter(range(1, 10_000))

    def write_and_die(self, *given, **named):
        write(self, *given, **named)
        if next(written) == number:
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(Snapshots, "write", write_and_die)
        try:
            train_here(*arguments, keeping=EVERY_STEP)
        except KilledError:
            return True
    return False


@pytest.mark.parametrize(
    ("kind", "kills"),
    [
        ((NO_CONTROLS,), (2, 3)),
        ((NO_CONTROLS, "--precision=mixed_bfloat16", "--imbalance=weighted_sampling"), (4,)),
        ((NO_CONTROLS, "--split=kfold", "--folds=3", "--epochs=1"), (2, 3)),
        (("--controls=full", "--epochs=1"), (3, 3)),
    ],
    ids=["one network", "bfloat16", "folds", "networks of controls"],
)
def test_a_run_killed_again_and_again_ends_with_the_files_of_one_that_was_not(
    small_data, tmp_path, monkeypatch, kind, kills
):
    asked = (f"--data_dir={small_data}", *SMALL, *kind)
    train_here(*asked, f"--workdir={tmp_path / 'whole'}")
    for number in kills:
        assert killed_at(monkeypatch, number, *asked, f"--workdir={tmp_path / 'cut'}")
        assert not (tmp_path / "cut" / "finished.json").exists()
    # How many images are made ready at a time may change on the way.
    faster = "--num_parallel_calls=3"
    train_here(*asked, f"--workdir={tmp_path / 'cut'}", faster, keeping=EVERY_STEP)
    whole = fingerprint(tmp_path / "whole")
    assert fingerprint(tmp_path / "cut") == whole and len(whole) >= 5
    assert not list((tmp_path / "cut").rglob("training-*")) and (
        sorted(path.name for path in (tmp_path / "cut" / "checkpoints").glob("*"))
        == sorted(path.name for path in (tmp_path / "whole" / "checkpoints").glob("*"))
    )


def test_an_ensemble_goes_on_with_the_member_it_was_at(small_data, tmp_path, monkeypatch):
    weights = tiny_weights(tmp_path)
    small = [flag for flag in SMALL if not flag.startswith("--backbone")]
    asked = [f"--data_dir={small_data}", *small, NO_CONTROLS, f"--member_weights={weights}"]
    asked += [
        "--members=tiny,tiny:boosted_trees,tiny",
        "--loss=ce",
        "--head_epochs=1",
        "--epochs=1",
    ]
    train_here(*asked, f"--workdir={tmp_path / 'whole'}")
    for number in (2, 4):
        assert killed_at(monkeypatch, number, *asked, f"--workdir={tmp_path / 'cut'}")
    train_here(*asked, f"--workdir={tmp_path / 'cut'}", keeping=EVERY_STEP)
    assert fingerprint(tmp_path / "cut") == fingerprint(tmp_path / "whole")


@pytest.fixture(scope="module")
def kept_run(small_data, tmp_path_factory):
    """A finished run, and what was asked of it."""
    workdir = tmp_path_factory.mktemp("kept") / "run"
    asked = (f"--data_dir={small_data}", *SMALL, NO_CONTROLS, f"--workdir={workdir}")
    train_here(*asked, keeping=EVERY_STEP)
    return workdir, asked


def test_a_finished_run_is_shown_and_left_as_it_is(kept_run):
    workdir, asked = kept_run
    before = {path: path.stat().st_mtime_ns for path in workdir.rglob("*") if path.is_file()}
    assert "finished before: nothing to do" in train_here(*asked, keeping=EVERY_STEP)
    after = {path: path.stat().st_mtime_ns for path in workdir.rglob("*") if path.is_file()}
    assert {k: v for k, v in after.items() if k.name != ".lock"} == {
        k: v for k, v in before.items() if k.name != ".lock"
    }


def test_other_flags_are_refused_by_name(kept_run):
    _, asked = kept_run
    with pytest.raises(ValueError, match=r"--seed=7 was 0"):
        train_here(*asked, "--seed=7", keeping=EVERY_STEP)


def test_without_resume_a_used_folder_is_refused_and_the_way_on_is_named(kept_run):
    _, asked = kept_run
    with pytest.raises(ValueError, match="--resume goes on with it"):
        train_here(*asked)


def test_other_images_are_refused(kept_run, monkeypatch):
    workdir, asked = kept_run
    manifest = workdir / "manifest.csv"
    before = manifest.read_text()
    first = before.splitlines()[1]
    try:
        manifest.write_text(before.replace(first + "\n", ""))
        with pytest.raises(ValueError, match=r"1 rows of its manifest\.csv differ"):
            train_here(*asked, keeping=EVERY_STEP)
    finally:
        manifest.write_text(before)


def test_a_run_killed_while_it_made_its_folder_begins_and_another_folder_is_refused(
    small_data, tmp_path
):
    asked = (f"--data_dir={small_data}", *SMALL, "--epochs=1", NO_CONTROLS)
    young, other = tmp_path / "young", tmp_path / "other"
    for folder in (young, other):
        (folder / "checkpoints").mkdir(parents=True)
        (folder / ".part-flags.cfg").write_text("--see")
    (other / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="expected a new or empty folder"):
        train_here(*asked, f"--workdir={other}", keeping=EVERY_STEP)
    train_here(*asked, f"--workdir={young}", keeping=EVERY_STEP)
    assert (young / "finished.json").is_file() and not (young / ".part-flags.cfg").exists()


def test_what_computed_otherwise_before_is_told_and_recorded(kept_run, tmp_path, monkeypatch):
    workdir, asked = kept_run
    cut = tmp_path / "run"
    shutil.copytree(workdir, cut)
    (cut / "finished.json").unlink()
    record = json.loads((cut / "environment.json").read_text())
    assert "earlier_parts" not in record
    # Not git's, which changes when a file is edited while the tests run.
    monkeypatch.setattr(run_record, "current_commit", lambda: record["commit"])
    record["packages"]["numpy"] = "1.0"
    record["earlier_parts"] = {"numpy": ["0.9"], "devices": ["CPU of old"]}
    (cut / "environment.json").write_text(json.dumps(record))
    shown = " ".join(train_here(*asked, f"--workdir={cut}", keeping=EVERY_STEP).split())
    assert "so results may differ: numpy was 1.0 " in shown
    now = json.loads((cut / "environment.json").read_text())
    assert now["earlier_parts"] == {"numpy": ["0.9", "1.0"], "devices": ["CPU of old"]}
    assert now["packages"]["numpy"] == np.__version__
    card = json.loads((cut / "saved_model" / "assets.extra" / "model_card.json").read_text())
    assert card["version"]["earlier_parts"] == now["earlier_parts"]
    assert fingerprint(cut) == fingerprint(workdir)
    (cut / "finished.json").unlink()
    assert "goes on otherwise" not in train_here(*asked, f"--workdir={cut}", keeping=EVERY_STEP)


def test_two_processes_are_not_at_work_on_one_run(kept_run):
    workdir, asked = kept_run
    with alone_in(workdir), pytest.raises(ValueError, match="another process is at work"):
        train_here(*asked, keeping=EVERY_STEP)


def test_a_damaged_model_is_told_and_trained_anew_to_the_same(small_data, tmp_path, kept_run):
    whole, _ = kept_run
    workdir = tmp_path / "run"
    asked = (f"--data_dir={small_data}", *SMALL, NO_CONTROLS, f"--workdir={workdir}")
    train_here(*asked)
    model = workdir / "checkpoints" / "model.keras"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    (workdir / "finished.json").unlink()  # as if it had been killed after its training
    assert "model.keras: damaged" in " ".join(train_here(*asked, keeping=EVERY_STEP).split())
    assert fingerprint(workdir) == fingerprint(whole)


def begin(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "tfcovid.train", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_sigkill_and_sigterm_leave_a_run_that_goes_on_and_sigterm_says_so(
    small_data, tmp_path, kept_run
):
    workdir = tmp_path / "run"
    asked = (f"--data_dir={small_data}", *SMALL, NO_CONTROLS, f"--workdir={workdir}", "--resume")
    for sent in (signal.SIGKILL, signal.SIGTERM):
        before = set(workdir.glob("checkpoints/training-*"))
        process = begin(*asked, "--snapshot_minutes=0")
        while process.poll() is None and before >= set(workdir.glob("checkpoints/training-*")):
            time.sleep(0.01)
        process.send_signal(sent)
        _, errors = process.communicate(timeout=120)
        said = (
            "" if sent == signal.SIGKILL else "stopped by SIGTERM; the same command with --resume"
        )
        assert process.returncode == (-9 if sent == signal.SIGKILL else 143), errors
        assert said in errors and "Traceback" not in errors
    run_entry("train", *asked)
    assert fingerprint(workdir) == fingerprint(kept_run[0])


def test_resume_wants_to_know_the_folder():
    done = run_entry("train", "--resume", check=False)
    assert done.returncode == 1 and "--resume: expected --workdir" in done.stderr


def test_what_is_kept_are_numbers_and_text_not_code(small_data, tmp_path, monkeypatch):
    asked = (f"--data_dir={small_data}", *SMALL, NO_CONTROLS, f"--workdir={tmp_path / 'run'}")
    assert killed_at(monkeypatch, 2, *asked)
    for path in (tmp_path / "run" / "checkpoints").glob("training-*.npz"):
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            assert all(name.endswith(".npy") for name in archive.namelist())
            text = archive.read("progress.npy")
        json.loads(text[text.index(b'{"needs"') :])
