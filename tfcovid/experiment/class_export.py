"""The SavedModel of a run of one class an image, and what every other format needs of it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd

from flags.config import Config
from tfcovid.controls.probes import balanced_accuracy
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.tasks import TaskLabels
from tfcovid.experiment.heat import method_of
from tfcovid.metrics.decision import DecisionRule, rule_from_description
from tfcovid.models.folding import folded
from tfcovid.serving.exported import ExportedClassifier


@dataclasses.dataclass(frozen=True)
class Exporting:
    """What an export needs of a finished run, by the kind of its task.

    Attributes:
      rule_from: the rule, from TaskLabels and the content of decision.json.
      module_of: what a SavedModel is made of, from Config, model, rule and
        Preprocessing.
      decision_of: from a rule, what turns probabilities into a decision, as JSON takes it.
      decided: from rule, probabilities and TaskLabels what is decided of each image, as its label
        is written.
      balanced_accuracy: of labels and of what was decided, both as text, and TaskLabels; None
        where no class or finding has one.
    """

    rule_from: Callable[[TaskLabels, dict[str, Any]], Any]
    module_of: Callable[..., ExportedClassifier]
    decision_of: Callable[..., dict[str, Any]]
    decided: Callable[..., list[str]]
    balanced_accuracy: Callable[[pd.Series, Sequence[str], TaskLabels], float | None]


def module_of(
    config: Config, model: keras.Model, rule: DecisionRule, preprocessing: Preprocessing
) -> ExportedClassifier:
    """Returns what the SavedModel is made of."""
    return ExportedClassifier(
        folded(model),
        preprocessing=preprocessing,
        classes=rule.classes,
        factor=rule.scaling.factor(),
        offset=rule.scaling.offset(model.output_shape[-1]),
        positive=rule.positive,
        threshold=rule.threshold,
        weights=rule.weights,
        heat_map=method_of(config, model),
    )


def decision_of(rule: DecisionRule) -> dict[str, Any]:
    """Returns what turns probabilities into a decision, for who has only the probabilities.

    Returns:
      rule: what follows, in words.
      threshold: from this probability on the class `positive` is decided, and below it the largest
      of the others; None lets the largest of all decide, after they are multiplied by weights, one
      a class, where these are not None. Compared in float32.
    """
    weights = None if rule.weights is None else dict(zip(rule.classes, rule.weights, strict=True))
    words = "the class of the largest probability"
    if rule.weights is not None:
        words = "the class of the largest product of its probability and its weight"
    if rule.threshold is not None:
        words = f"{rule.positive} from the threshold on, else {words} among the others"
    return {
        "rule": words,
        "positive": rule.positive,
        "threshold": rule.threshold,
        "weights": weights,
    }


def _decided(rule: DecisionRule, probs: np.ndarray, task_labels: TaskLabels) -> list[str]:
    return [task_labels.classes[index] for index in rule.decide(probs)]


OF_CLASSES = Exporting(
    rule_from=lambda task_labels, described: rule_from_description(task_labels.classes, described),
    module_of=module_of,
    decision_of=decision_of,
    decided=_decided,
    balanced_accuracy=lambda labels, decided, _: balanced_accuracy(
        labels.to_numpy(str), np.asarray(decided)
    ),
)
