"""What is chosen on the validation split for each finding, where an image has several."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcovid.metrics.calibration import log_loss
from tfcovid.metrics.decision import FEW_PATIENTS, ChosenRule, choose_decision_rule
from tfcovid.metrics.finding_rule import FindingRule
from tfcovid.metrics.operating_points import YOUDEN, OperatingPoint, operating_points
from tfcovid.metrics.scaling import PRIOR_SD, Scaling, fit_scaling, prior_shift

FEWEST_PATIENTS = 5
"""A finding that fewer validation patients have, or have not, is not calibrated by its own."""

SHARE = "share"
"""The threshold where validation gives none: the finding's share of the training split."""


@dataclasses.dataclass(frozen=True)
class ChosenFindings:
    """A rule of findings, how it was chosen, and what to doubt about it; as `ChosenRule`."""

    rule: FindingRule
    record: dict[str, Any]
    doubts: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _Chosen:
    """What was chosen for one finding."""

    scaling: Scaling
    calibrated: bool
    point: OperatingPoint
    threshold: float
    points: dict[str, OperatingPoint]
    patients: dict[str, int]
    log_loss: dict[str, float | None]


def choose_finding_rule(
    classes: Sequence[str],
    logits: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    *,
    num_exclusive: int,
    shares: np.ndarray,
    seen_shares: np.ndarray,
    bias_corrected: bool,
    operating_point: str,
    operating_value: float,
    diagnosis_point: str,
) -> ChosenFindings:
    """Returns the rule chosen on the validation split, which the test split never moves.

    Each finding has a temperature, and a bias where it is asked for, by the images that are known
    to have it or not; one of too few patients keeps the temperature 1 and the bias that is
    expected. Its threshold is that of the operating point, else Youden's, else its share of the
    training split, at which sensitivity + specificity of a calibrated probability is largest.

    Args:
      classes: names in the order of the logits: of exclusive classes, then of findings.
      logits: of the validation split, float [n, num_outputs].
      targets: its label matrix int8 [n, num_outputs], -1 for unknown.
      groups: group ids [n]; images of one patient share one.
      num_exclusive: how many of the outputs are exclusive classes, 0 or more than one.
      shares: of each output among the known labels of the training split, float [num_outputs].
      seen_shares: the same as the loss saw them, weighted.
      bias_corrected: whether a bias is fitted beside each temperature.
      operating_point: of each finding: one of OPERATING_POINTS that has a threshold.
      operating_value: sensitivity, specificity or precision to reach, in (0, 1].
      diagnosis_point: of the exclusive classes, 'argmax' or 'balanced'.

    Source: Platt 1999, Probabilistic outputs for support vector machines, for a slope and a bias
      of each output; held as `fit_scaling` holds them.
    """
    targets, groups = np.asarray(targets), np.asarray(groups)
    of_classes = None
    if num_exclusive:
        of_classes = _diagnosis(
            classes[:num_exclusive],
            logits[:, :num_exclusive],
            targets[:, :num_exclusive],
            groups,
            bias_corrected=bias_corrected,
            expected_bias=prior_shift(shares[:num_exclusive], seen_shares[:num_exclusive]),
            operating_point=diagnosis_point,
        )
    findings = list(classes[num_exclusive:])
    chosen = {
        name: _of_finding(
            logits[:, index],
            targets[:, index],
            groups,
            share=float(shares[index]),
            seen_share=float(seen_shares[index]),
            bias_corrected=bias_corrected,
            operating_point=operating_point,
            operating_value=operating_value,
        )
        for index, name in enumerate(findings, start=num_exclusive)
    }
    rule = FindingRule(
        tuple(classes),
        tuple(of.scaling for of in chosen.values()),
        tuple(of.threshold for of in chosen.values()),
        None if of_classes is None else of_classes.rule,
    )
    record = _record(chosen, operating_point, groups, bias_corrected=bias_corrected)
    doubts = _doubts(chosen, operating_point)
    if of_classes is not None:
        record["diagnosis"] = of_classes.record
        doubts = [*of_classes.doubts, *doubts]
    return ChosenFindings(rule, record, tuple(doubts))


