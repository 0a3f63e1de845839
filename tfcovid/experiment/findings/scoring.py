"""The figures of a run of findings: its rule from validation, the test split under it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from flags import choices
from flags.config import Config
from tfcovid.data.blocks import Blocks, columns_of, label_matrix, label_texts
from tfcovid.data.dataset import Dataset
from tfcovid.data.tasks import TaskLabels
from tfcovid.experiment.controls.fitting import left_out_notes
from tfcovid.experiment.controls.scores import IDENTITY
from tfcovid.experiment.findings.controls import control_entries
from tfcovid.experiment.heads import known_shares
from tfcovid.experiment.heat import heat_metrics, heat_notes
from tfcovid.experiment.scoring import Predicted
from tfcovid.metrics.calibration import log_loss
from tfcovid.metrics.finding_decision import ChosenFindings, choose_finding_rule
from tfcovid.metrics.finding_scores import finding_notes, finding_scores
from tfcovid.metrics.score import score
from tfcovid.serving.client import Prediction
from tfcovid.training import run_record

MORE_PATIENTS = (
    "With --split=kfold every patient is tested once: the score to report where a finding has so "
    "few."
)


def choose_rule(config: Config, dataset: Dataset, logits: np.ndarray) -> ChosenFindings:
    """Returns calibration and thresholds from the logits of the validation split."""
    rows = dataset.rows("validation")
    shares, seen = known_shares(config, dataset)
    corrected = config.resolved_calibration is choices.Calibration.BIAS_CORRECTED
    balanced = corrected and config.loss.shifts_prior
    point = choices.OperatingPoint.BALANCED if balanced else choices.OperatingPoint.ARGMAX
    return choose_finding_rule(
        dataset.classes,
        logits,
        dataset.targets[rows],
        dataset.frame["group_id"].to_numpy()[rows],
        num_exclusive=num_exclusive(dataset.blocks),
        shares=shares,
        seen_shares=seen,
        bias_corrected=corrected,
        operating_point=config.resolved_operating_point(len(dataset.classes)).value,
        operating_value=config.decision.operating_value,
        diagnosis_point=point.value,
    )


def num_exclusive(blocks: Blocks) -> int:
    """Returns how many of the outputs are classes that exclude each other."""
    return sum(len(block.outputs) for block in blocks if block.exclusive)


def prediction_table(predicted: Predicted, classes: Sequence[str], blocks: Blocks) -> pd.DataFrame:
    """Returns the rows of predictions.csv; a decision is written as a label is.

    Args:
      predicted: labels and decisions as matrices [n, num_outputs].
      classes: names in the order of the outputs.
      blocks: of the task.
    """
    return run_record.named_prediction_table(
        predicted.part,
        classes,
        predicted.probs,
        label_texts(predicted.decisions, blocks).to_numpy(object),
    )


def figures_of(
    config: Config, predicted: Predicted, classes: Sequence[str], blocks: Blocks
) -> dict[str, Any]:
    """Returns every figure of some predictions: of each output, and of the classes as of a task.

    Args:
      config: of the run.
      predicted: labels and decisions as matrices [n, num_outputs].
      classes: names in the order of the outputs.
      blocks: of the task.
    """
    groups = predicted.part["group_id"].to_numpy()
    targets, probs, decided = predicted.labels, predicted.probs, predicted.decisions
    found = finding_scores(
        targets,
        probs,
        decided,
        groups,
        classes,
        averaged=[name for block in blocks if not block.exclusive for name in block.outputs],
        seed=config.run.seed,
    )
    for block, columns in zip(blocks, columns_of(blocks), strict=True):
        known = (targets[:, columns] >= 0).all(axis=1)
        if block.exclusive and known.any():
            found[block.name] = score(
                targets[known, columns].argmax(axis=1),
                probs[known, columns],
                decided[known, columns].argmax(axis=1),
                groups[known],
                block.outputs,
                seed=config.run.seed,
            )
    return found


def metrics_of(
    config: Config,
    predicted: Predicted,
    classes: Sequence[str],
    blocks: Blocks,
    notes: Sequence[str],
) -> dict[str, Any]:
    """Returns the content of metrics.json.

    Args:
      config: of the run.
      predicted: of every image that was tested.
      classes: names in the order of the outputs.
      blocks: of the task.
      notes: on the data, which a reader should know before believing a score on it.
    """
    groups = predicted.part["group_id"].to_numpy()
    metrics = {
        "task": config.data.task.value,
        "split": "manifest" if config.data.manifest else config.data.split.value,
        "view": config.data.view.value,
        "preprocessing": config.data.preprocessing.value,
        "operating_point": config.resolved_operating_point(len(classes)).value,
        **figures_of(config, predicted, classes, blocks),
        "calibration": {
            name: calibration_losses(probs, predicted.labels, classes)
            for name, probs in (("before", predicted.raw), ("after", predicted.probs))
        },
        "controls": control_entries(
            predicted.controls,
            predicted.labels,
            predicted.probs,
            classes,
            blocks,
            seed=config.run.seed,
        ),
        **heat_metrics(config, predicted.heat_shares, predicted.labels == 1, groups, classes),
    }
    few = finding_notes(metrics)
    if few and config.data.manifest is None and config.data.split is choices.Split.PATIENT:
        few.append(MORE_PATIENTS)
    doubts = [*few, *heat_notes(metrics)]
    return metrics | {"notes": [*notes, *left_out_notes(config), *doubts]}


def calibration_losses(
    probs: np.ndarray, targets: np.ndarray, classes: Sequence[str]
) -> dict[str, float | None]:
    """Returns each output's log-loss against its absence, in nats; None where nothing is known.

    Args:
      probs: float [n, num_outputs].
      targets: label matrix [n, num_outputs].
      classes: names in the order of the outputs.
    """
    found: dict[str, float | None] = {}
    for name, said, labels in zip(classes, probs.T, targets.T, strict=True):
        known = labels >= 0
        both = np.stack([1 - said[known], said[known]], axis=1)
        found[name] = log_loss(both, labels[known].astype(int)) if known.any() else None
    return found


def score_predictions(
    config: Config, frame: pd.DataFrame, predictions: Sequence[Prediction], task_labels: TaskLabels
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Returns the figures and the table of predictions of an exported model.

    Args:
      config: of the run.
      frame: manifest rows, in the order of the predictions.
      predictions: one a row, none failed.
      task_labels: the task.
    """
    classes, blocks = task_labels.classes, task_labels.blocks
    probs = np.array([list(prediction.probabilities.values()) for prediction in predictions])
    decided = pd.Series([str(prediction.decision) for prediction in predictions])
    predicted = Predicted(
        part=frame,
        labels=label_matrix(frame["label"], blocks),
        raw=probs,
        probs=probs,
        decisions=label_matrix(decided, blocks),
        controls=frame[IDENTITY],
    )
    figures = figures_of(config, predicted, classes, blocks)
    return figures, prediction_table(predicted, classes, blocks)
