"""A finished run scored again, on its own test split or on another data set."""

import dataclasses
import datetime
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import rich.console
import tensorflow as tf

from flags import choices
from flags.config import Config
from tfcovid.console import counting_bar, open_console
from tfcovid.data.decode_files import Outcome
from tfcovid.data.manifest import write_csv
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.sources.reading import Category, Reading
from tfcovid.data.squares import squares_of
from tfcovid.experiment.controls.fitting import left_out_notes
from tfcovid.experiment.decisions import predictive_values
from tfcovid.experiment.finished import FinishedRun, finished_run
from tfcovid.experiment.kinds import Metrics, kind_of
from tfcovid.experiment.targets import (
    OtherData,
    Target,
    other_data,
    own_test_split,
    seen_by_the_run,
)
from tfcovid.metrics.external import drops
from tfcovid.serving.client import (
    Prediction,
    load_signature,
    predict_contents,
    predict_files,
)
from tfcovid.training import run_record

BATCH_SIZE = 16


def evaluate_run(
    workdir: pathlib.Path,
    *,
    other: OtherData | None,
    on_bad_image: str,
    prevalence: float | None = None,
) -> Metrics:
    """Scores the exported model of a run, writes RUN/evaluations/NAME, returns its metrics.

    Args:
      workdir: the folder of a finished run.
      other: another data set; None for the run's own test split.
      on_bad_image: 'fail' or 'set_aside'.
      prevalence: at which predictive values are given; None for the run's own.

    Raises:
      ValueError: if the run is not finished, or the data cannot be read.
    """
    console, run = open_console(), finished_run(workdir)
    folder, config, task_labels = run.folder, run.config, run.task_labels
    kind = kind_of(task_labels.blocks)
    if task_labels.findings and prevalence is not None:
        raise ValueError(
            f"--prevalence={prevalence}: this run's task is {task_labels.name}, of several "
            "findings, each with a share of its own; drop it"
        )
    target = target_of(run, other, on_bad_image, console)
    with run_record.as_a_run_writes(folder.preprocessing):
        preprocessing = Preprocessing.from_json(run_record.read_json(folder.preprocessing))
    paths = target.frame["path"].tolist()
    predictions = classify(folder.saved_model, target.reading, paths, preprocessing, console)
    target, predictions = leave_out_failed(target, predictions, on_bad_image)
    metrics, table = kind.score_predictions(config, target.frame, predictions, task_labels)
    metrics |= target.controls
    tables = {"predictions": table, "rejected": target.rejected}
    if other is not None:
        beside, decided = kind.controls_on(folder, target, table, config=config, console=console)
        metrics |= beside
        if decided is not None:
            tables["control_predictions"] = decided
    notes = [*target.notes, *crop_notes(config, predictions), *kind.few_notes(metrics)]
    metrics = {
        "task": task_labels.name,
        "split": target.name,
        "preprocessing": config.data.preprocessing.value,
        "view": preprocessing.view,
        "operating_point": config.resolved_operating_point(len(task_labels.classes)).value,
        **metrics,
        **predictive_values(config, metrics, prevalence),
        "notes": list(dict.fromkeys(notes)),
    }
    if other is not None:
        metrics["drop"] = drops(run.metrics, metrics)
    out = run_record.RunFolder(workdir / "evaluations" / evaluation_name(other))
    write_evaluation(out, metrics, tables)
    files = {"figures": out.metrics, "predictions": out.predictions, "left out": out.rejected}
    kind.print_result(
        console, metrics, out.path, files={name: str(path) for name, path in files.items()}
    )
    return metrics


def target_of(
    run: FinishedRun, other: OtherData | None, on_bad_image: str, console: rich.console.Console
) -> Target:
    """Returns what is scored; raises ValueError if it cannot be read."""
    if other is None:
        return own_test_split(run.folder, run.config, run.task_labels)
    seen = seen_by_the_run(run.folder, run.config)
    return other_data(other, run.task_labels, seen=seen, on_bad_image=on_bad_image, console=console)


def write_evaluation(
    out: run_record.RunFolder, metrics: Metrics, tables: Mapping[str, pd.DataFrame]
) -> None:
    """Writes a new folder; tables by the names of their files' attributes in it."""
    out.path.mkdir(parents=True)
    for name, table in tables.items():
        write_csv(table, getattr(out, name))
    run_record.write_json(out.metrics, metrics)


def crop_notes(config: Config, predictions: list[Prediction]) -> list[str]:
    """Returns what is to be said of images that the exported model crops to the lungs."""
    if config.data.preprocessing is choices.Preprocessing.PLAIN:
        return []
    missed = sum(not prediction.lungs_found for prediction in predictions)
    return [
        f"The lungs were not found in {missed} of the {len(predictions)} images scored, which are "
        "kept whole.",
        *left_out_notes(config),
    ]


def evaluation_name(other: OtherData | None) -> str:
    """Returns a new folder name: UTC time and what was scored."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{now}-{'test' if other is None else other.data_dir.resolve().name}"


def classify(
    saved_model: pathlib.Path,
    reading: Reading,
    paths: Sequence[str],
    preprocessing: Preprocessing,
    console: rich.console.Console,
) -> list[Prediction]:
    """Returns what an exported model says of each image, in order.

    Args:
      saved_model: its folder.
      reading: where the images are.
      paths: of images, as in `reading.rows`.
      preprocessing: of the run.
      console: for the progress bar.

    Raises:
      ValueError: if the folder holds no whole SavedModel.
    """
    signature = load_signature(saved_model)
    files = [str(reading.root / path) for path in paths]
    if reading.facts is None:
        found = predict_files(signature, files, batch_size=BATCH_SIZE)
    else:
        whole = dataclasses.replace(preprocessing, view="full")  # the exported model paints over it
        squares = squares_of(reading, paths, whole)
        found = predict_contents(
            signature, zip(files, map(as_png, squares), strict=True), batch_size=BATCH_SIZE
        )
    predictions = []
    with counting_bar(console, "classifying images") as progress:
        for prediction in found:
            predictions.append(prediction)
            progress(len(predictions), len(files))
    return predictions


def as_png(outcome: Outcome) -> bytes | str:
    """Returns a square as a file that the exported model decodes to that very square."""
    return outcome if isinstance(outcome, str) else tf.io.encode_png(outcome[0]).numpy()


def leave_out_failed(
    target: Target, predictions: list[Prediction], on_bad_image: str
) -> tuple[Target, list[Prediction]]:
    """Returns target and predictions without the images that could not be classified.

    Raises:
      ValueError: if there are any and on_bad_image is 'fail', or if none is left.
    """
    failed = np.array([prediction.error is not None for prediction in predictions])
    errors = [str(prediction.error) for prediction in predictions if prediction.error is not None]
    if errors and on_bad_image == "fail":
        first = predictions[int(np.flatnonzero(failed)[0])].image
        raise ValueError(
            f"{first}: {errors[0]} ({len(errors)} bad of {len(predictions)} images); repair it, "
            "or leave such images out with --on_bad_image=set_aside"
        )
    note = f"{len(errors)} images set aside because they could not be classified."
    return (
        target.without(failed, Category.BAD_FILE, errors, note),
        [prediction for prediction in predictions if prediction.error is None],
    )
