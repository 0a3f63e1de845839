"""The figures of a run, for the page (SVG) and for TensorBoard (pixels).

Every figure is a matplotlib Figure of its own, without pyplot: no global state, no
window, safe in a callback. Curves differ in colour and in dash, so that a print in
gray and a colour-blind eye tell them apart.
"""

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

# Okabe & Ito's palette without its yellow, which a white page swallows; blue first.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
DASHES = ("-", "--", "-.", ":")
INK = "#1c2730"

# Any, for the type of a matplotlib setting's name differs between its versions.
STYLE: Any = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.6,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.13,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 1.7,
    "legend.frameon": False,
    "legend.fontsize": 9,
    # Text stays text (small, sharp, selectable), and the ids are those of the last time.
    "svg.fonttype": "none",
    "svg.hashsalt": "tfcovid",
}

CURVES = (
    ("macro_log_loss", "macro log-loss, nats"),
    ("loss", "loss minimised"),
    ("accuracy", "accuracy"),
)
SELECTION_FIGURE = "val_macro_log_loss"


@matplotlib.rc_context(STYLE)
def confusion_matrix_figure(
    matrix: Sequence[Sequence[int]] | np.ndarray, classes: Sequence[str], title: str
) -> Figure:
    """Returns the confusion matrix, each cell with its count and its share of the true class.

    Args:
      matrix: counts [k, k]; rows are the truth, columns the decision.
      classes: k names.
      title: above the figure; may be empty.

    Raises:
      ValueError: if the matrix is not [k, k].
    """
    counts = np.asarray(matrix)
    k = len(classes)
    if counts.shape != (k, k):
        raise ValueError(f"expected a matrix [{k}, {k}]. Received: shape {counts.shape}.")
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    figure = Figure(figsize=(1.6 + 0.95 * k, 1.1 + 0.75 * k), layout="constrained")
    axes = figure.subplots()
    # The palest colour is transparent: the page behind may be light or dark.
    colors = LinearSegmentedColormap.from_list("share", [(0, 0.447, 0.698, 0.0), COLORS[0]])
    axes.pcolormesh(shares, cmap=colors, vmin=0, vmax=1, edgecolor=(0.5, 0.5, 0.5, 0.25), lw=0.5)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(
            column + 0.5,
            row + 0.5,
            f"{count}\n{100 * shares[row, column]:.0f} %",
            ha="center",
            va="center",
            color="white" if shares[row, column] > 0.5 else INK,
        )
    axes.set_xticks(np.arange(k) + 0.5, classes, rotation=0 if k <= 4 else 90)
    axes.set_yticks(np.arange(k) + 0.5, classes)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.invert_yaxis()
    axes.set(xlabel="decision", ylabel="truth", title=title)
    return figure


