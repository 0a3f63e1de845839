"""What each member of an ensemble scores alone, beside the ensemble, on the same images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from flags.config import Config
from tfcovid.controls.probes import balanced_accuracy
from tfcovid.data.dataset import Dataset
from tfcovid.experiment.classifiers.asked import Fitted
from tfcovid.experiment.classifiers.single import logits_of
from tfcovid.experiment.controls.scores import IDENTITY, above
from tfcovid.experiment.decisions import choose_rule
from tfcovid.metrics.intervals import balanced_accuracy_interval


def decide_members(config: Config, fitted: Fitted, dataset: Dataset) -> pd.DataFrame:
    """Returns what each member decides on the test split, by a rule of its own from validation.

    Args:
      config: of the ensemble.
      fitted: the ensemble.
      dataset: of the run.

    Returns:
      Columns IDENTITY and a column a member: the class it decides.
    """
    table = dataset.frame.iloc[dataset.rows("test")][IDENTITY].reset_index(drop=True)
    for name, member in fitted.members.items():
        rule = choose_rule(config, dataset, member.on_validation).rule
        logits = logits_of(member.model, dataset, "test", member.preprocessing)
        decided = rule.decide(rule.probabilities(logits))
        table[name] = np.asarray(dataset.classes, object)[decided]
    return table


def member_entries(
    table: pd.DataFrame, predictions: pd.DataFrame, classes: Sequence[str], *, seed: int
) -> dict[str, dict[str, Any]]:
    """Returns the entry `members` of metrics.json.

    Args:
      table: of `decide_members`, perhaps of several folds; without a member there is no entry.
      predictions: of predictions.csv, for the same images in the same order.
      classes: names in the order of the labels.
      seed: of the bootstrap.

    Returns:
      For each member balanced_accuracy, interval; above: how far the ensemble lies above it on
      the same images, difference, low, high.
    """
    number = {name: index for index, name in enumerate(classes)}
    labels, decisions = (
        predictions[key].map(number).to_numpy(np.int64) for key in ("label", "decision")
    )
    groups = predictions["group_id"].to_numpy()
    entries = {}
    for name in table.columns.difference(IDENTITY, sort=False):
        decided = table[name].map(number).to_numpy(np.int64)
        entries[name] = {
            "balanced_accuracy": balanced_accuracy(labels, decided),
            "interval": balanced_accuracy_interval(
                labels, decided, groups, num_classes=len(classes), seed=seed
            ),
            "above": above(labels, decisions, decided, groups, classes, seed),
        }
    return entries
