"""A whole `train`: where its time goes, what memory it takes, and whether that grows.

    python -m benchmarks.whole_job --data_dir=CORONAHACK --flags=--backbone=mobilenet_v2,…

Runs the command and notes when each line comes and how much memory the process has in between.
An epoch's line says how long it took.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

import rich.table
from absl import app
from absl import flags as absl_flags

from benchmarks.failing import check_paths, command_failed
from benchmarks.stages import Stage, durations, growth
from tfcovid.console import open_console, say

DATA_DIR = absl_flags.DEFINE_string("data_dir", None, "CoronaHack.", required=True)
WORKDIR = absl_flags.DEFINE_string("workdir", None, "Where the run stays; none stays without.")
FLAGS = absl_flags.DEFINE_list("flags", [], "Of tfcovid.train, besides.")

SAMPLE_EVERY_S = 0.1
_EPOCH = ("head ", "training ", "fine-tuning ")
STAGES = (
    Stage("start: Python, TensorFlow", ("data:",)),
    Stage("files checked, decoded, searched for copies; split", ("images:",)),
    Stage("network built, weights loaded", ("model:",)),
    Stage("trained", ("best:",)),
    Stage("calibrated, threshold chosen", ("chosen on validation",)),
    Stage("scored, heat maps, controls, report, SavedModel", ("Files",)),
)


def resident_mib(pid: int) -> float:
    """Returns the resident memory of a process, MiB; 0 of one that is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/statm").read_text()
    except OSError:
        return 0.0
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def watched(words: list[str]) -> tuple[list[tuple[float, str]], list[tuple[float, float]], float]:
    """Runs a command; returns its lines and its memory, each with its moment, and its seconds."""
    lines: list[tuple[float, str]] = []
    samples: list[tuple[float, float]] = []
    started, over = time.monotonic(), threading.Event()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with (
        # A file, not a pipe: nobody reads it until the end.
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        ) as process,
    ):

        def sample() -> None:
            while not over.wait(SAMPLE_EVERY_S):
                samples.append((time.monotonic() - started, resident_mib(process.pid)))

        threading.Thread(target=sample, daemon=True).start()
        assert process.stdout is not None
        lines.extend((time.monotonic() - started, line.rstrip()) for line in process.stdout)
        over.set()
        if process.wait():
            errors.seek(0)
            command_failed("tfcovid.train", process.returncode, errors.read())
    return lines, samples, time.monotonic() - started


def main(_: list[str]) -> None:
    """Prints the stages, and the memory after each epoch."""
    check_paths(folders=[DATA_DIR])
    console = open_console()
    with tempfile.TemporaryDirectory() as place:
        words = [sys.executable, "-m", "tfcovid.train", f"--data_dir={DATA_DIR.value}"]
        words += [f"--workdir={WORKDIR.value or f'{place}/run'}", *FLAGS.value]
        lines, samples, seconds = watched(words)
    table = rich.table.Table("stage", "seconds", "share")
    for stage, took in zip(STAGES, durations(STAGES, lines), strict=True):
        cells = ("", "") if took is None else (f"{took:.1f}", f"{took / seconds:.0%}")
        table.add_row(stage.name, *cells)
    table.add_row("whole", f"{seconds:.1f}", "")
    console.print(table)
    epochs = [(at, text) for at, text in lines if text.startswith(_EPOCH)]
    held = growth(samples, [at for at, _ in epochs])
    for (at, text), mib in zip(epochs, held, strict=True):
        took = re.search(r"(\S+) s$", text)
        say(console, f"{at:.1f} s: {text[:24].strip()}, {took and took[0]}, {mib:,.0f} MiB")
    if epochs and (took := re.search(r"(\S+) s$", epochs[0][1])):
        say(console, f"the first epoch began after {epochs[0][0] - float(took[1]):.1f} s")
    say(console, f"memory at its peak: {max(mib for _, mib in samples):,.0f} MiB")


if __name__ == "__main__":
    app.run(main)
