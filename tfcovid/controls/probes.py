"""Simple models of what a picture shows besides disease, scored on the same split.

A network is only worth its difference to these. They see no anatomy (the
histogram, the border) or hardly any (a thumbnail): where they score well, the
data gives the answer away, and a good network may have learned just that.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.preprocessing import StandardScaler

THUMBNAIL_SIZE = 32
HISTOGRAM_BINS = 32

Box = tuple[float, float, float, float]


@dataclasses.dataclass(frozen=True)
class Control:
    """A probe and what it sees.

    Attributes:
      name: its key in metrics.json under `controls`.
      sees: for the reader, in one phrase.
      features: from images uint8 [n, size, size, 1] to float [n, num_features].
    """

    name: str
    sees: str
    features: Callable[[np.ndarray], np.ndarray]


def thumbnail(images: np.ndarray, size: int = THUMBNAIL_SIZE) -> np.ndarray:
    """Returns the images shrunk by area to size x size, float32 [n, size * size].

    Images that are no whole multiple of size are averaged over the nearest
    whole blocks, which is all that a probe needs.
    """
    edges = np.linspace(0, images.shape[1], min(size, images.shape[1]) + 1).round().astype(int)
    lengths = np.diff(edges)
    rows = np.add.reduceat(images[..., 0], edges[:-1], axis=1, dtype=np.float32)
    blocks = np.add.reduceat(rows, edges[:-1], axis=2) / np.outer(lengths, lengths)
    return blocks.reshape(len(images), -1).astype(np.float32)


def histogram(images: np.ndarray, bins: int = HISTOGRAM_BINS) -> np.ndarray:
    """Returns the share of pixels in each gray range, float32 [n, bins]."""
    flat = images.reshape(len(images), -1) // (256 // bins)
    counts = np.stack([np.bincount(row, minlength=bins) for row in flat])
    return (counts / flat.shape[1]).astype(np.float32)


def border(images: np.ndarray, box: Box) -> np.ndarray:
    """Returns the thumbnail outside the lung box, float32 [n, pixels outside].

    Args:
      images: uint8 [n, size, size, 1].
      box: top, bottom, left, right as fractions of the size.
    """
    small = thumbnail(images)
    side = round(small.shape[1] ** 0.5)
    top, bottom, left, right = (round(edge * side) for edge in box)
    outside = np.ones((side, side), bool)
    # A block that the box cuts belongs to the box: no lung may look out of it.
    outside[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1] = False
    return small[:, outside.ravel()]


def controls_for(box: Box) -> tuple[Control, ...]:
    """Returns the controls of every run, the weakest sight first."""
    return (
        Control("histogram", "the gray-level histogram, no shape at all", histogram),
        Control("border_only", "the border around the lungs", lambda images: border(images, box)),
        Control("thumbnail_32", "a 32x32 thumbnail through a linear model", thumbnail),
    )


@dataclasses.dataclass(frozen=True)
class Probe:
    """A fitted linear classifier of features.

    Attributes:
      mean: subtracted from each feature, float64 [num_features].
      scale: divided by, likewise, > 0.
      kernel: float64 [num_features, k], k = 1 for two classes.
      bias: float64 [k].
      classes: class indices int [num_classes], those that it was fitted to.
    """

    mean: np.ndarray
    scale: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray
    classes: np.ndarray

    def decide(self, features: np.ndarray) -> np.ndarray:
        """Returns class indices int [n] of features [n, num_features]."""
        logits = (features - self.mean) / self.scale @ self.kernel + self.bias
        chosen = logits[:, 0] > 0 if logits.shape[1] == 1 else logits.argmax(axis=1)
        return self.classes[chosen.astype(int)]


def fit_probe(features: np.ndarray, labels: np.ndarray, *, seed: int) -> Probe:
    """Returns a class-balanced logistic regression.

    Args:
      features: float [n, num_features].
      labels: class indices int [n], at least two different ones.
      seed: of the solver.
    """
    scaler = StandardScaler().fit(features)
    model = LogisticRegression(
        C=0.1, class_weight="balanced", max_iter=300, tol=1e-3, random_state=seed
    ).fit(scaler.transform(features), labels)
    return Probe(
        mean=scaler.mean_,
        scale=scaler.scale_,
        kernel=model.coef_.T,
        bias=model.intercept_,
        classes=model.classes_.astype(np.int64),
    )


def probe_decisions(
    features_train: np.ndarray,
    labels_train: np.ndarray,
    features_test: np.ndarray,
    *,
    seed: int,
) -> np.ndarray:
    """Returns the class indices that a probe of the one decides of the other, int [n].

    Args:
      features_train: float [m, num_features].
      labels_train: class indices int [m].
      features_test: float [n, num_features].
      seed: of the solver.
    """
    return fit_probe(features_train, labels_train, seed=seed).decide(features_test)


def class_of_each_source(
    labels: np.ndarray, sources: np.ndarray, *, num_classes: int
) -> dict[str, int]:
    """Returns what to decide where nothing but the data set of an image is known.

    The class whose own images are most often from that source, which is what maximises balanced
    accuracy.

    Args:
      labels: class indices int [n].
      sources: names [n].
      num_classes: of the task.
    """
    sizes = np.maximum(np.bincount(labels, minlength=num_classes), 1)
    return {
        str(source): int(
            np.argmax(np.bincount(labels[sources == source], minlength=num_classes) / sizes)
        )
        for source in np.unique(sources)
    }


def chance_level(num_classes: int) -> float:
    """Returns the balanced accuracy of guessing."""
    return 1.0 / num_classes


def balanced_accuracy(labels: np.ndarray, decisions: np.ndarray) -> float:
    """Returns the mean recall over the classes present in labels."""
    return float(recall_score(labels, decisions, labels=np.unique(labels), average="macro"))
