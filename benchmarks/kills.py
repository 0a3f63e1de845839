"""Kills a training at random moments, goes on with it, and compares all that it leaves.

    python -m benchmarks.kills --precisions=float32,mixed_bfloat16,mixed_float16 --kills=25

For each precision one run is left alone. Then come others, each killed by SIGKILL up to
--kills_per_run times, at a moment drawn evenly over the length of the whole run, and gone on with
by --resume until it ends; as many as it takes until --kills have happened. After them come one run
that is killed three times while a snapshot is being written, one whose newest snapshot gets a
flipped byte, one whose disk is full when a snapshot is written (a limit on the size of its files),
and killed ones that make one batch at a time, or seven.
Prints where each kill fell, whether SHA-256 of weights, predictions.csv, metrics.json, history.csv
and decision.json equal those of the run left alone, and ends with exit code 1 where any does not.
"""

import hashlib
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile

import rich.table
from absl import app
from absl import flags as absl_flags

from benchmarks.failing import command_failed
from tfcovid.console import open_console, say
from tfcovid.experiment.resumed import LOCK
from tfcovid.training.snapshots import PART

PRECISIONS = absl_flags.DEFINE_list("precisions", ["float32"], "Values of --precision.")
KILLS = absl_flags.DEFINE_integer("kills", 25, "Kills of each precision.")
KILLS_PER_RUN = absl_flags.DEFINE_integer("kills_per_run", 5, "At most so many kills a run.")
SEED = absl_flags.DEFINE_integer("seed", 0, "Of the moments.")
EPOCHS = absl_flags.DEFINE_integer("epochs", 8, "At most so many; --patience=1 may end it before.")

FILES = ("predictions.csv", "metrics.json", "history.csv", "decision.json")
FULL_DISK_BYTES = 200_000  # less than a snapshot


def command(workdir, precision, more=()):
    """Returns the command of a small run that is worth killing, with more flags."""
    return [
        *(sys.executable, "-m", "tfcovid.train", "--backbone=tiny", "--image_size=32"),
        *(
            f"--epochs={EPOCHS.value}",
            "--patience=1",
            "--batch_size=32",
            f"--precision={precision}",
        ),
        *("--learning_rate=0.01", "--controls=none", "--snapshot_minutes=0.002", "--resume"),
        f"--workdir={workdir}",
        *more,
    ]


