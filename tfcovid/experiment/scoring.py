"""The figures of a run: the test split under the decision rule, and the controls beside it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd
import rich.console

from flags import choices
from flags.config import Config
from tfcovid.console import counting_bar
from tfcovid.data.dataset import Dataset
from tfcovid.data.manifest import write_csv
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.tasks import TaskLabels
from tfcovid.experiment.classifiers.asked import Asked
from tfcovid.experiment.classifiers.member_scores import member_entries
from tfcovid.experiment.controls.fitting import fit_controls, left_out_notes
from tfcovid.experiment.controls.networks import train_control_networks
from tfcovid.experiment.controls.scores import (
    IDENTITY,
    control_entries,
    decide_controls,
    source_entries,
)
from tfcovid.experiment.decisions import before_and_after, predictive_values
from tfcovid.experiment.error_analysis import analyse
from tfcovid.experiment.heat import heat_metrics, heat_notes
from tfcovid.experiment.streams import split_dataset
from tfcovid.metrics.decision import DecisionRule, positive_class
from tfcovid.metrics.finding_rule import FindingRule
from tfcovid.metrics.score import few_patient_notes, score
from tfcovid.metrics.subgroups import inside_parts
from tfcovid.serving.client import Prediction
from tfcovid.training import run_record

MORE_PATIENTS = (
    "With --split=kfold every patient is tested once: the score to report where a class has so few."
)


@dataclasses.dataclass(frozen=True)
class Predicted:
    """What was predicted of the test images: of one network, or of those of all folds.

    Attributes:
      part: manifest rows.
      labels: class indices int [n]; of findings the label matrix int [n, num_outputs].
      raw: probabilities before calibration, float [n, num_outputs].
      probs: calibrated ones, likewise.
      decisions: as the labels, of what was decided.
      controls: columns IDENTITY and what the controls say, a row an image.
      members: columns IDENTITY and a column a member of an ensemble; None of a single classifier.
      heat_shares: of each class's heat map the share inside the lungs' box, float
        [n, num_classes]; None where there are no maps or no box.
    """

    part: pd.DataFrame
    labels: np.ndarray
    raw: np.ndarray
    probs: np.ndarray
    decisions: np.ndarray
    controls: pd.DataFrame
    members: pd.DataFrame | None = None
    heat_shares: np.ndarray | None = None

    def table(self, classes: tuple[str, ...]) -> pd.DataFrame:
        """Returns the rows of predictions.csv."""
        return run_record.prediction_table(self.part, classes, self.probs, self.decisions)


def predict_test_split(
    model: keras.Model,
    rule: DecisionRule | FindingRule,
    dataset: Dataset,
    preprocessing: Preprocessing,
    folder: run_record.RunFolder,
) -> Predicted:
    """Predicts the test split, once; the controls' decisions are those in the folder."""
    rows = dataset.rows("test")
    logits = model.predict(split_dataset(dataset, "test", preprocessing), verbose=0)
    probs = rule.probabilities(logits)
    part = dataset.frame.iloc[rows]
    controls = read_controls(folder) if folder.control_predictions.is_file() else part[IDENTITY]
    return Predicted(
        part=part,
        labels=dataset.labels[rows],
        raw=rule.uncalibrated(logits),
        probs=probs,
        decisions=rule.decide(probs),
        controls=controls,
    )


