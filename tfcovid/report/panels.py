"""Gray pictures side by side, each with its name: how one becomes the next."""

import dataclasses
import math
import pathlib
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tfcovid.report.plots import COLORS, STYLE
from tfcovid.whole_file import whole_file

COLUMNS = 4
PANEL_INCHES = 1.9


@dataclasses.dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
      name: stands above it.
      image: uint8 [height, width, 1].
      box: drawn on it: first row, row after the last, columns likewise; None for no box.
    """

    name: str
    image: np.ndarray
    box: tuple[int, int, int, int] | None = None


@matplotlib.rc_context(STYLE)
def panels_figure(panels: Sequence[Panel], *, title: str) -> Figure:
    """Returns the panels in rows of four, each stretched to a square.

    Args:
      panels: at least one.
      title: above all of them; may be empty.
    """
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(
        figsize=(PANEL_INCHES * columns, (PANEL_INCHES + 0.25) * rows + 0.3), layout="constrained"
    )
    figure.suptitle(title, fontsize=9)
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.set_axis_off()
    for axes, panel in zip(figure.axes, panels, strict=False):
        axes.set_title(panel.name)
        axes.imshow(panel.image[..., 0], cmap="gray", vmin=0, vmax=255, aspect="auto")
        if panel.box is not None:
            top, bottom, left, right = panel.box
            # A pixel's middle is its coordinate, its edge lies half a pixel before.
            axes.add_patch(
                Rectangle(
                    (left - 0.5, top - 0.5),
                    right - left,
                    bottom - top,
                    fill=False,
                    edgecolor=COLORS[1],
                    linewidth=1.5,
                )
            )
    return figure


def save_png(figure: Figure, path: pathlib.Path) -> None:
    """Writes a figure as a PNG file, whole or not at all, on white.

    Args:
      figure: of this project's.
      path: the file to make or replace; its folder exists.
    """
    with whole_file(path) as beside, beside.open("wb") as file:
        FigureCanvasAgg(figure).print_png(file)
