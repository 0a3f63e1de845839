"""The rows of the page's tables, drawn from the manifest and the metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tfcovid.report import words

SPLITS = ("train", "validation", "test")
UNKNOWN_SOURCE = "unknown"

# A column of the table of classes: its key in metrics.json and its heading.
CLASS_COLUMNS = (
    ("recall", "recall (sensitivity)"),
    ("precision", "precision"),
    ("specificity", "specificity"),
    ("f1", "F1"),
    ("auroc", "AUROC"),
    ("auprc", "AUPRC"),
)


def count_table(
    manifest: pd.DataFrame, column: str, classes: Sequence[str], values: Sequence[str]
) -> list[dict[str, Any]]:
    """Returns images and patients for each value of a column and each class, totals last.

    Args:
      manifest: columns label, group_id and the one to count by.
      column: what the rows go by, such as "split".
      classes: columns of the table.
      values: rows of the table; a value that the manifest lacks has zeros.

    Returns:
      For each row: name, and cells: an (images, patients) pair for each class and, last,
      for all classes. The last row, "all", is over all values. Patients are groups.
    """
    rows = [(value, manifest[manifest[column] == value]) for value in values]
    return [
        {
            "name": name,
            "cells": [_counts(part[part["label"] == label]) for label in classes] + [_counts(part)],
        }
        for name, part in [*rows, ("all", manifest)]
    ]


def _counts(part: pd.DataFrame) -> tuple[int, int]:
    return len(part), part["group_id"].nunique()


def data_tables(manifest: pd.DataFrame, classes: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Returns the counts by split and by source.

    Args:
      manifest: the manifest's columns.
      classes: names in order.
    """
    known = manifest.assign(source=manifest["source"].fillna(UNKNOWN_SOURCE))
    return {
        "by_split": count_table(known, "split", classes, SPLITS),
        "by_source": count_table(known, "source", classes, sorted(known["source"].unique())),
    }


def headline_rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns name, value and interval (or None) of each figure of the whole split."""
    return [
        {"name": name, "value": metrics[key], "interval": metrics["intervals"].get(key)}
        for key, name in words.HEADLINE.items()
    ]


def class_rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns for each class its name, images, patients and (value, interval) cells.

    The cells are in the order of CLASS_COLUMNS.
    """
    intervals = metrics["intervals"]
    return [
        {
            "name": name,
            "n_images": figures["n_images"],
            "n_patients": figures["n_patients"],
            "cells": [
                (figures[key], intervals.get(f"per_class.{name}.{key}")) for key, _ in CLASS_COLUMNS
            ],
        }
        for name, figures in metrics["per_class"].items()
    ]


def area_words(metrics: Mapping[str, Any], key: str) -> str:
    """Returns the area under each class's curve, "auroc" or "auprc", for who cannot see it."""
    return ", ".join(
        f"{name} {words.number(figures[key])}" for name, figures in metrics["per_class"].items()
    )


def confusion_rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns for each true class its name, total and (count, share of the row) cells."""
    rows = zip(metrics["classes"], metrics["confusion_matrix"], strict=True)
    return [
        {
            "name": name,
            "total": sum(counts),
            "cells": [(count, count / max(sum(counts), 1)) for count in counts],
        }
        for name, counts in rows
    ]


def ladder_rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns what stands on the scale of balanced accuracy: the model, then its controls."""
    model = {
        "name": "this model",
        "value": metrics["balanced_accuracy"],
        "interval": metrics["intervals"].get("balanced_accuracy"),
    }
    controls = metrics["controls"].values()
    return [model] + [
        {
            "name": words.control_label(control),
            "value": control["balanced_accuracy"],
            "interval": control.get("interval"),
        }
        for control in sorted(controls, key=lambda c: -c["balanced_accuracy"])
    ]
