"""Classifies image files: `python -m tfcovid.predict --model=RUN/saved_model FILE…`.

Prints one JSON line an image: probabilities, the decision, the run's own rule that
decided in words, and what is to be known of the image. A file that cannot be
classified gets a line with `error`, and the command then ends with exit code 1.
With --shards=N an archive is scored: the lines go into N files of the folder --output, as an Apache
Beam pipeline that goes on where it was killed.
"""

import contextlib
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from absl import flags as absl_flags

from flags import beam_flags, predict_flags
from tfcovid.entry import run_command
from tfcovid.serving.named_files import named_files
from tfcovid.startup import import_tensorflow
from tfcovid.whole_file import whole_file

predict_flags.adopt_key_flags()
# Flags may also stand behind the files, as a shell's file pattern leaves them.
absl_flags.FLAGS.set_gnu_getopt()


def predict(argv: Sequence[str]) -> int:
    """Classifies the files that the command line names; returns the exit code."""
    predict_flags.refuse_unused()
    model = pathlib.Path(predict_flags.MODEL.value or "").expanduser()
    pattern, output = predict_flags.PATTERN.value, predict_flags.OUTPUT.value
    # A shell expands no ~ behind a "=".
    expanded = pattern and os.path.expanduser(pattern)  # noqa: PTH111
    files = named_files(
        argv[1:], expanded, warn=lambda line: print(f"note: {line}", file=sys.stderr)
    )
    # A damaged JPEG has its line here; TensorFlow's own would come between the others.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if beam_flags.SHARDS.value is not None:
        folder = pathlib.Path(output or "").expanduser()
        return score_in_shards(model, files, folder, beam_flags.SHARDS.value)
    return print_lines(model, files, None if output is None else output_path(output))


def print_lines(model: pathlib.Path, files: Sequence[str], path: pathlib.Path | None) -> int:
    """Classifies files one after the other into a file or on stdout; returns the exit code."""
    heat_folder = predict_flags.HEATMAP_DIR.value
    # TensorFlow takes seconds to import: not before the flags are known to be right.
    import_tensorflow()
    from tfcovid.data.image_files import DEFAULT_MAX_PIXELS
    from tfcovid.experiment.heat_files import HeatFiles
    from tfcovid.serving.client import DEFAULT, EXPLAIN, load_signature, predict_files
    from tfcovid.serving.lines import prediction_line
    from tfcovid.serving.model_folder import decision_rule, model_card

    signature = load_signature(model, DEFAULT if heat_folder is None else EXPLAIN)
    rule = decision_rule(model_card(model))
    drawing = None if heat_folder is None else HeatFiles(made_folder(heat_folder))
    failed = 0
    with output_stream(path) as stream:
        for prediction in predict_files(
            signature,
            files,
            batch_size=predict_flags.PREDICT_BATCH_SIZE.value,
            max_pixels=DEFAULT_MAX_PIXELS,
            new_images=True,
        ):
            drawn = drawing.draw(prediction) if drawing and prediction.error is None else {}
            print(prediction_line(prediction, rule, **drawn), file=stream, flush=True)
            failed += prediction.error is not None
    return exit_code(failed, len(files))


def score_in_shards(
    model: pathlib.Path, files: Sequence[str], output: pathlib.Path, shards: int
) -> int:
    """Classifies files as a pipeline into a folder; returns the exit code."""
    import_tensorflow()
    from tfcovid.console import counting_bar, open_console, say
    from tfcovid.data.image_files import DEFAULT_MAX_PIXELS
    from tfcovid.serving.archive import ERRORS_NAME, score_archive

    console = open_console()
    with counting_bar(console, "making shards") as made:
        done = score_archive(
            files,
            model,
            output=output,
            shards=shards,
            batch_size=predict_flags.PREDICT_BATCH_SIZE.value,
            max_pixels=DEFAULT_MAX_PIXELS,
            beam_args=beam_flags.BEAM_ARGS.value,
            progress=made,
        )
    made_and_kept = f"{done.made} shards made, {done.kept} kept from an earlier run"
    say(console, f"predictions: {done.images} images in {output} ({made_and_kept})")
    say(console, f"left out: {done.failed} files, listed in {output / ERRORS_NAME}")
    if done.read:
        rate = f"{done.read / done.seconds:,.1f} images/s"
        say(console, f"speed: {done.read} files in {done.seconds:.1f} s, {rate}")
    return exit_code(done.failed, len(files))


def exit_code(failed: int, files: int) -> int:
    """Returns 0, or 1 once it is said that images could not be classified."""
    if failed:
        print(f"error: {failed} of {files} images could not be classified", file=sys.stderr)
    return int(failed > 0)


def output_path(output: str) -> pathlib.Path:
    """Returns the file that --output names.

    Raises:
      ValueError: if it is empty, a folder, or in a folder that does not exist.
    """
    path = pathlib.Path(output).expanduser()
    if not output or path.is_dir():
        raise ValueError(f"--output={output}: expected a file to write, found no file name")
    if not path.parent.is_dir():
        raise ValueError(f"--output={output}: the folder {path.parent} does not exist; make it")
    return path


def made_folder(name: str) -> pathlib.Path:
    """Returns the folder that --heatmap_dir names, made if it is missing.

    Raises:
      ValueError: if it is empty or a file.
    """
    folder = pathlib.Path(name).expanduser()
    if not name or (folder.exists() and not folder.is_dir()):
        raise ValueError(f"--heatmap_dir={name}: expected a folder, found a file or no name")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def output_stream(path: pathlib.Path | None) -> Iterator[TextIO]:
    """Gives stdout, or a file that is there whole or not at all."""
    if path is None:
        yield sys.stdout
        return
    with whole_file(path) as beside, beside.open("w", encoding="utf-8") as stream:
        yield stream


if __name__ == "__main__":
    run_command(predict)
