"""The SavedModel of a run of findings, and what every other format needs of it."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd

from flags.config import Config
from tfcovid.controls.probes import balanced_accuracy
from tfcovid.data.blocks import BLOCK_SEPARATOR, label_matrix, label_texts
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.sources.pathologies import NO_FINDING, SEPARATOR
from tfcovid.data.tasks import TaskLabels
from tfcovid.experiment import class_export
from tfcovid.experiment.class_export import Exporting
from tfcovid.experiment.heat import method_of
from tfcovid.metrics.decision import rule_from_description
from tfcovid.metrics.finding_rule import FindingRule, finding_rule_from
from tfcovid.models.folding import folded
from tfcovid.serving.exported_findings import ExportedFindings


def module_of(
    config: Config, model: keras.Model, rule: FindingRule, preprocessing: Preprocessing
) -> ExportedFindings:
    """Returns what the SavedModel is made of."""
    return ExportedFindings(
        folded(model),
        preprocessing=preprocessing,
        classes=rule.classes,
        factor=rule.factor(),
        offset=rule.offset(),
        thresholds=rule.thresholds,
        num_exclusive=rule.num_exclusive,
        weights=None if rule.diagnosis is None else rule.diagnosis.weights,
        none=NO_FINDING,
        separators=(SEPARATOR, BLOCK_SEPARATOR),
        heat_map=method_of(config, model),
    )


def decision_of(rule: FindingRule) -> dict[str, Any]:
    """Returns what turns probabilities into a decision, for who has only the probabilities.

    Returns:
      thresholds: from this probability on a finding is decided; none: what is said where none is;
      diagnosis: as `class_export.decision_of` of the classes before the findings, or None.
    """
    diagnosis = None if rule.diagnosis is None else class_export.decision_of(rule.diagnosis)
    return {
        "thresholds": dict(zip(rule.findings, rule.thresholds, strict=True)),
        "none": NO_FINDING,
        "diagnosis": diagnosis,
    }


def _rule_from(task_labels: TaskLabels, described: dict[str, Any]) -> FindingRule:
    diagnosis = None
    if task_labels.exclusive:
        diagnosis = rule_from_description(task_labels.exclusive, described["diagnosis"])
    return finding_rule_from(task_labels.classes, described, diagnosis)


def _decided(rule: FindingRule, probs: np.ndarray, task_labels: TaskLabels) -> list[str]:
    return label_texts(rule.decide(probs), task_labels.blocks).tolist()


def _mean_balanced_accuracy(
    labels: pd.Series, decided: Sequence[str], task_labels: TaskLabels
) -> float | None:
    """Returns the mean over the outputs that known labels have with and without, or None."""
    targets = label_matrix(labels, task_labels.blocks)
    found = label_matrix(pd.Series(decided, dtype=object), task_labels.blocks)
    of_outputs = [
        balanced_accuracy(truth[truth >= 0], said[truth >= 0])
        for truth, said in zip(targets.T, found.T, strict=True)
        if (truth == 1).any() and (truth == 0).any()
    ]
    return float(np.mean(of_outputs)) if of_outputs else None


OF_FINDINGS = Exporting(
    rule_from=_rule_from,
    module_of=module_of,
    decision_of=decision_of,
    decided=_decided,
    balanced_accuracy=_mean_balanced_accuracy,
)
