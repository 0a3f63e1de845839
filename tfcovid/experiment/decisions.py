"""What is made of the logits: the rule that validation gives, and how well it is calibrated."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from flags import choices
from flags.config import Config
from tfcovid.data.dataset import Dataset
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.imbalance import effective_prior, training_counts
from tfcovid.experiment.inputs import split_dataset
from tfcovid.metrics.calibration import calibration_figures
from tfcovid.metrics.decision import (
    ChosenRule,
    choose_decision_rule,
    positive_class,
)
from tfcovid.metrics.prevalence import at_prevalence
from tfcovid.metrics.scaling import prior_shift


def check_operating_class(config: Config, dataset: Dataset) -> None:
    """Raises ValueError if --operating_class names no class that may have a threshold."""
    positive_class(dataset.classes, config.decision.operating_class)


def choose_rule(
    config: Config, model: keras.Model, dataset: Dataset, preprocessing: Preprocessing
) -> ChosenRule:
    """Returns calibration and threshold, chosen on the validation split."""
    logits = model.predict(split_dataset(dataset, "validation", preprocessing), verbose=0)
    return rule_from_logits(config, dataset, logits)


def rule_from_logits(config: Config, dataset: Dataset, logits: np.ndarray) -> ChosenRule:
    """Returns calibration and threshold from the logits of the validation split.

    Biases are drawn towards the shift from the prior that the loss saw to that of the
    training split, which the validation split shares.
    """
    rows, counts = dataset.rows("validation"), training_counts(dataset)
    decision = config.decision
    return choose_decision_rule(
        dataset.classes,
        logits,
        dataset.labels[rows],
        dataset.frame["group_id"].to_numpy()[rows],
        bias_corrected=config.resolved_calibration is choices.Calibration.BIAS_CORRECTED,
        expected_bias=prior_shift(counts / counts.sum(), effective_prior(config, counts)),
        operating_point=config.resolved_operating_point(len(dataset.classes)).value,
        operating_value=decision.operating_value,
        operating_class=decision.operating_class,
    )


def before_and_after(
    raw: np.ndarray, calibrated: np.ndarray, labels: np.ndarray
) -> dict[str, dict[str, Any]]:
    """Returns how far probabilities could be believed before calibration, and how far after."""
    return {
        "before": calibration_figures(raw, labels),
        "after": calibration_figures(calibrated, labels),
    }


def predictive_values(
    config: Config, metrics: Mapping[str, Any], prevalence: float | None = None
) -> dict[str, Any]:
    """Returns the entry at_prevalence of metrics.json; nothing where no prevalence is given.

    Args:
      config: of the run.
      metrics: per_class and intervals, of any predictions of the run.
      prevalence: None for the one that the run was given.
    """
    prevalence = config.decision.prevalence if prevalence is None else prevalence
    if prevalence is None:
        return {}
    positive = positive_class(metrics["classes"], config.decision.operating_class)
    return {"at_prevalence": at_prevalence(metrics, positive, prevalence)}