def _diagnosis(
    classes: Sequence[str], logits: np.ndarray, targets: np.ndarray, groups: np.ndarray, **options
) -> ChosenRule:
    known = (targets >= 0).all(axis=1)
    if not known.any():
        raise ValueError(
            f"no image of the validation split is known to be one of {', '.join(classes)}: a "
            "calibration needs some; use another --seed or a larger --validation_fraction"
        )
    labels = targets[known].argmax(axis=1)
    return choose_decision_rule(classes, logits[known], labels, groups[known], **options)


def _of_finding(
    logits: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    *,
    share: float,
    seen_share: float,
    bias_corrected: bool,
    operating_point: str,
    operating_value: float,
) -> _Chosen:
    known = targets >= 0
    labels, column = targets[known].astype(np.int64), logits[known][:, None]
    patients = {
        name: int(np.unique(groups[targets == value]).size)
        for name, value in (("with", 1), ("without", 0))
    }
    expected = prior_shift(np.array([1 - share, share]), np.array([1 - seen_share, seen_share]))
    enough = min(patients.values()) >= FEWEST_PATIENTS
    scaling = Scaling(1.0, tuple(map(float, expected)) if bias_corrected else None)
    if enough:
        scaling = fit_scaling(column, labels, with_bias=bias_corrected, expected_bias=expected)
    points: dict[str, OperatingPoint] = {}
    losses: dict[str, float | None] = {"before": None, "after": None}
    if len(labels):
        probs = scaling.probabilities(column)
        losses = {
            "before": log_loss(Scaling(1.0).probabilities(column), labels),
            "after": log_loss(probs, labels),
        }
        of_all = operating_points(labels, probs, 1, value=operating_value)
        points = {
            name: point for name, point in of_all.items() if name not in ("argmax", "balanced")
        }
    reached = (points[name] for name in (operating_point, YOUDEN) if name in points)
    point = next((point for point in reached if point.why is None), OperatingPoint(SHARE))
    threshold = share if point.threshold is None else point.threshold
    return _Chosen(scaling, enough, point, float(np.float32(threshold)), points, patients, losses)


def _record(
    chosen: dict[str, _Chosen], operating_point: str, groups: np.ndarray, *, bias_corrected: bool
) -> dict[str, Any]:
    fitted = "a temperature and a bias a finding" if bias_corrected else "a temperature a finding"
    return {
        "rule": "a threshold a finding",
        "thresholds": {name: of.threshold for name, of in chosen.items()},
        "outputs": {
            name: {
                "temperature": of.scaling.temperature,
                "bias": None if of.scaling.bias is None else float(of.scaling.offset(1)[0]),
                "calibrated": of.calibrated,
                "threshold": of.threshold,
                "operating_point": of.point.name,
                "operating_points": {key: point.as_json() for key, point in of.points.items()},
                "n_patients": of.patients,
                "log_loss": of.log_loss,
            }
            for name, of in chosen.items()
        },
        "how": f"{fitted}: lowest log-loss, held by a normal prior of {PRIOR_SD:g} nat; one that "
        f"fewer than {FEWEST_PATIENTS} patients have or lack keeps temperature 1. Threshold: "
        f"{operating_point}, else Youden's, else the finding's share of the training split",
        "operating_point": {"asked": operating_point},
        "chosen_on": {
            "split": "validation",
            "n_images": len(groups),
            "n_patients": int(np.unique(groups).size),
            "n_patients_per_class": {name: of.patients["with"] for name, of in chosen.items()},
        },
    }


def _doubts(chosen: dict[str, _Chosen], asked: str) -> list[str]:
    """Returns lines on the findings that validation says little or nothing of."""
    shares, instead, few = [], [], []
    for name, of in chosen.items():
        which = min(of.patients, key=lambda key: of.patients[key])
        if of.point.name == SHARE:
            shares.append(f"{name} {of.threshold:.3g}")
        elif of.point.name != asked:
            instead.append(f"{name} ({of.points[asked].why})")
        if of.point.name != SHARE and of.patients[which] < FEW_PATIENTS:
            few.append(f"{name} ({of.patients[which]} {which} it)")
    doubts = []
    if shares:
        doubts.append(
            "Validation gives no threshold; the finding's share of the training split is taken: "
            f"{', '.join(shares)}."
        )
    if instead:
        doubts.append(
            f"The operating point {asked} cannot be had on the validation split, Youden's is taken "
            f"instead: {', '.join(instead)}."
        )
    if few:
        doubts.append(
            f"Thresholds that rest on fewer than {FEW_PATIENTS} patients of the validation split: "
            f"{', '.join(few)}."
        )
    return doubts