def metrics_of(
    config: Config, predicted: Predicted, classes: tuple[str, ...], notes: Sequence[str]
) -> dict[str, Any]:
    """Returns the content of metrics.json.

    Args:
      config: of the run.
      predicted: of every image that was tested.
      classes: names in the order of the probabilities.
      notes: on the data, which a reader should know before believing a score on it.
    """
    seed, labels = config.run.seed, predicted.labels
    has_class = np.eye(len(classes), dtype=bool)[labels]
    groups = predicted.part["group_id"].to_numpy()
    metrics = {
        "task": config.data.task.value,
        "split": "manifest" if config.data.manifest else config.data.split.value,
        "preprocessing": config.data.preprocessing.value,
        "view": config.data.view.value,
        "operating_point": config.resolved_operating_point(len(classes)).value,
        **figures_of(config, predicted.part, labels, predicted.probs, predicted.decisions, classes),
        "calibration": before_and_after(
            predicted.raw, predicted.probs, labels, classes, config.decision.operating_class
        ),
        "controls": control_entries(
            predicted.controls,
            predicted.table(classes),
            classes,
            positive=positive_class(classes, config.decision.operating_class),
            seed=seed,
        ),
        "sources_told_apart": source_entries(predicted.controls, seed=seed),
        **heat_metrics(config, predicted.heat_shares, has_class, groups, classes),
    }
    if predicted.members is not None:
        table = predicted.table(classes)
        metrics["members"] = member_entries(predicted.members, table, classes, seed=seed)
    metrics |= predictive_values(config, metrics)
    few = few_patient_notes(metrics)
    if few and config.data.manifest is None and config.data.split is choices.Split.PATIENT:
        few.append(MORE_PATIENTS)
    metrics["notes"] = [*notes, *left_out_notes(config), *few, *heat_notes(metrics)]
    return metrics


def figures_of(
    config: Config,
    part: pd.DataFrame,
    labels: np.ndarray,
    probs: np.ndarray,
    decisions: np.ndarray,
    classes: tuple[str, ...],
) -> dict[str, Any]:
    """Returns every figure of some predictions, and what they are wrong about.

    Args:
      config: of the run.
      part: manifest rows of the images.
      labels: class indices int [n].
      probs: calibrated probabilities float [n, num_classes].
      decisions: class indices int [n].
      classes: names in the order of the probabilities.
    """
    groups, seed = part["group_id"].to_numpy(), config.run.seed
    return {
        **score(labels, probs, decisions, groups, classes, seed=seed),
        **analyse(part, labels, probs, decisions, classes, seed=seed),
        "inside_sources": inside_parts(
            labels,
            probs,
            decisions,
            groups,
            classes,
            parts=part["source"].fillna("").to_numpy(str),
            positive=positive_class(classes, config.decision.operating_class),
            seed=seed,
        ),
    }


def score_predictions(
    config: Config, frame: pd.DataFrame, predictions: Sequence[Prediction], task_labels: TaskLabels
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Returns the figures and the table of predictions.

    Args:
      config: of the run.
      frame: manifest rows, in the order of the predictions.
      predictions: one a row, none failed.
      task_labels: the task.
    """
    classes = task_labels.classes
    probs = np.array([list(prediction.probabilities.values()) for prediction in predictions])
    decisions = np.array([classes.index(str(p.decision)) for p in predictions])
    labels = frame["label"].map(classes.index).to_numpy(np.int64)
    figures = figures_of(config, frame, labels, probs, decisions, classes)
    return figures, run_record.prediction_table(frame, classes, probs, decisions)


def run_controls(
    asked: Asked,
    model: keras.Model,
    folder: run_record.RunFolder,
    console: rich.console.Console,
) -> None:
    """Fits the controls that are asked for, and writes what they decide on the test split.

    Args:
      asked: of the run.
      model: the fitted classifier.
      folder: of the run.
      console: for progress.
    """
    config, dataset, preprocessing = asked.config, asked.dataset, asked.preprocessing
    if config.run.controls is choices.Controls.NONE:
        return
    rows = dataset.rows("test")
    with counting_bar(console, "controls") as progress:
        fitted = fit_controls(
            model, dataset, preprocessing, seed=config.run.seed, progress=progress
        )
    folder.controls.mkdir(exist_ok=True)  # what a kill left is written over
    fitted.save(folder.probes)
    table = decide_controls(
        fitted,
        model,
        dataset.images,
        dataset.image_index[rows],
        dataset.frame.iloc[rows],
        preprocessing,
        dataset.classes,
    )
    if config.run.controls is choices.Controls.FULL:
        table = table.assign(**train_control_networks(asked, folder, console))
    write_csv(table, folder.control_predictions)


def read_controls(folder: run_record.RunFolder) -> pd.DataFrame:
    """Returns what the controls of a run decided on its test split."""
    return pd.read_csv(folder.control_predictions, dtype=str, keep_default_na=False, na_values=[""])
