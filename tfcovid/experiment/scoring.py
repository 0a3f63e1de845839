"""The figures of a run: the test split under the decision rule, and the controls beside it."""

import pathlib
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
from tfcovid.experiment.control_fitting import fit_controls
from tfcovid.experiment.control_networks import train_control_networks
from tfcovid.experiment.control_scores import (
    IDENTITY,
    control_entries,
    decide_controls,
    source_entries,
)
from tfcovid.experiment.decisions import before_and_after, predictive_values
from tfcovid.experiment.error_analysis import analyse
from tfcovid.experiment.inputs import split_dataset
from tfcovid.metrics.decision import ChosenRule, positive_class
from tfcovid.metrics.score import few_patient_notes, score
from tfcovid.metrics.subgroups import inside_parts
from tfcovid.training import run_record, runtime


def score_test_split(
    config: Config,
    model: keras.Model,
    chosen: ChosenRule,
    dataset: Dataset,
    preprocessing: Preprocessing,
    folder: run_record.RunFolder,
) -> dict[str, Any]:
    """Scores the test split, once; writes predictions.csv and metrics.json, returns the latter.

    The controls are those of the folder's control_predictions.csv, where there is one.
    """
    rows, rule = dataset.rows("test"), chosen.rule
    logits = model.predict(split_dataset(dataset, "test", preprocessing), verbose=0)
    probs = rule.probabilities(logits)
    decisions = rule.decide(probs)
    part = dataset.frame.iloc[rows]
    table = run_record.prediction_table(part, dataset.classes, probs, decisions)
    controls = read_controls(folder) if folder.control_predictions.is_file() else part[IDENTITY]
    metrics = {
        "task": config.data.task.value,
        "split": config.data.split.value,
        "view": config.data.view.value,
        **figures_of(config, part, dataset.labels[rows], probs, decisions, dataset.classes),
        "calibration": before_and_after(rule, logits, dataset.labels[rows]),
        "controls": control_entries(controls, table, dataset.classes, seed=config.run.seed),
        "sources_told_apart": source_entries(controls, seed=config.run.seed),
    }
    metrics |= predictive_values(config, metrics)
    metrics["notes"] = [*dataset.notes, *few_patient_notes(metrics), *chosen.doubts]
    write_csv(table, folder.predictions)
    run_record.write_json(folder.decision, chosen.record)
    run_record.write_json(folder.metrics, metrics)
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


def run_controls(
    config: Config,
    model: keras.Model,
    dataset: Dataset,
    preprocessing: Preprocessing,
    weights: pathlib.Path | None,
    machine: runtime.Runtime,
    folder: run_record.RunFolder,
    console: rich.console.Console,
) -> None:
    """Fits the controls that are asked for, and writes what they decide on the test split.

    Args:
      config: of the run.
      model: the trained classifier.
      dataset: of the run.
      preprocessing: of the run.
      weights: what the run started from, or None.
      machine: precision and devices.
      folder: of the run.
      console: for progress.
    """
    asked = config.run.controls
    if asked is choices.Controls.NONE:
        return
    rows = dataset.rows("test")
    with counting_bar(console, "controls") as progress:
        fitted = fit_controls(
            model, dataset, preprocessing, seed=config.run.seed, progress=progress
        )
    folder.controls.mkdir()
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
    if asked is choices.Controls.FULL:
        found = train_control_networks(
            config, dataset, preprocessing, weights, machine, folder, console
        )
        table = table.assign(**found)
    write_csv(table, folder.control_predictions)


def read_controls(folder: run_record.RunFolder) -> pd.DataFrame:
    """Returns what the controls of a run decided on its test split."""
    return pd.read_csv(folder.control_predictions, dtype=str, keep_default_na=False, na_values=[""])
