"""Predictive values where the disease is as common as the user says, not as in the test split."""

from collections.abc import Mapping
from typing import Any

import numpy as np

METHOD = "MOVER on the intervals of sensitivity and specificity"


def at_prevalence(figures: Mapping[str, Any], positive: str, prevalence: float) -> dict[str, Any]:
    """Returns PPV and NPV of one class against the rest at a prevalence, ready for JSON.

    The odds that a decision is right are the odds of the prevalence times a likelihood ratio:
    of the PPV sensitivity / (1 - specificity), of the NPV specificity / (1 - sensitivity). The
    interval of the ratio comes from those of its two parts, which different images stand for;
    the predictive values follow by substitution, as the prevalence is taken for exact.

    Args:
      figures: per_class and intervals, as `score` gives them.
      positive: the class that is looked for.
      prevalence: its share among those examined, in (0, 1).

    Returns:
      class, prevalence, ppv, npv (None where undefined) and intervals by ppv and npv, each as
      in metrics.json.

    Raises:
      ValueError: if prevalence is not in (0, 1).

    Source: Donner and Zou 2012, Statistical Methods in Medical Research 21(4): intervals of
      ratios from those of their parts; the predictive values are Bayes' rule.
    """
    if not 0 < prevalence < 1:
        raise ValueError(f"prevalence must be in (0, 1). Received: prevalence={prevalence}")
    of_class = figures["per_class"][positive]
    sensitivity, specificity = of_class["recall"], of_class["specificity"]
    found: dict[str, Any] = {"class": positive, "prevalence": prevalence, "ppv": None, "npv": None}
    if sensitivity is None or specificity is None:
        return found | {"intervals": {}}
    found["ppv"] = _predictive(prevalence, sensitivity, 1 - specificity)
    found["npv"] = _predictive(1 - prevalence, specificity, 1 - sensitivity)
    ends = [
        figures["intervals"].get(f"per_class.{positive}.{k}") for k in ("recall", "specificity")
    ]
    if None in ends:
        return found | {"intervals": {}}
    hit, pass_ = ((end["low"], end["high"]) for end in ends)
    parts = {
        "ppv": (prevalence, sensitivity, hit, 1 - specificity, _mirrored(pass_)),
        "npv": (1 - prevalence, specificity, pass_, 1 - sensitivity, _mirrored(hit)),
    }
    intervals = {}
    for name, (share, up, up_ends, down, down_ends) in parts.items():
        if found[name] is not None:
            ratio = ratio_interval(up, up_ends, down, down_ends)
            low, high = _from_odds(share / (1 - share) * ratio)
            intervals[name] = {
                "low": float(min(low, found[name])),
                "high": float(max(high, found[name])),
                "level": ends[0]["level"],
                "method": METHOD,
                "n_patients": ends[0]["n_patients"] + ends[1]["n_patients"],
                **({"few_groups": True} if any(end.get("few_groups") for end in ends) else {}),
            }
    return found | {"intervals": intervals}


def ratio_interval(
    up: float, up_ends: tuple[float, float], down: float, down_ends: tuple[float, float]
) -> np.ndarray:
    """Returns the interval of up / down from the intervals of independent up and down.

    Args:
      up: an estimate >= 0.
      up_ends: its interval (low, high), low >= 0.
      down: an estimate >= 0.
      down_ends: its interval (low, high), low >= 0.

    Returns:
      Low and high, float64 [2]; high is infinite where down may be 0.

    Source: Donner and Zou 2012, section 2, with the lower limit multiplied out, so that it
      also holds for estimates of 0.
    """
    (up_low, up_high), (down_low, down_high) = up_ends, down_ends
    product = up * down
    above, below = up_low * (2 * up - up_low), down_high * (2 * down - down_high)
    root = np.sqrt(max(product**2 - above * below, 0.0))
    low = above / (product + root) if above > 0 else 0.0
    above, below = up_high * (2 * up - up_high), down_low * (2 * down - down_low)
    root = np.sqrt(max(product**2 - above * below, 0.0))
    high = (product + root) / below if below > 0 else np.inf
    return np.array([low, high])


def _predictive(share: float, right: float, wrong: float) -> float | None:
    """Returns how often a decision is right: Bayes' rule; None where it is never made."""
    made = share * right + (1 - share) * wrong
    return share * right / made if made > 0 else None


def _mirrored(ends: tuple[float, float]) -> tuple[float, float]:
    return 1 - ends[1], 1 - ends[0]


def _from_odds(odds: np.ndarray) -> np.ndarray:
    """Returns the probabilities of odds; infinite ones give 1."""
    return 1 - 1 / (1 + odds)
