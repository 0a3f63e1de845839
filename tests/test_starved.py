"""Runs on a disk that fills up, is read-only or goes away, and under odd names and clocks."""

import hashlib
import os
import pathlib
import resource
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT, SMALL, run_entry, train_here

FILES = ("predictions.csv", "metrics.json", "history.csv", "decision.json")
KEEPING = ("--snapshot_minutes=0.0001", "--resume")


def run_with(arguments, **limits):
    """Runs `train` under limits of its process; returns what came of it."""

    def limit():
        for name, value in limits.items():
            resource.setrlimit(getattr(resource, name), (value, value))

    return subprocess.run(
        [sys.executable, "-m", "tfcovid.train", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )


def the_error(done):
    """Returns the one line on stderr."""
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and line.startswith("error: "), done.stderr
    return line


def figures(workdir):
    return [hashlib.sha256((workdir / name).read_bytes()).hexdigest() for name in FILES]


@pytest.fixture(scope="module")
def asked(small_data):
    return [f"--data_dir={small_data}", *SMALL, "--controls=none"]


@pytest.fixture(scope="module")
def whole(asked, tmp_path_factory):
    """A run that nothing disturbed."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    train_here(*asked, f"--workdir={workdir}")
    return workdir


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a given size, grown by the function that it gives."""
    place = tmp_path / "disk"
    place.mkdir()

    def size(text, *, new=False):
        how = f"size={text}" if new else f"remount,size={text}"
        return subprocess.run(
            ["mount", "-t", "tmpfs", "-o", how, "tmpfs", str(place)],
            check=not new,
            capture_output=True,
        ).returncode

    if os.geteuid() or size("64k", new=True):
        pytest.skip("no right to mount a small disk here")
    yield place, size
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("size", ["100k", "500k", "900k", "1500k"])
def test_a_run_whose_disk_fills_up_says_so_and_goes_on_to_the_same_figures(
    asked, whole, small_disk, size
):
    place, grow = small_disk
    grow(size)
    command = [*asked, *KEEPING, f"--workdir={place / 'run'}"]
    line = the_error(run_entry("train", *command, check=False))
    assert "the disk is full: free some space" in line and str(place) in line
    assert not list(place.rglob(".part-*"))  # nothing half written
    grow("50m")
    run_entry("train", *command)
    assert figures(place / "run") == figures(whole)


def test_a_limit_on_the_size_of_files_is_told_and_what_was_written_before_stays(
    asked, whole, tmp_path
):
    command = [*asked, *KEEPING, f"--workdir={tmp_path / 'run'}"]
    line = the_error(run_with(command, RLIMIT_FSIZE=150_000))
    assert "the file may not grow so large" in line and str(tmp_path) in line
    run_entry("train", *command)
    assert figures(tmp_path / "run") == figures(whole)


def test_a_read_only_disk_is_refused_before_anything_is_read(asked, small_disk):
    place, _ = small_disk
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    line = the_error(run_entry("train", *asked, f"--workdir={place / 'run'}", check=False))
    assert f"no right to write in {place}" in line


def test_a_data_folder_that_goes_away_inside_the_training_is_told(small_data, asked, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(small_data, data)
    command = [sys.executable, "-m", "tfcovid.train", *asked[1:], f"--data_dir={data}"]
    command += ["--cache=none", "--epochs=50", f"--workdir={tmp_path / 'run'}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:
        for line in process.stdout:
            if line.startswith("training 1/"):
                shutil.rmtree(data)
        stderr = process.stderr.read()
    assert process.returncode == 1 and stderr.count("\n") == 1
    assert f"error: {data}" in stderr and "no such file or folder: it was moved" in stderr


def test_a_data_folder_that_goes_away_after_the_decoding_is_not_missed(
    small_data, asked, whole, tmp_path, monkeypatch
):
    from tfcovid.experiment import fitting

    data = tmp_path / "data"
    shutil.copytree(small_data, data)
    phase = fitting.run_phase

    def without_data(*given, **named):
        shutil.rmtree(data, ignore_errors=True)
        phase(*given, **named)

    monkeypatch.setattr(fitting, "run_phase", without_data)
    train_here(*asked[1:], f"--data_dir={data}", f"--workdir={tmp_path / 'run'}")
    assert not data.exists()
    names = [name for name in FILES if name != "metrics.json"]  # it has the folder's name
    for name in names:
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()


def test_folders_may_have_any_name_that_is_text(small_data, tmp_path):
    odd = tmp_path / "a b = \"c\" #d 'e' ü"
    shutil.copytree(small_data, odd / "data")
    few = [*SMALL, "--controls=none", "--epochs=1"]
    train_here(f"--data_dir={odd / 'data'}", *few, f"--workdir={odd / 'run'}")
    again = [f"--flagfile={odd / 'run' / 'flags.cfg'}", f"--workdir={odd / 'again'}"]
    run_entry("train", *again)
    assert figures(odd / "again") == figures(odd / "run")
    run_entry("evaluate", f"--workdir={odd / 'run'}")
    run_entry("predict", f"--model={odd / 'run' / 'saved_model'}", f"--pattern={odd}/data/*/*/*/*")


@pytest.mark.parametrize("flag", ["--data_dir", "--workdir"])
def test_a_folder_whose_name_is_no_text_is_refused_at_once(asked, tmp_path, flag):
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    pathlib.Path(odd).mkdir()
    done = run_entry("train", *asked, f"{flag}={odd}", check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "expected text in UTF-8 without line breaks; rename the file or folder" in done.stderr


def test_a_clock_that_goes_backwards_makes_no_run_write_over_another(
    asked, tmp_path, monkeypatch, whole
):
    import datetime

    from tfcovid.experiment import run as run_module

    class Stopped(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2001, 1, 1, tzinfo=tz)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_module.datetime, "datetime", Stopped)
    for _ in range(2):
        train_here(*asked)
    first, second = sorted((tmp_path / "runs").iterdir())
    assert second.name == f"{first.name}-2"
    assert figures(first) == figures(second) == figures(whole)
