"""Which images are wrong, and how: what a radiologist wants to look at before any figure."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def confusions(
    labels: np.ndarray, decisions: np.ndarray, groups: np.ndarray, classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Returns each way of being wrong that occurs, the most frequent first.

    Args:
      labels: class indices int [n].
      decisions: class indices int [n].
      groups: group ids [n].
      classes: names in the order of the indices.

    Returns:
      label, decision, n_images, n_patients and share: of the images of the label.
    """
    pairs = []
    for label, name in enumerate(classes):
        of_class = labels == label
        for decision, taken_for in enumerate(classes):
            wrong = of_class & (decisions == decision)
            if decision != label and wrong.any():
                pairs.append(
                    {
                        "label": name,
                        "decision": taken_for,
                        "n_images": int(wrong.sum()),
                        "n_patients": int(np.unique(groups[wrong]).size),
                        "share": float(wrong.sum() / of_class.sum()),
                    }
                )
    return sorted(pairs, key=lambda pair: -pair["n_images"])


def worst_errors(
    labels: np.ndarray,
    probs: np.ndarray,
    decisions: np.ndarray,
    groups: np.ndarray,
    *,
    index: int,
    missed: bool,
    count: int,
) -> np.ndarray:
    """Returns the errors about a class that the model was surest of, one a patient.

    Args:
      labels: class indices int [n].
      probs: probabilities float [n, num_classes].
      decisions: class indices int [n].
      groups: group ids [n].
      index: of the class.
      missed: whether its images that were taken for others are meant (false negatives), or
        others that were taken for it (false positives).
      count: at most so many.

    Returns:
      Positions int64 [<= count], the surest first: by how far the decided class is above the
      true one.
    """
    of_class = labels == index if missed else decisions == index
    wrong = np.flatnonzero(of_class & (labels != decisions))
    surest_first = wrong[np.argsort(-_margin(labels, probs, decisions)[wrong], kind="stable")]
    _, first = np.unique(groups[surest_first], return_index=True)
    return surest_first[np.sort(first)][:count]


def label_suspects(labels: np.ndarray, probs: np.ndarray, *, count: int) -> np.ndarray:
    """Returns the images whose label may be wrong, because the model is sure of another class.

    An image is suspect where its probability of another class reaches the mean that images
    labelled so have, and that class is the likeliest. The model must not have been trained on
    these images. What it has not learned is suspect too: a suspect is to be looked at, not
    corrected.

    Args:
      labels: class indices int [n].
      probs: calibrated probabilities float [n, num_classes].
      count: at most so many.

    Returns:
      Positions int64 [<= count], the surest first.

    Source: Northcutt, Jiang and Chuang 2021, JAIR 70, section 3.1 (confident joint).
    """
    num_classes = probs.shape[1]
    usual = np.array(
        [
            probs[labels == c, c].mean() if (labels == c).any() else np.inf
            for c in range(num_classes)
        ]
    )
    likeliest = probs.argmax(axis=1)
    reached = probs[np.arange(len(labels)), likeliest] >= usual[likeliest]
    suspects = np.flatnonzero(reached & (likeliest != labels))
    margin = _margin(labels, probs, likeliest)
    return suspects[np.argsort(-margin[suspects], kind="stable")][:count]


def _margin(labels: np.ndarray, probs: np.ndarray, decisions: np.ndarray) -> np.ndarray:
    rows = np.arange(len(labels))
    return probs[rows, decisions] - probs[rows, labels]
