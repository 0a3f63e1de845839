"""The same figures by source, sex, age group and view: a mean hides who it is wrong about."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfcovid.metrics.classification import classification_metrics
from tfcovid.metrics.intervals import group_bootstrap

UNKNOWN = "unknown"
FIGURES = ("accuracy", "balanced_accuracy")


def subgroup_figures(
    labels: np.ndarray,
    probs: np.ndarray,
    decisions: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    *,
    columns: Mapping[str, Sequence[str | None]],
    seed: int,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Returns the figures of each part of the images, with intervals, ready for JSON.

    Args:
      labels: class indices int [n].
      probs: probabilities float [n, num_classes].
      decisions: class indices int [n].
      groups: group ids [n]: images of one patient share one.
      classes: names in the order of the probabilities.
      columns: what to divide by, such as "sex": its value for each image, None where unknown.
      seed: of the bootstrap.

    Returns:
      For each column that divides the images, and each of its values, the most frequent first:
      n_images, n_patients, accuracy, balanced_accuracy (over the classes that are there), recall by
      class (None where it has no image) and the intervals of these. Parts are compared by eye, and
      differ by chance: with ten of them one in two reports has a part whose interval misses.
    """
    found = {}
    for column, values in columns.items():
        named = np.array([UNKNOWN if value is None else str(value) for value in values])
        names, counts = np.unique(named, return_counts=True)
        if len(names) > 1:
            found[column] = {
                str(name): _figures_of(
                    named == name, labels, probs, decisions, groups, classes, seed=seed
                )
                for name in names[np.argsort(-counts, kind="stable")]
            }
    return found


def inside_parts(
    labels: np.ndarray,
    probs: np.ndarray,
    decisions: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    *,
    parts: np.ndarray,
    positive: str,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Returns how one class is told from the rest inside each part, where both have images.

    Where a class comes from another source than the rest, its figures over all images are partly
    those of telling the sources apart; inside one source they are not.

    Args:
      labels: class indices int [n].
      probs: probabilities float [n, num_classes].
      decisions: class indices int [n].
      groups: group ids [n]: images of one patient share one.
      classes: names in the order of the probabilities.
      parts: name of each image's part, such as its source, [n]; "" where it is unknown.
      positive: the class.
      seed: of the bootstrap.

    Returns:
      For each part in which at least two groups have the class and two have not: class, n_images
      and n_patients of the class, n_other_images and n_other_patients, recall, specificity,
      auroc, and the intervals of these. Empty where all images are of one part.
    """
    index, found = list(classes).index(positive), {}
    if np.unique(parts).size < 2:
        return {}
    for name in sorted(set(parts) - {""}):
        here = parts == name
        of_class = labels[here] == index
        patients = [np.unique(groups[here][side]).size for side in (of_class, ~of_class)]
        if min(patients) < 2:
            continue
        taken = (labels[here], probs[here], decisions[here])
        figures = classification_metrics(*taken, classes)["per_class"][positive]
        intervals = group_bootstrap(*taken, groups[here], classes, seed=seed)
        keys = {key: f"per_class.{positive}.{key}" for key in ("recall", "specificity", "auroc")}
        found[str(name)] = {
            "class": positive,
            "n_images": int(of_class.sum()),
            "n_patients": patients[0],
            "n_other_images": int((~of_class).sum()),
            "n_other_patients": patients[1],
            **{key: figures[key] for key in keys},
            "intervals": {
                key: intervals[place] for key, place in keys.items() if place in intervals
            },
        }
    return found


def _figures_of(
    part: np.ndarray,
    labels: np.ndarray,
    probs: np.ndarray,
    decisions: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    *,
    seed: int,
) -> dict[str, Any]:
    labels, probs, decisions, groups = labels[part], probs[part], decisions[part], groups[part]
    figures = classification_metrics(labels, probs, decisions, classes)
    intervals = group_bootstrap(labels, probs, decisions, groups, classes, seed=seed)
    recalls = {name: f"per_class.{name}.recall" for name in classes}
    return {
        "n_images": len(labels),
        "n_patients": int(np.unique(groups).size),
        **{key: figures[key] for key in FIGURES},
        "recall": {name: figures["per_class"][name]["recall"] for name in classes},
        "n_patients_of_class": {
            name: int(np.unique(groups[labels == index]).size) for index, name in enumerate(classes)
        },
        "intervals": {
            **{key: intervals[key] for key in FIGURES if key in intervals},
            **{name: intervals[key] for name, key in recalls.items() if key in intervals},
        },
    }