def start(workdir, precision, more=()):
    """Starts the command."""
    return subprocess.Popen(
        command(workdir, precision, more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def finish(workdir, precision, more=()):
    """Runs to the end; ends this process too if the command fails."""
    process = start(workdir, precision, more)
    shown, _ = process.communicate()
    if process.returncode:
        command_failed("tfcovid.train", process.returncode, shown.decode())


def fingerprint(workdir):
    """Returns the SHA-256 of what a run leaves, by name."""
    found = {name: hashlib.sha256((workdir / name).read_bytes()).hexdigest() for name in FILES}
    with zipfile.ZipFile(workdir / "checkpoints" / "model.keras") as archive:
        weights = archive.read("model.weights.h5")
    return {**found, "weights": hashlib.sha256(weights).hexdigest()}


def newest_snapshot(workdir):
    """Returns the newest snapshot's path, or None."""
    return max((workdir / "checkpoints").glob("training-*"), default=None)


def stage(workdir):
    """Returns where a run is, by its files."""
    if (workdir / "finished.json").is_file():
        return "over"
    if (workdir / "checkpoints" / PART).exists():
        return "writing a snapshot"
    if (workdir / "checkpoints" / "trained.json").is_file():
        return "exporting" if (workdir / "metrics.json").is_file() else "scoring"
    snapshot = newest_snapshot(workdir)
    return f"training, {snapshot.name[:15]}" if snapshot else "before the first snapshot"


def kill_at(workdir, precision, after_s, more=()):
    """Kills the command so long after it took its folder; returns where, or None if it ended."""
    began_s = time.time()
    process, lock = start(workdir, precision, more), workdir / LOCK
    while process.poll() is None and not (lock.is_file() and lock.stat().st_mtime >= began_s):
        time.sleep(0.01)
    end_s = time.monotonic() + after_s
    while process.poll() is None and time.monotonic() < end_s:
        time.sleep(0.005)
    if process.poll() is not None:
        return None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return stage(workdir) if process.returncode == -signal.SIGKILL else None


def killed(workdir, precision, rng, length_s, *more):
    """Kills a run again and again, and ends it; returns where the kills fell."""
    places = []
    for _ in range(KILLS_PER_RUN.value):
        place = kill_at(workdir, precision, rng.uniform(0, length_s), more)
        if place is None:
            break
        places.append(place)
    finish(workdir, precision, more)
    return places


def while_writing(workdir, precision, rng, length_s):
    """Kills a run in the middle of three snapshots, at random ones, and ends it."""
    del length_s
    places = []
    while len(places) < 3:
        process, part = start(workdir, precision), workdir / "checkpoints" / PART
        ordinal, seen, was_there = rng.randrange(1, 5), 0, False
        while process.poll() is None and seen < ordinal:
            is_there = part.exists()
            seen, was_there = seen + (is_there and not was_there), is_there
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode != -signal.SIGKILL:
            break
        if part.exists():  # else it was whole a moment before
            places.append(f"{part.stat().st_size:,} bytes of a snapshot written")
    finish(workdir, precision)
    return places


def with_parallel_calls(number):
    """Returns `killed` with a number of batches made at a time."""
    return lambda *given: killed(*given, f"--num_parallel_calls={number}")


def with_a_flipped_byte(workdir, precision, rng, length_s):
    """Damages the newest snapshot of a run that was killed in its training."""
    while True:
        shutil.rmtree(workdir, ignore_errors=True)
        place = kill_at(workdir, precision, rng.uniform(0.1, 0.6) * length_s)
        snapshot = newest_snapshot(workdir)
        if place and place.startswith("training") and snapshot is not None:
            break
    content = bytearray(snapshot.read_bytes())
    content[rng.randrange(len(content))] ^= 1
    snapshot.write_bytes(content)
    finish(workdir, precision)
    return [f"{place}, its newest snapshot damaged"]


def with_a_full_disk(workdir, precision, rng, length_s):
    """Lets a run meet a full disk when it writes a snapshot that is not its first."""
    del rng, length_s
    process = start(workdir, precision)
    while process.poll() is None and newest_snapshot(workdir) is None:
        time.sleep(0.002)
    limits = (FULL_DISK_BYTES, FULL_DISK_BYTES)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
    shown, _ = process.communicate()
    (error,) = [line for line in shown.decode().splitlines() if line.startswith("error:")]
    finish(workdir, precision)
    return [f"exit code {process.returncode}, {error}"]


def main(_: list[str]) -> int:
    """Prints the table."""
    console, rng = open_console(), random.Random(SEED.value)
    table = rich.table.Table("precision", "run", "what fell where", "equal")
    all_equal = True
    ways = [
        ("killed while writing", while_writing),
        ("flipped byte", with_a_flipped_byte),
        ("full disk", with_a_full_disk),
        ("one batch at a time, killed", with_parallel_calls(1)),
        ("seven batches at a time, killed", with_parallel_calls(7)),
    ]
    for precision in PRECISIONS.value:
        with tempfile.TemporaryDirectory() as name:
            alone, cut = pathlib.Path(name) / "alone", pathlib.Path(name) / "cut"
            began_s = time.monotonic()
            finish(alone, precision)
            begin_s = (alone / LOCK).stat().st_mtime
            length_s = (alone / "finished.json").stat().st_mtime - begin_s
            expected = fingerprint(alone)
            epochs = (alone / "history.csv").read_text().count("\n") - 1
            say(console, f"{precision}: {epochs} epochs, {time.monotonic() - began_s:.0f} s")
            kills, left = 0, list(ways)
            while left:
                kind, way = ("killed", killed) if kills < KILLS.value else left.pop(0)
                shutil.rmtree(cut, ignore_errors=True)
                places = way(cut, precision, rng, length_s)
                kills += len(places) if kind == "killed" else 0
                equal = fingerprint(cut) == expected
                all_equal = all_equal and equal
                say(console, f"  {kind}: {'; '.join(places)}: {'equal' if equal else 'UNLIKE'}")
                table.add_row(precision, kind, "; ".join(places), "yes" if equal else "NO")
    console.print(table)
    return 0 if all_equal else 1


if __name__ == "__main__":
    app.run(main)
