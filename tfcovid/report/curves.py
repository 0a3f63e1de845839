"""ROC and precision-recall curves: what every threshold would reach, not the chosen one alone."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from tfcovid.report.plots import COLORS, DASHES, INK, STYLE
from tfcovid.report.words import UNDEFINED, number

SIZE_INCHES = (4.2, 4.25)


@matplotlib.rc_context(STYLE)
def roc_figure(labels: np.ndarray, probs: np.ndarray, classes: Sequence[str]) -> Figure:
    """Returns a ROC curve for each class against the rest; for two classes, of the second.

    A class that no image, or every image, belongs to has no curve; the legend says so.

    Args:
      labels: class indices int [n].
      probs: float [n, k].
      classes: k names.
    """

    def curve(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        false_alarms, found, _ = roc_curve(positive, scores)
        return false_alarms, found, roc_auc_score(positive, scores)

    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], ":", color=INK, linewidth=1)
    _draw(axes, labels, probs, classes, curve)
    axes.set(xlabel="1 - specificity", ylabel="recall (sensitivity)")
    axes.legend(loc="lower right", title="AUROC", alignment="left")
    return figure


@matplotlib.rc_context(STYLE)
def precision_recall_figure(
    labels: np.ndarray, probs: np.ndarray, classes: Sequence[str]
) -> Figure:
    """Returns a precision-recall curve for each class against the rest; for two, of the second.

    A dotted line marks the precision of taking every image for the class: its share of them.

    Args:
      labels: class indices int [n].
      probs: float [n, k].
      classes: k names.
    """

    def curve(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        precision, recall, _ = precision_recall_curve(positive, scores)
        return recall, precision, average_precision_score(positive, scores)

    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    for _, style, positive in _one_against_rest(labels, classes):
        axes.axhline(positive.mean(), linestyle=":", linewidth=1, color=style["color"])
    _draw(axes, labels, probs, classes, curve)
    axes.set(xlabel="recall (sensitivity)", ylabel="precision")
    axes.legend(loc="best", title="AUPRC", alignment="left")
    return figure


def _one_against_rest(
    labels: np.ndarray, classes: Sequence[str]
) -> Iterator[tuple[int, dict[str, Any], np.ndarray]]:
    """Yields index, line style and which images are of the class, for each that has a curve."""
    for line, index in enumerate(range(len(classes)) if len(classes) > 2 else [1]):
        style = {"color": COLORS[line % len(COLORS)], "linestyle": DASHES[line % len(DASHES)]}
        yield index, style, labels == index


def _draw(
    axes: Axes,
    labels: np.ndarray,
    probs: np.ndarray,
    classes: Sequence[str],
    curve: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, float]],
) -> None:
    for index, style, positive in _one_against_rest(labels, classes):
        if not positive.any() or positive.all():
            axes.plot([], [], label=f"{classes[index]}  {UNDEFINED}", **style)
            continue
        across, up, area = curve(positive, probs[:, index])
        axes.plot(across, up, label=f"{classes[index]}  {number(area)}", **style)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.grid()
