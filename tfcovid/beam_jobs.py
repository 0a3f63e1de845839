"""Pieces of work on Apache Beam: here with a thread a core, elsewhere on the runner that is named.

A job writes a shard, whole or not at all, then a note beside it that says what the shard was made
from. What the folder holds, and not the runner, tells how far the work is: a run that was killed
goes on with what is missing, on another runner too. Workers on other machines need inputs and
output under the same path, as a shared or mounted file system.

Apache Beam is an extra and imported inside functions only.
"""

import contextlib
import io
import itertools
import json
import logging
import os
import pathlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tfcovid.whole_file import unique_whole_file

NOTE_SUFFIX = ".json"
EXTRA = "pip install -r requirements-prepare.txt"
WATCH_EVERY_S = 0.2
# The DirectRunner that works in this process, by its own name: under the name of DirectRunner Beam
# 2.77 first downloads a runner of another kind and starts that, where it can.
RUNNER = "apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner"

Progress = Callable[[int, int], None]


def note_of(file: str) -> pathlib.Path:
    """Returns where the note of a shard lies: beside it."""
    return pathlib.Path(file + NOTE_SUFFIX)


def read_note(path: pathlib.Path) -> dict[str, Any]:
    """Returns what a note says, nothing where there is none."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def write_note(path: pathlib.Path, fields: Mapping[str, Any]) -> None:
    """Writes a note, whole or not at all."""
    with unique_whole_file(path) as beside:
        beside.write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")


def import_beam(what_for: str) -> Any:
    """Returns Apache Beam's module.

    Args:
      what_for: what needs it, to say so.

    Raises:
      ValueError: if it is not installed, one line.
    """
    # Its import warns that clients of Google's cloud are missing, which nobody asked for.
    logging.disable(logging.WARNING)
    try:
        import apache_beam
    except ImportError as error:
        raise ValueError(f"Apache Beam is needed to {what_for} ({error}): {EXTRA}") from error
    finally:
        logging.disable(logging.NOTSET)
    return apache_beam


def refuse_unknown_options(beam_args: Sequence[str]) -> None:
    """Raises ValueError, one line that names it, if Beam does not know an option.

    Beam itself only logs it. Other runners than those of this process are left to judge: a job
    server has options that Beam learns from it.

    Args:
      beam_args: options of Beam, such as --direct_num_workers=2.
    """
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(io.StringIO()):
            options = PipelineOptions(list(beam_args))
            given = options.get_all_options(retain_unknown_options=True)
    except SystemExit as error:  # of argparse, behind a page of usage
        why = complaint.getvalue().strip().rpartition("error: ")[2]
        raise ValueError(f"--beam_args: {why or 'expected options of a pipeline'}") from error
    runner = options.view_as(StandardOptions).runner or RUNNER
    if not runner.endswith(("DirectRunner", "FnApiRunner")):
        return
    # A value may stand behind its option or in an argument of its own.
    unknown = [
        text
        for before, text in itertools.pairwise(["=", *beam_args])
        if not text.startswith("--") and ("=" in before or not before.startswith("--"))
    ]
    known = PipelineOptions([]).get_all_options()
    unknown = unknown or [f"--{name}" for name in given if name not in known]
    if unknown:
        raise ValueError(
            f"--beam_args: Apache Beam has no option {', '.join(unknown)}; correct it, or leave it "
            "out"
        )


@contextlib.contextmanager
def running(beam: Any, jobs: Sequence[Any], beam_args: Sequence[str]) -> Iterator[Any]:
    """Gives the jobs as a PCollection to hang their work on; the end of the block does the work.

    Args:
      beam: from `import_beam`.
      jobs: plain values, which any runner can send to any machine.
      beam_args: options of Beam, such as --runner=FlinkRunner.
    """
    from apache_beam.options.pipeline_options import PipelineOptions

    defaults = (
        f"--runner={RUNNER}",
        "--direct_running_mode=multi_threading",
        f"--direct_num_workers={min(len(jobs), os.cpu_count() or 1)}",
    )
    # Of an option given twice the last counts; other runners leave the direct ones alone.
    pipeline = beam.Pipeline(options=PipelineOptions([*defaults, *beam_args]))
    # The shuffle keeps the jobs from being fused into the one task that lists them.
    yield pipeline | "list jobs" >> beam.Create(list(jobs)) | "spread" >> beam.Reshuffle()
    pipeline.run().wait_until_finish()


@contextlib.contextmanager
def watched(notes: Sequence[pathlib.Path], progress: Progress | None) -> Iterator[None]:
    """Calls progress while jobs run, by what lies in the folder: true of every runner.

    Args:
      notes: of all jobs, those of an earlier run among them.
      progress: called with (notes there, notes in all) now and then; None watches nothing.
    """
    if progress is None:
        yield
        return
    over = threading.Event()

    def watch() -> None:
        ended = False
        while not ended:
            ended = over.wait(WATCH_EVERY_S)
            progress(sum(note.exists() for note in notes), len(notes))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
