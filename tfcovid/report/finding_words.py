"""How the figures of findings are put into words, the same on the terminal and on the page."""

from collections.abc import Mapping
from typing import Any

from tfcovid.report.words import NO_CONTROLS, control_name, interval, number

Metrics = Mapping[str, Any]

CHANCE = 0.5
"""The AUROC of guessing, whatever the finding's share."""

HEADLINE = {
    "mean_auroc": "mean AUROC over findings",
    "mean_auprc": "mean AUPRC",
    "macro_f1": "macro F1",
    "brier": "mean Brier score (lower is better)",
    "ece": "mean calibration error, ECE (lower is better)",
}
"""The figures of all findings together in reading order, and what they are called."""

COLUMNS = (
    ("auroc", "AUROC"),
    ("auprc", "AUPRC"),
    ("recall", "recall (sensitivity)"),
    ("specificity", "specificity"),
    ("precision", "precision"),
    ("f1", "F1"),
    ("brier", "Brier"),
    ("ece", "ECE"),
)
"""A column of the table of findings: its key in metrics.json and its heading."""


def finding_rows(metrics: Metrics) -> list[dict[str, Any]]:
    """Returns for each output its name, counts of images and patients, and figures.

    The cells are (value, interval) in the order of COLUMNS.
    """
    intervals = metrics["intervals"]
    counts = [f"n_{of}{kind}" for kind in ("", "_without", "_unknown") for of in UNITS]
    return [
        {
            "name": name,
            **{key: figures[key] for key in counts},
            "cells": [
                (figures[key], intervals.get(f"per_class.{name}.{key}")) for key, _ in COLUMNS
            ],
        }
        for name, figures in metrics["per_class"].items()
    ]


UNITS = ("images", "patients")


def headline_rows(metrics: Metrics) -> list[dict[str, Any]]:
    """Returns name, value and interval (or None) of each figure of all findings."""
    names = HEADLINE | {"mean_auroc": mean_name(metrics)}
    return [
        {"name": name, "value": metrics[key], "interval": metrics["intervals"].get(key)}
        for key, name in names.items()
    ]


def mean_name(metrics: Metrics) -> str:
    """Returns what the mean AUROC is over: where findings have none here, how many have one."""
    classes = metrics.get("diagnosis", {}).get("classes", ())
    findings = [found for name, found in metrics["per_class"].items() if name not in classes]
    there = sum(found["auroc"] is not None for found in findings)
    if there == len(findings):
        return HEADLINE["mean_auroc"]
    return f"mean AUROC over {there} of {len(findings)} findings"


def diagnosis_sentence(metrics: Metrics) -> str:
    """Returns what the classes beside the findings reach; "" where there are none."""
    found = metrics.get("diagnosis")
    if found is None:
        return ""
    ends = interval(found["intervals"].get("balanced_accuracy"))
    return (
        f"{', '.join(found['classes'])}, of the {found['n_images']} images whose class is known: "
        f"balanced accuracy {number(found['balanced_accuracy'])} ({ends}), chance "
        f"{number(1 / len(found['classes']))}."
    )


def left_sentence(metrics: Metrics) -> str:
    """Returns what part of the mean AUROC the controls without lungs leave.

    Args:
      metrics: the content of metrics.json.
    """
    if not metrics["controls"]:
        return NO_CONTROLS
    if metrics["view"] != "full":
        return f"This run is a control itself: its network sees the view {metrics['view']} only."
    blind = [
        control
        for control in metrics["controls"].values()
        if not control["lungs"] and control["mean_auroc"] is not None
    ]
    if not blind or metrics["mean_auroc"] is None:
        return "No finding has an AUROC here, so that no control says anything."
    best = max(blind, key=lambda control: control["mean_auroc"])
    above = best["above"]
    side = "above" if above["difference"] > 0 else "below"
    ends = sorted(abs(above[end]) for end in ("low", "high"))
    between, doubt = f"{number(ends[0])} to {number(ends[1])}", ""
    if above["low"] <= 0 <= above["high"]:
        between = f"{number(above['low'])} to {number(above['high'])}"
        doubt = ", which may be nothing"
    if above.get("few_groups"):
        doubt += ", and some findings have so few patients that the interval is too short"
    return (
        f"Of the mean AUROC of {number(metrics['mean_auroc'])}, {control_name(best)} reaches "
        f"{number(best['mean_auroc'])} (chance {number(CHANCE)}); the model is "
        f"{number(abs(above['difference']))} ({between}{doubt}) {side} it."
    )


def drop_sentence(metrics: Metrics) -> str:
    """Returns how much is left of the run's own mean AUROC on other data; "" if not known."""
    found = metrics.get("drop", {}).get("mean_auroc")
    if found is None:
        return ""
    moved = "lower" if found["difference"] > 0 else "higher"
    return (
        f"The mean AUROC is {number(abs(found['difference']))} {moved} (between "
        f"{number(-found['high'])} and {number(-found['low'])}) than on the run's own test split, "
        f"{number(found['a'])}."
    )
