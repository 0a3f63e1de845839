"""ROC curves of many findings: a small panel each, so that none hides behind another."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from tfcovid.report.plots import COLORS, INK, STYLE
from tfcovid.report.words import number

COLUMNS, PANEL_INCHES = 5, 1.75

Scored = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""By finding: whether an image has it, bool [n], and what was said, float [n]; known ones only."""


@matplotlib.rc_context(STYLE)
def roc_panels_figure(scored: Scored, aurocs: Mapping[str, float | None]) -> Figure:
    """Returns a ROC curve for each finding; one without both classes has an empty panel.

    Args:
      scored: of each finding.
      aurocs: of each finding, None where undefined.
    """
    rows = -(-len(scored) // COLUMNS)
    size = (PANEL_INCHES * COLUMNS, (PANEL_INCHES + 0.25) * rows)
    figure = Figure(figsize=size, layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, COLUMNS, sharex=True, sharey=True)).ravel()
    for axes, (name, (has, said)) in zip(panels, scored.items(), strict=False):
        axes.plot([0, 1], [0, 1], ":", color=INK, linewidth=0.8)
        if has.any() and not has.all():
            false_alarms, found, _ = roc_curve(has, said)
            axes.plot(false_alarms, found, color=COLORS[0], linewidth=1.3)
        axes.set_title(f"{name}\n{number(aurocs[name])}", fontsize=8)
        axes.set(
            xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xticks=[0, 1], yticks=[0, 1]
        )
        axes.grid()
    for axes in panels[len(scored) :]:
        axes.set_visible(False)
    figure.supxlabel("1 - specificity", fontsize=8)
    figure.supylabel("recall (sensitivity)", fontsize=8)
    return figure


def known_scores(targets: np.ndarray, probs: np.ndarray, classes: Sequence[str]) -> Scored:
    """Returns truth and score of each output on the images that it is known of.

    Args:
      targets: label matrix int8 [n, num_outputs]: 1, 0, or -1 for unknown.
      probs: float [n, num_outputs].
      classes: names in order.
    """
    columns = zip(classes, targets.T, probs.T, strict=True)
    return {name: (of[of >= 0] == 1, said[of >= 0]) for name, of, said in columns}
