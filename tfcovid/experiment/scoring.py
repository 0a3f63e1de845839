"""The figures of a run: the decision rule, the test split, the controls beside it."""

import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from flags import choices
from flags.config import Config
from tfcovid.controls.probes import Control, balanced_accuracy, controls_for, probe_decisions
from tfcovid.data.dataset import Dataset
from tfcovid.data.manifest import write_csv
from tfcovid.data.preprocess import LUNG_BOX, Preprocessing
from tfcovid.experiment.decisions import before_and_after, predictive_values
from tfcovid.experiment.error_analysis import analyse
from tfcovid.experiment.inputs import split_dataset
from tfcovid.metrics.decision import ChosenRule
from tfcovid.metrics.intervals import balanced_accuracy_interval
from tfcovid.metrics.score import few_patient_notes, score
from tfcovid.training import run_record

CONTROL_CHUNK = 512


def score_test_split(
    config: Config,
    model: keras.Model,
    chosen: ChosenRule,
    dataset: Dataset,
    preprocessing: Preprocessing,
    folder: run_record.RunFolder,
) -> dict[str, Any]:
    """Scores the test split, once; writes predictions.csv and metrics.json, returns the latter."""
    rows, rule = dataset.rows("test"), chosen.rule
    logits = model.predict(split_dataset(dataset, "test", preprocessing), verbose=0)
    probs = rule.probabilities(logits)
    decisions = rule.decide(probs)
    part = dataset.frame.iloc[rows]
    metrics = {
        "task": config.data.task.value,
        "split": config.data.split.value,
        "view": config.data.view.value,
        **score(
            dataset.labels[rows],
            probs,
            decisions,
            part["group_id"].to_numpy(),
            dataset.classes,
            seed=config.run.seed,
        ),
        "calibration": before_and_after(rule, logits, dataset.labels[rows]),
        "controls": score_controls(config, dataset),
    }
    metrics |= predictive_values(config, metrics)
    metrics |= analyse(
        part, dataset.labels[rows], probs, decisions, dataset.classes, seed=config.run.seed
    )
    metrics["notes"] = [*dataset.notes, *few_patient_notes(metrics), *chosen.doubts]
    write_csv(
        run_record.prediction_table(part, dataset.classes, probs, decisions), folder.predictions
    )
    run_record.write_json(folder.decision, chosen.record)
    run_record.write_json(folder.metrics, metrics)
    return metrics


def score_controls(config: Config, dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Returns what models that see no anatomy score on the test split; empty for 'none'."""
    if config.run.controls is choices.Controls.NONE:
        return {}
    return {
        control.name: score_control(control, dataset, seed=config.run.seed)
        for control in controls_for(dataclasses.astuple(LUNG_BOX))
    }


def score_control(control: Control, dataset: Dataset, *, seed: int) -> dict[str, Any]:
    """Returns what one probe scores on the test split, with its interval."""
    train, test = dataset.rows("train"), dataset.rows("test")
    decisions = probe_decisions(
        features_of(control, dataset, train),
        dataset.labels[train],
        features_of(control, dataset, test),
        seed=seed,
    )
    labels = dataset.labels[test]
    groups = dataset.frame["group_id"].to_numpy()[test]
    return {
        "sees": control.sees,
        "balanced_accuracy": balanced_accuracy(labels, decisions),
        "interval": balanced_accuracy_interval(
            labels, decisions, groups, num_classes=len(dataset.classes), seed=seed
        ),
    }


def features_of(control: Control, dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """Returns a control's features of some rows, a few images in memory at a time."""
    index = dataset.image_index[rows]
    chunks = [index[i : i + CONTROL_CHUNK] for i in range(0, len(index), CONTROL_CHUNK)]
    return np.concatenate(
        [control.features(dataset.images.fetch(tf.constant(chunk)).numpy()) for chunk in chunks]
    )
