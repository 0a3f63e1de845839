"""A conversion as a command: the checkpoint found, the lines said, the reports written."""

import gc
import pathlib

import rich.console
import tensorflow as tf

from tfcovid.console import say
from weights_conversion import words
from weights_conversion.conversion import convert
from weights_conversion.plan import Wishes
from weights_conversion.reading import hub
from weights_conversion.record import Record
from weights_conversion.report import report_paths, write_reports


def run(
    checkpoint: str,
    output: pathlib.Path,
    wishes: Wishes,
    *,
    command: str,
    console: rich.console.Console,
) -> None:
    """Converts a checkpoint and writes the reports, also where what is in it is refused.

    Args:
      checkpoint: a file, or hf://owner/name.
      output: X.weights.h5, which does not exist yet.
      wishes: what the user asks for.
      command: what was typed, for the report.
      console: where lines and the progress go.

    Raises:
      ValueError: if it is refused; the message names the checkpoint and the list of what is wrong.
      OSError: if a file cannot be written.
    """
    prepare_process()
    try:
        path = find_checkpoint(checkpoint)
    except ValueError as error:
        raise ValueError(f"{checkpoint}: {error}") from error
    record = Record(checkpoint)
    try:
        with console.status("converting and proving equal …"):
            plan = convert(
                record,
                path,
                output,
                wishes,
                tell=lambda line: say(console, line),
            )
    except ValueError as error:
        record.refusal = str(error)
        write_reports(record, output, command)
        raise ValueError(f"{checkpoint}: {error} (report: {report_paths(output)[1]})") from error
    write_reports(record, output, command)
    for line in words.written_lines(plan, output):
        say(console, line)


def prepare_process() -> None:
    """Sets up a process that converts and does nothing else."""
    # A GPU multiplies float32 in fewer bits (TF32), too few for the proof.
    tf.config.set_visible_devices([], "GPU")
    # TensorFlow leaves a million objects for good; to look at them again takes a quarter second.
    gc.freeze()


def find_checkpoint(checkpoint: str) -> pathlib.Path:
    """Returns the file that was named, from the hub where it is an address there.

    Raises:
      ValueError: if there is no such file; the message does not name it.
    """
    if checkpoint.startswith(hub.SCHEME):
        return hub.download(checkpoint)
    path = pathlib.Path(checkpoint).expanduser()
    if not path.exists():
        raise ValueError("there is no such file")
    return path
