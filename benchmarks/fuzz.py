"""Mutated files of every kind through the project's readers: crashes, hangs, peak memory.

    python -m benchmarks.fuzz --images=20000 --dicoms=2000 --csvs=2000 --checkpoints=2000
    python -m benchmarks.fuzz --only=images --input=findings/images-123.bin

A number is that of each target of its kind. A target runs in a process of its own, which may take
--memory_mb more than it takes before the first input; an input that takes longer than --limit_s
is a hang. A process that ends, and an error that is none of those a reader may refuse with, is a
crash. Each of them is kept in --findings, with what was said, and the target goes on behind it.
The same --seed makes the same inputs. Ends with exit code 1 where anything was found.
"""

import collections
import dataclasses
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import rich.table
from absl import app
from absl import flags as absl_flags

from tests.fuzz.targets import TARGETS
from tfcovid.console import open_console, say

KINDS = {"images": 1000, "dicoms": 1000, "csvs": 500, "checkpoints": 500, "others": 200}
COUNTS = {
    kind: absl_flags.DEFINE_integer(kind, count, "Inputs of each such target.", lower_bound=0)
    for kind, count in KINDS.items()
}
ONLY = absl_flags.DEFINE_list("only", [], f"Of {', '.join(TARGETS)}; all where none is named.")
SEED = absl_flags.DEFINE_integer("seed", 0, "Of the inputs.")
LIMIT_S = absl_flags.DEFINE_float("limit_s", 30, "What takes longer is a hang.")
MEMORY_MB = absl_flags.DEFINE_integer("memory_mb", 4096, "What a process may take besides.")
FINDINGS = absl_flags.DEFINE_string("findings", "findings", "Folder for the inputs that fail.")
INPUT = absl_flags.DEFINE_string(
    "input", None, "Reads this file once, and says what becomes of it."
)

CHILD = "benchmarks.fuzz_child"
SHOWN_REASONS = 12


@dataclasses.dataclass
class Found:
    """What a target did with its inputs."""

    outcomes: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    crashes: list[str] = dataclasses.field(default_factory=list)
    hangs: list[str] = dataclasses.field(default_factory=list)
    slowest_s: float = 0.0
    peak_mb: float = 0.0
    start_mb: float = 0.0
    wall_s: float = 0.0


def fuzz(name, count, findings):
    """Returns what a target does with so many inputs; begins a new process where one ends."""
    found, begun, start = Found(), time.perf_counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        current = pathlib.Path(folder) / "current"
        while start < count:
            start = 1 + run_child(name, start, count, found, findings, current)
    found.wall_s = time.perf_counter() - begun
    return found


def child(**asked):
    """Returns the command of a process that reads; the project's flags are another program's."""
    return [sys.executable, "-X", "faulthandler", "-m", CHILD, json.dumps(asked)]


def run_child(name, start, count, found, findings, current):
    """Runs one process over inputs start … count - 1; returns the last one it was given.

    Raises:
      RuntimeError: if it ends before the first input.
    """
    command = child(
        target=name,
        seed=SEED.value,
        memory_mb=MEMORY_MB.value,
        first=start,
        last=count,
        current=str(current),
    )
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
        watch, hung, index = None, threading.Event(), None
        for line in process.stdout:
            if watch:
                watch.cancel()
            event = json.loads(line)
            note(event, name, found, findings, current)
            index = event.get("begun", index)
            # A process has its own word for it, but a hang says nothing.
            watch = threading.Timer(LIMIT_S.value, stop, (process, hung))
            watch.start()
        code = process.wait()
        if watch:
            watch.cancel()
        said.seek(0)
        shown = said.read()[-4000:].decode(errors="replace")
    if code == 0:
        return count
    if index is None:
        raise RuntimeError(f"{name}: the process ended with {code} before its first input\n{shown}")
    what = f"longer than {LIMIT_S.value} s" if hung.is_set() else f"exit code {code}"
    (found.hangs if hung.is_set() else found.crashes).append(f"{index}: {what}")
    keep(name, index, f"{what}\n{shown}", findings, current)
    return index


def stop(process, hung):
    """Ends a process that says nothing any more."""
    hung.set()
    process.kill()


def note(event, name, found, findings, current):
    """Takes down what a process says of an input or of its memory."""
    if "outcome" in event:
        found.outcomes[event["outcome"]] += 1
    if "error" in event:
        found.crashes.append(f"{event['index']}: {event['error'].splitlines()[-1][:150]}")
        keep(name, event["index"], event["error"], findings, current)
    found.slowest_s = max(found.slowest_s, event.get("took_s", 0))
    found.peak_mb = max(found.peak_mb, event.get("peak_mb", 0))
    found.start_mb = max(found.start_mb, event.get("start_mb", 0))


def keep(name, index, text, findings, current):
    """Writes an input that failed, and what was said."""
    findings.mkdir(parents=True, exist_ok=True)
    place = findings / f"{name.replace('/', '-')}-{index}"
    place.with_suffix(f"{place.suffix}.bin").write_bytes(current.read_bytes())
    place.with_suffix(f"{place.suffix}.txt").write_text(text)


def fates(found, word):
    """Returns how many inputs have an outcome that begins so."""
    return sum(count for outcome, count in found.outcomes.items() if outcome.startswith(word))


def show(console, results):
    """Prints a row a target, then why inputs were set aside or refused."""
    table = rich.table.Table(title="Mutated inputs through the readers")
    columns = ("target", "inputs", "read", "set aside", "refused", "crashes", "hangs")
    for column in (*columns, "slowest s", "peak MB (start)", "s"):
        first = column == "target"
        table.add_column(column, justify="left" if first else "right", no_wrap=first)
    for name, found in results.items():
        counts = [fates(found, word) for word in ("read", "set aside", "refused")]
        failed = [len(found.crashes), len(found.hangs)]
        table.add_row(
            *(name, f"{sum(counts) + sum(failed)}", *map(str, counts + failed)),
            *(f"{found.slowest_s:.1f}", f"{found.peak_mb:.0f} ({found.start_mb:.0f})"),
            f"{found.wall_s:.0f}",
        )
    console.print(table)
    for name, found in results.items():
        say(console, f"\n{name}")
        for outcome, count in found.outcomes.most_common(SHOWN_REASONS):
            say(console, f"  {count:6d}  {outcome}")
        for failure in (*found.crashes, *found.hangs):
            say(console, f"  FOUND   {failure}")


def main(_):
    console = open_console()
    wanted = [*map(str.strip, ONLY.value)] or list(TARGETS)
    if INPUT.value:
        command = child(target=wanted[0], input=INPUT.value)
        sys.exit(subprocess.run(command, check=False).returncode)
    results = {}
    for name in wanted:
        count = COUNTS[TARGETS[name].kind].value
        if count:
            say(console, f"{name}: {count} inputs …")
            results[name] = fuzz(name, count, pathlib.Path(FINDINGS.value))
    show(console, results)
    sys.exit(any(found.crashes or found.hangs for found in results.values()))


if __name__ == "__main__":
    app.run(main)
