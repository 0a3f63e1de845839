"""A finished run scored again, on its own test split or on another data set."""

import dataclasses
import datetime
import pathlib
from typing import Any

import numpy as np
import pandas as pd
import rich.console

from flags import config_json
from tfcovid.data.dataset import read_source
from tfcovid.data.manifest import build_manifest, read_manifest, write_csv
from tfcovid.data.sources.reading import REJECTED_COLUMNS
from tfcovid.data.tasks import TASK_LABELS, TaskLabels
from tfcovid.metrics.score import few_patient_notes, score
from tfcovid.report.terminal import print_result
from tfcovid.serving.client import Prediction, load_signature, predict_files
from tfcovid.training import run_record
from tfcovid.training.progress import counting_bar, open_console

BATCH_SIZE = 16
BOOTSTRAP_SEED = 0


def evaluate_run(
    workdir: pathlib.Path,
    *,
    kind: str | None,
    data_dir: pathlib.Path | None,
    patients: pathlib.Path | None,
    on_bad_image: str,
    max_pixels: int,
) -> dict[str, Any]:
    """Scores the exported model of a run, writes RUN/evaluations/NAME, returns its metrics.

    Args:
      workdir: the folder of a finished run.
      kind: kind of the other data set, or None to recognise it.
      data_dir: folder of another data set; None for the run's own test split.
      patients: CSV that maps the other data set's images to patients, or None.
      on_bad_image: 'fail' or 'set_aside'.
      max_pixels: refuses larger images.

    Raises:
      ValueError: if the run is not finished, or the data cannot be read.
    """
    console = open_console()
    folder = run_record.RunFolder(workdir)
    if not folder.metrics.is_file():
        raise ValueError(
            f"--workdir={workdir}: expected the folder of a finished run, found no metrics.json"
        )
    task_labels = TASK_LABELS[run_record.read_json(folder.metrics)["task"]]
    target = (
        own_test_split(folder, task_labels)
        if data_dir is None
        else other_data(kind, data_dir, patients, task_labels, on_bad_image, max_pixels)
    )
    predictions = classify(folder, target, console)
    frame, rejected, predictions = leave_out_failed(target, predictions, on_bad_image)
    metrics, table = score_predictions(frame, predictions, task_labels.classes)
    metrics = {
        "task": task_labels.name,
        "split": target.name,
        "view": run_record.read_json(folder.preprocessing)["view"],
        **metrics,
        "controls": {},
        "notes": [*target.notes, *few_patient_notes(metrics)],
    }
    out = run_record.RunFolder(workdir / "evaluations" / evaluation_name(data_dir))
    out.path.mkdir(parents=True)
    write_csv(table, out.predictions)
    write_csv(rejected, out.rejected)
    run_record.write_json(out.metrics, metrics)
    print_result(console, metrics, out.path)
    return metrics


def evaluation_name(data_dir: pathlib.Path | None) -> str:
    """Returns a new folder name: UTC time and what was scored."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{now}-{'test' if data_dir is None else data_dir.resolve().name}"


@dataclasses.dataclass(frozen=True)
class Target:
    """What is scored.

    Attributes:
      name: what the terminal and metrics.json call it.
      root: the folder that paths are relative to.
      frame: rows with the manifest's columns.
      rejected: images left out, columns image, path, reason.
      notes: lines that a user should read before believing a score on it.
    """

    name: str
    root: pathlib.Path
    frame: pd.DataFrame
    rejected: pd.DataFrame
    notes: tuple[str, ...]


def own_test_split(folder: run_record.RunFolder, task_labels: TaskLabels) -> Target:
    """Returns the test split of a run.

    Raises:
      ValueError: if the run's records are missing or its data has moved.
    """
    data = config_json.from_dict(run_record.read_json(folder.config)).data
    _, reading = read_source(data.data, data.data_dir, patients=data.patients)
    manifest = read_manifest(folder.manifest, classes=task_labels.classes)
    test = manifest[manifest["split"] == "test"].reset_index(drop=True)
    nothing = pd.DataFrame(columns=list(REJECTED_COLUMNS))
    return Target("test", reading.root, test, nothing, reading.notes)


def other_data(
    kind: str | None,
    data_dir: pathlib.Path,
    patients: pathlib.Path | None,
    task_labels: TaskLabels,
    on_bad_image: str,
    max_pixels: int,
) -> Target:
    """Returns all images of another data set that the task has a class for."""
    _, reading = read_source(kind, data_dir, patients=patients)
    manifest = build_manifest(
        reading, task_labels, on_bad_image=on_bad_image, max_pixels=max_pixels
    )
    return Target(
        f"all of {data_dir.resolve().name}",
        reading.root,
        manifest.frame,
        manifest.rejected,
        manifest.notes,
    )


def classify(
    folder: run_record.RunFolder, target: Target, console: rich.console.Console
) -> list[Prediction]:
    """Returns what the exported model says of each image, in the frame's order."""
    signature = load_signature(folder.saved_model)
    files = [str(target.root / path) for path in target.frame["path"]]
    predictions = []
    with counting_bar(console, "classifying images") as progress:
        for prediction in predict_files(signature, files, batch_size=BATCH_SIZE):
            predictions.append(prediction)
            progress(len(predictions), len(files))
    return predictions


def leave_out_failed(
    target: Target, predictions: list[Prediction], on_bad_image: str
) -> tuple[pd.DataFrame, pd.DataFrame, list[Prediction]]:
    """Returns the rows and predictions that did not fail, and between them all images left out.

    Raises:
      ValueError: if there are any and on_bad_image is 'fail'.
    """
    frame, rejected = target.frame, target.rejected
    errors = pd.Series([prediction.error for prediction in predictions], dtype=object)
    failed = errors.notna().to_numpy()
    if failed.any() and on_bad_image == "fail":
        first = int(np.flatnonzero(failed)[0])
        raise ValueError(
            f"{predictions[first].image}: {errors[first]} ({failed.sum()} bad of {len(frame)} "
            "images); repair it, or leave such images out with --on_bad_image=set_aside"
        )
    aside = frame.loc[failed, ["image", "path"]].assign(reason=errors[failed].to_numpy())
    return (
        frame[~failed].reset_index(drop=True),
        pd.concat([rejected, aside], ignore_index=True) if failed.any() else rejected,
        [prediction for prediction in predictions if prediction.error is None],
    )


def score_predictions(
    frame: pd.DataFrame, predictions: list[Prediction], classes: tuple[str, ...]
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Returns the figures and the table of predictions.

    Args:
      frame: manifest rows, in the order of the predictions.
      predictions: one a row, none failed.
      classes: names in the order of the probabilities.
    """
    probs = np.array([list(prediction.probabilities.values()) for prediction in predictions])
    decisions = np.array([classes.index(str(p.decision)) for p in predictions])
    labels = frame["label"].map(classes.index).to_numpy(np.int64)
    figures = score(
        labels,
        probs,
        decisions,
        frame["group_id"].to_numpy(),
        classes,
        seed=BOOTSTRAP_SEED,
    )
    return figures, run_record.prediction_table(frame, classes, probs, decisions)
