"""What the controls of a run decide on the images it is scored on, and what that says of the score.

`control_predictions.csv` holds the decisions, a row an image; every figure is made from it and
from predictions.csv, so that the folds of a cross-validation are pooled by putting files together.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd

from tfcovid.controls.probes import balanced_accuracy
from tfcovid.data.image_store import ImageStore
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.controls.fitting import (
    SIGHTS,
    SOURCE_ALONE,
    SOURCE_CLASSIFIER,
    FittedControls,
    features_seen,
)
from tfcovid.metrics.classification import classification_metrics
from tfcovid.metrics.comparison import compare_systems
from tfcovid.metrics.intervals import balanced_accuracy_interval, group_bootstrap

IDENTITY = ["image", "group_id", "source", "label"]
SOURCE_NETWORK = "source_network"
TELLING_SOURCES = {
    SOURCE_CLASSIFIER: "a probe of the network's own features",
    SOURCE_NETWORK: "a network trained to tell them apart",
}
"""What tells the sources apart, by its column; its decisions are sources."""


def decide_controls(
    fitted: FittedControls,
    model: keras.Model,
    images: ImageStore,
    index: np.ndarray,
    frame: pd.DataFrame,
    preprocessing: Preprocessing,
    classes: Sequence[str],
) -> pd.DataFrame:
    """Returns the decision of every control on some images.

    Args:
      fitted: to the training split.
      model: the classifier whose features are probed.
      images: holds the squares.
      index: where those of the frame's rows lie in `images`, int64 [n].
      frame: manifest rows.
      preprocessing: of the classifier.
      classes: names in the order of the labels.

    Returns:
      Columns IDENTITY, and for each control what it decides: a class, or a source (missing where
      the image's own was not in training).
    """
    table = frame[IDENTITY].reset_index(drop=True)
    for name, probe in fitted.probes.items():
        decided = probe.decide(features_seen(name, model, images, index, preprocessing))
        names = fitted.sources if name == SOURCE_CLASSIFIER else classes
        table[name] = np.asarray(names, object)[decided]
        if name == SOURCE_CLASSIFIER:  # of another source it cannot be right
            table[name] = table[name].where(table["source"].isin(fitted.sources))
    if fitted.sources and table["source"].isin(fitted.sources).all():
        table[SOURCE_ALONE] = [classes[fitted.class_of_source[name]] for name in table["source"]]
    return table


def control_entries(
    table: pd.DataFrame,
    predictions: pd.DataFrame,
    classes: Sequence[str],
    *,
    positive: str,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Returns the entry `controls` of metrics.json.

    Args:
      table: of `decide_controls`, perhaps of several folds.
      predictions: of predictions.csv, for the same images in the same order.
      classes: names in the order of the labels.
      positive: the class that is of interest.
      seed: of the bootstrap.

    Returns:
      For each control sees, model, lungs (whether it sees them), balanced_accuracy, interval;
      of_class: what it reaches for the class of interest, class, precision, recall, f1, intervals;
      above: how far the model lies above it on the same images, difference, low, high.
    """
    labels, decisions = (_numbers(predictions[key], classes) for key in ("label", "decision"))
    groups = predictions["group_id"].to_numpy()
    entries = {}
    for name in (name for name in SIGHTS if name in table):
        decided = _numbers(table[name], classes)
        certain = np.eye(len(classes))[decided]
        intervals = group_bootstrap(labels, certain, decided, groups, classes, seed=seed)
        figures = classification_metrics(labels, certain, decided, classes)
        keys = {key: f"per_class.{positive}.{key}" for key in ("precision", "recall", "f1")}
        entries[name] = {
            **_shown(name),
            "balanced_accuracy": figures["balanced_accuracy"],
            "interval": intervals["balanced_accuracy"],
            "of_class": {
                "class": positive,
                **{key: figures["per_class"][positive][key] for key in keys},
                "intervals": {key: intervals[k] for key, k in keys.items() if k in intervals},
            },
            "above": above(labels, decisions, decided, groups, classes, seed),
        }
    return entries


def source_entries(table: pd.DataFrame, *, seed: int) -> dict[str, dict[str, Any]]:
    """Returns how well the sources are told apart: the entry `sources_told_apart` of metrics.json.

    Args:
      table: of `decide_controls`.
      seed: of the bootstrap.

    Returns:
      For each of TELLING_SOURCES that there is: model, sources, chance, balanced_accuracy,
      interval. Empty where the images are of one source.
    """
    entries = {}
    for column, model in TELLING_SOURCES.items():
        if column not in table:
            continue
        part = table[table[column].notna()]
        sources = sorted(set(part["source"]))
        if len(sources) < 2:
            continue
        names = sorted({*sources, *part[column]})
        labels, decided = (_numbers(part[key], names) for key in ("source", column))
        entries[column] = {
            "model": model,
            "sources": sources,
            "chance": 1 / len(sources),
            "balanced_accuracy": balanced_accuracy(labels, decided),
            "interval": balanced_accuracy_interval(
                labels, decided, part["group_id"].to_numpy(), num_classes=len(names), seed=seed
            ),
        }
    return entries


def _shown(name: str) -> dict[str, Any]:
    sight = dataclasses.asdict(SIGHTS[name])
    return {key: sight[key] for key in ("sees", "model", "lungs")}


def above(
    labels: np.ndarray,
    decisions: np.ndarray,
    decided: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    """Returns how far a model lies above a control in balanced accuracy, on the same images.

    Args:
      labels: class indices int [n].
      decisions: of the model, int [n].
      decided: of the control, int [n].
      groups: group ids [n].
      classes: names in the order of the labels.
      seed: of the bootstrap.
    """
    certain = np.eye(len(classes))
    key = "balanced_accuracy"
    found = compare_systems(
        labels,
        groups,
        classes,
        probs_a=certain[decisions],
        decisions_a=decisions,
        probs_b=certain[decided],
        decisions_b=decided,
        figures=[key],
        draws=1,  # the interval is wanted, not the p-value
        seed=seed,
    )[key]
    return {name: found[name] for name in ("difference", "low", "high", "level", "method")}


def _numbers(names: pd.Series, classes: Sequence[str]) -> np.ndarray:
    return names.map({name: number for number, name in enumerate(classes)}).to_numpy(np.int64)
