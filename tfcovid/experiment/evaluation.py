"""A finished run scored again, on its own test split or on another data set."""

import dataclasses
import datetime
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import rich.console

from flags import config_json
from flags.config import Config
from tfcovid.console import counting_bar, open_console
from tfcovid.data.copies.merging import merge_copies
from tfcovid.data.copies.search import find_copies
from tfcovid.data.image_files import scan_files
from tfcovid.data.manifest import build_manifest, read_manifest, write_csv
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.readers import read_sources
from tfcovid.data.sources.reading import TEXT, Category, aside, listing, no_rejected
from tfcovid.data.tasks import TaskLabels, task_labels_of
from tfcovid.experiment.decisions import predictive_values
from tfcovid.experiment.inputs import source_options
from tfcovid.metrics.score import few_patient_notes, score
from tfcovid.report.terminal import print_result
from tfcovid.serving.client import Prediction, load_signature, predict_files
from tfcovid.training import run_record

BATCH_SIZE = 16


def evaluate_run(
    workdir: pathlib.Path,
    *,
    kind: str | None,
    data_dir: pathlib.Path | None,
    options: SourceOptions,
    keep_laterals: bool,
    on_bad_image: str,
    max_pixels: int,
    prevalence: float | None = None,
) -> dict[str, Any]:
    """Scores the exported model of a run, writes RUN/evaluations/NAME, returns its metrics.

    Args:
      workdir: the folder of a finished run.
      kind: kind of the other data set, or None to recognise it.
      data_dir: folder of another data set; None for the run's own test split.
      options: what the user says of the other data set.
      keep_laterals: whether its images known to be lateral views are scored.
      on_bad_image: 'fail' or 'set_aside'.
      max_pixels: refuses larger images.
      prevalence: at which predictive values are given; None for the run's own.

    Raises:
      ValueError: if the run is not finished, or the data cannot be read.
    """
    console = open_console()
    folder = run_record.RunFolder(workdir)
    if not folder.metrics.is_file():
        raise ValueError(
            f"--workdir={workdir}: expected the folder of a finished run, found no metrics.json"
        )
    classes = run_record.read_json(folder.labels)
    task_labels = task_labels_of(run_record.read_json(folder.metrics)["task"], classes)
    config = config_json.from_dict(run_record.read_json(folder.config))
    if data_dir is None:
        target = own_test_split(folder, config, task_labels)
    else:
        target = other_data(
            kind,
            data_dir,
            task_labels,
            options=options,
            keep_laterals=keep_laterals,
            on_bad_image=on_bad_image,
            max_pixels=max_pixels,
        )
        target = leave_out_known(target, read_manifest(folder.manifest))
    predictions = classify(folder, target, console)
    target, predictions = leave_out_failed(target, predictions, on_bad_image)
    metrics, table = score_predictions(
        target.frame, predictions, task_labels.classes, seed=config.run.seed
    )
    notes = [*target.notes, *few_patient_notes(metrics)]
    metrics = {
        "task": task_labels.name,
        "split": target.name,
        "view": run_record.read_json(folder.preprocessing)["view"],
        **metrics,
        **predictive_values(config, metrics, prevalence),
        "controls": target.controls,
        "notes": list(dict.fromkeys(notes)),
    }
    out = run_record.RunFolder(workdir / "evaluations" / evaluation_name(data_dir))
    out.path.mkdir(parents=True)
    write_csv(table, out.predictions)
    write_csv(target.rejected, out.rejected)
    run_record.write_json(out.metrics, metrics)
    files = {"figures": out.metrics, "predictions": out.predictions, "left out": out.rejected}
    print_result(
        console, metrics, out.path, files={name: str(path) for name, path in files.items()}
    )
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
      controls: what probes score on the same images, as in metrics.json; empty where none did.
    """

    name: str
    root: pathlib.Path
    frame: pd.DataFrame
    rejected: pd.DataFrame
    notes: tuple[str, ...]
    controls: dict[str, Any]

    def without(
        self, rows: np.ndarray, category: Category, reasons: Sequence[str], note: str
    ) -> "Target":
        """Returns the target without some rows, those listed with their reasons and noted.

        Args:
          rows: which rows go, bool [n].
          category: what is wrong with all of them.
          reasons: why, one for each row that goes.
          note: a line that says so.

        Raises:
          ValueError: if no row stays.
        """
        if not rows.any():
            return self
        if rows.all():
            raise ValueError(f"{self.root}: expected an image to score, none is left: {note}")
        gone = self.frame.loc[rows]
        table = aside(gone, category, pd.Series(list(reasons), gone.index, dtype=TEXT))
        return dataclasses.replace(
            self,
            frame=self.frame[~rows].reset_index(drop=True),
            rejected=pd.concat([self.rejected, table], ignore_index=True),
            notes=(*self.notes, note),
        )


def own_test_split(folder: run_record.RunFolder, config: Config, task_labels: TaskLabels) -> Target:
    """Returns the test split of a run, with the notes and controls of the run.

    Raises:
      ValueError: if the run's records are missing, or its data has moved or changed.
    """
    data, sources = config.data, config.sources
    _, reading = read_sources(
        sources.data, sources.data_dir, sources.places(), options=source_options(config)
    )
    manifest = read_manifest(folder.manifest, classes=task_labels.classes)
    test = manifest[manifest["split"] == "test"].reset_index(drop=True)
    facts, _ = scan_files(test, reading.root, max_pixels=data.max_pixels)
    changed = test.drop(index=facts.index[facts["sha256"] == test.loc[facts.index, "sha256"]])
    if len(changed):
        raise ValueError(
            f"{reading.root}: {len(changed)} of {len(test)} test images are missing, bad or not "
            f"those that the run scored: {listing(changed['image'])}"
        )
    run = run_record.read_json(folder.metrics)
    return Target("test", reading.root, test, no_rejected(), tuple(run["notes"]), run["controls"])


def other_data(
    kind: str | None,
    data_dir: pathlib.Path,
    task_labels: TaskLabels,
    *,
    options: SourceOptions,
    keep_laterals: bool,
    on_bad_image: str,
    max_pixels: int,
) -> Target:
    """Returns the images of another data set that the task has a class for, each file once."""
    _, reading = read_sources(kind, data_dir, options=options)
    manifest = build_manifest(
        reading,
        task_labels,
        on_bad_image=on_bad_image,
        max_pixels=max_pixels,
        every_class=False,
    )
    # By their bytes alone: the images are decoded only when they are classified.
    pairs = find_copies(manifest.frame["sha256"], None)
    manifest = merge_copies(manifest, pairs, keep_laterals=keep_laterals).renumbered()
    there = set(manifest.frame["label"])
    absent = [name for name in task_labels.classes if name not in there]
    note = f"No image of {', '.join(absent)}: figures over all classes leave it out."
    return Target(
        f"all of {data_dir.resolve().name}",
        reading.root,
        manifest.frame,
        manifest.rejected,
        (*manifest.notes, note) if absent else manifest.notes,
        {},
    )


def leave_out_known(target: Target, manifest: pd.DataFrame) -> Target:
    """Returns the target without images and patients that the run was trained or chosen on.

    Args:
      target: another data set.
      manifest: the run's manifest.
    """
    seen = manifest[manifest["split"] != "test"]
    known = target.frame["sha256"].isin(seen["sha256"])
    known |= target.frame["patient_id"].isin(seen["patient_id"].dropna())
    note = (
        f"{known.sum()} of {len(known)} images left out: the run was trained, or its threshold "
        "chosen, on them or on other images of these patients."
    )
    reason = "the run has seen this image or this patient"
    return target.without(known.to_numpy(), Category.LEFT_OUT, [reason] * int(known.sum()), note)


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


def score_predictions(
    frame: pd.DataFrame, predictions: list[Prediction], classes: tuple[str, ...], *, seed: int
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Returns the figures and the table of predictions.

    Args:
      frame: manifest rows, in the order of the predictions.
      predictions: one a row, none failed.
      classes: names in the order of the probabilities.
      seed: of the bootstrap.
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
        seed=seed,
    )
    return figures, run_record.prediction_table(frame, classes, probs, decisions)