@matplotlib.rc_context(STYLE)
def training_curves_figure(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Returns the curves of training and validation over all epochs of all phases.

    Args:
      history: a record an epoch, in order: phase, epoch, and any of loss, accuracy,
        macro_log_loss with their val_ forms; a curve that no record has is left out.

    Raises:
      ValueError: if there is no epoch.
    """
    if not history:
        raise ValueError("expected a history of at least one epoch. Received: none.")
    curves = [c for c in CURVES if any(c[0] in e or f"val_{c[0]}" in e for e in history)]
    figure = Figure(figsize=(4.7, 0.5 + 1.55 * len(curves)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(curves), sharex=True))
    epochs = np.arange(1, len(history) + 1)
    for axes, (key, title) in zip(panels, curves, strict=True):
        for name, label, color, dash in (
            (key, "training", COLORS[1], "--"),
            (f"val_{key}", "validation", COLORS[0], "-"),
        ):
            values = [epoch.get(name, math.nan) for epoch in history]
            axes.plot(epochs, values, dash, color=color, label=label, marker=".", markersize=4)
        axes.set_title(title)
        axes.grid(axis="y")
        _mark_phases(axes, history)
    _mark_best(panels[0], history)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=3)
    panels[-1].set_xlabel("epoch")
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    panels[-1].set_xlim(0.5, len(history) + 0.5)
    return figure


def _mark_phases(axes: Axes, history: Sequence[Mapping[str, Any]]) -> None:
    """Draws a line between the last epoch of a phase and the first of the next."""
    phases = [epoch["phase"] for epoch in history]
    for i in range(1, len(phases)):
        if phases[i] != phases[i - 1]:
            axes.axvline(i + 0.5, color=INK, linewidth=0.8, linestyle=":")


def _mark_best(axes: Axes, history: Sequence[Mapping[str, Any]]) -> None:
    """Rings the epoch whose model was kept."""
    best = best_epoch(history)
    if best is not None:
        value = history[best][SELECTION_FIGURE]
        axes.plot(best + 1, value, "o", mfc="none", mec=INK, mew=1.2, ms=9, label="kept")


def best_epoch(history: Sequence[Mapping[str, Any]]) -> int | None:
    """Returns the index of the epoch with the lowest selection figure; None if none has one."""
    values = [epoch.get(SELECTION_FIGURE, math.nan) for epoch in history]
    return None if np.isnan(values).all() else int(np.nanargmin(values))


@matplotlib.rc_context(STYLE)
def reliability_figure(
    after: Sequence[Mapping[str, float]],
    before: Sequence[Mapping[str, float]] = (),
    *,
    of_class: str | None = None,
) -> Figure:
    """Returns how often a class is the right one, against how likely it was said to be.

    Args:
      after: bins of the calibrated probabilities, as `reliability_bins` gives them.
      before: bins of those of the network itself; drawn behind, where there are any.
      of_class: the class that the bins are of, None for the likeliest of each image.
    """
    name, right = ("the likeliest class", "right") if of_class is None else (of_class, of_class)
    figure = Figure(figsize=(4.2, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, sharex=True, height_ratios=[4, 1])
    upper.plot([0, 1], [0, 1], ":", color=INK, linewidth=1)
    curves = [("before", before, COLORS[1], "--"), ("after calibration", after, COLORS[0], "-")]
    for label, bins, color, dash in curves:
        said, came = ([found[key] for found in bins] for key in ("confidence", "accuracy"))
        counts = np.array([found["n_images"] for found in bins])
        upper.plot(said, came, dash, color=color, linewidth=1)
        # The area of a point is its share of the images: lone points deserve little attention.
        areas = 14 + 150 * counts / max(counts.max(initial=0), 1)
        upper.scatter(said, came, s=areas, color=color, alpha=0.6, linewidth=0, label=label)
    if before:
        upper.legend(loc="upper left", bbox_to_anchor=(0, 0.9))
    upper.annotate(f"{right} more often than said", (0.03, 0.93), color=INK, alpha=0.7)
    upper.annotate(f"{right} less often than said", (0.97, 0.04), ha="right", color=INK, alpha=0.7)
    upper.set(ylabel=f"share that is {right}", ylim=(-0.03, 1.03))
    edges, widths = ([found["low"] for found in after], [f["high"] - f["low"] for f in after])
    heights = [found["n_images"] for found in after]
    lower.bar(edges, heights, widths, align="edge", color=COLORS[0], alpha=0.75)
    lower.set(xlabel=f"probability of {name}", ylabel="images", xlim=(-0.03, 1.03))
    for axes in (upper, lower):
        axes.grid()
    return figure


def figure_to_rgb(figure: Figure) -> np.ndarray:
    """Returns the figure's pixels on white, uint8 [h, w, 3]."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


@matplotlib.rc_context(STYLE)
def figure_to_svg(figure: Figure, *, name: str) -> str:
    """Returns the figure as an <svg> element to stand inside a page.

    The background is transparent, and what was INK takes the colour of the page's text:
    the figure fits a light and a dark page. The same figure gives the same text.

    Args:
      figure: from this module.
      name: stands before every id in it, so that several figures fit one page; letters.
    """
    written = io.StringIO()
    figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    element = written.getvalue()
    element = element[element.index("<svg") :]
    element = re.sub(r"\s*<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    # A style element would reach out of the figure into the page.
    element = re.sub(r"<style.*?</style>", "", element, flags=re.DOTALL)
    return re.sub(r"<[^>]+>", lambda tag: _for_page(tag[0], name), element)


def _for_page(tag: str, name: str) -> str:
    tag = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{name}-", tag)
    return tag.replace(INK, "currentColor")
