"""How long a user waits: for `--help`, and from the command to the first step of a training.

    python -m benchmarks.start --data_dir=CORONAHACK --flags=--backbone=mobilenet_v2,…

Each training runs in a process of its own and ends with its first step.
"""

import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import rich.table
from absl import app
from absl import flags as absl_flags

from benchmarks.failing import check_paths, command_failed, fail
from benchmarks.stages import Stage, durations
from benchmarks.start_process import FIRST_STEP
from tfcovid.console import open_console

DATA_DIR = absl_flags.DEFINE_string("data_dir", None, "CoronaHack.", required=True)
FLAGS = absl_flags.DEFINE_list("flags", [], "Of tfcovid.train, besides.")
ROUNDS = absl_flags.DEFINE_integer("rounds", 3, "Of everything.", lower_bound=1)

COMMANDS = ("train", "evaluate", "predict", "serve", "export", "audit", "compare", "prepare")
STAGES = (
    Stage("Python, TensorFlow", ("data:",)),
    Stage("files checked, decoded, searched for copies; split", ("images:",)),
    Stage("network built, weights loaded", ("model:",)),
    Stage("first step", (FIRST_STEP,)),
)


def seconds_of_help(command: str) -> float:
    """Returns how long a command takes to print its flags."""
    started = time.monotonic()
    words = [sys.executable, "-m", f"tfcovid.{command}", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if "--[no]helpfull" not in done.stdout and "--helpfull" not in done.stdout:
        command_failed(f"tfcovid.{command} --help", done.returncode, done.stderr)
    return time.monotonic() - started


def seconds_of_start() -> list[float]:
    """Returns how long each stage takes; trains one step."""
    lines: list[tuple[float, str]] = []
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryFile("w+") as errors:
        words = [sys.executable, "-m", "benchmarks.start_process", f"--data_dir={DATA_DIR.value}"]
        words += [f"--workdir={place}/run", *FLAGS.value]
        started = time.monotonic()
        with subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        ) as process:
            assert process.stdout is not None
            lines.extend((time.monotonic() - started, line.rstrip()) for line in process.stdout)
        if process.returncode:
            errors.seek(0)
            command_failed("tfcovid.train", process.returncode, errors.read())
        took = durations(STAGES, lines)
        if None in took:
            fail(f"tfcovid.train: expected a line at the end of each stage. Received: {lines}.")
    return [seconds for seconds in took if seconds is not None]


def cell(seconds: np.ndarray) -> str:
    """Returns the median and the extremes."""
    return f"{np.median(seconds):.2f} ({seconds.min():.2f} to {seconds.max():.2f})"


def main(_: list[str]) -> None:
    """Prints both tables."""
    check_paths(folders=[DATA_DIR])
    console = open_console()
    table = rich.table.Table("--help of", "seconds")
    for command in COMMANDS:
        table.add_row(
            command, cell(np.array([seconds_of_help(command) for _ in range(ROUNDS.value)]))
        )
    console.print(table)
    table = rich.table.Table("until the first step", "seconds")
    rounds = np.array([seconds_of_start() for _ in range(ROUNDS.value)])
    for stage, took in zip(STAGES, rounds.T, strict=True):
        table.add_row(stage.name, cell(took))
    table.add_row("whole", cell(rounds.sum(axis=1)))
    console.print(table)


if __name__ == "__main__":
    app.run(main)
