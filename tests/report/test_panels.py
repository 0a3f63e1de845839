import numpy as np
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from tests.data.images import noise
from tfcovid.report.panels import Panel, panels_figure, save_png
from tfcovid.report.plots import figure_to_rgb

PICTURES = [noise(20, 31, seed=seed)[..., None] for seed in range(5)]


def test_each_panel_shows_its_picture_under_its_name():
    panels = [Panel(f"step {k}", picture) for k, picture in enumerate(PICTURES)]
    axes = panels_figure(panels, title="a.png").axes
    assert [one.get_title(loc="left") for one in axes[:5]] == [panel.name for panel in panels]
    for one, picture in zip(axes, PICTURES, strict=False):
        np.testing.assert_array_equal(one.images[0].get_array(), picture[..., 0])
        assert one.images[0].get_clim() == (0, 255)
    assert not any(one.images for one in axes[5:])


def test_box_lies_on_the_edges_of_its_pixels():
    figure = panels_figure([Panel("box", PICTURES[0], (3, 9, 5, 30))], title="")
    (drawn,) = [p for p in figure.axes[0].patches if isinstance(p, Rectangle)]
    assert drawn.get_xy() == (4.5, 2.5)
    assert (drawn.get_width(), drawn.get_height()) == (25, 6)


@pytest.mark.parametrize("title", ["", "a $name$ of 1_2.png"])
def test_file_is_the_figure_and_replaces_an_earlier_one(tmp_path, title):
    path = tmp_path / "a.steps.png"
    path.write_bytes(b"earlier")
    figure = panels_figure([Panel("one", PICTURES[1])], title=title)
    save_png(figure, path)
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), figure_to_rgb(figure))
    assert [file.name for file in tmp_path.iterdir()] == ["a.steps.png"]
