"""What is made of the logits: the rule that validation gives, and how well it is calibrated."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flags import choices
from flags.config import Config
from tfcovid.data.dataset import Dataset
from tfcovid.experiment.imbalance import effective_prior, training_counts
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


def choose_rule(config: Config, dataset: Dataset, logits: np.ndarray) -> ChosenRule:
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
    raw: np.ndarray,
    calibrated: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    operating_class: str | None,
) -> dict[str, Any]:
    """Returns how far probabilities could be believed before calibration, and how far after.

    Args:
      raw: probabilities before it, float [n, num_classes].
      calibrated: after it.
      labels: class indices int [n].
      classes: names in the order of the probabilities.
      operating_class: the class that thresholds are for, None for the last one.
    """
    name = positive_class(classes, operating_class)
    positive = list(classes).index(name)
    return {
        "class": name,
        "before": calibration_figures(raw, labels, positive=positive),
        "after": calibration_figures(calibrated, labels, positive=positive),
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
