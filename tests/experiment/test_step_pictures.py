"""The pictures of the steps: of every kind of file, by the functions that training calls."""

import numpy as np
import pytest
import tensorflow as tf

from flags import choices
from flags.config import DataConfig
from tests.data.dicoms import dataset, encoded
from tests.data.images import encode
from tests.data.lung_crop.slices import ct_slice
from tfcovid.data.lung_crop.chain import lung_crop_steps
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.step_pictures import PANELS, draw_files

CROP = DataConfig(preprocessing=choices.Preprocessing.LUNG_CROP, image_size=32)


def test_every_chain_has_its_panels():
    assert set(PANELS) == set(choices.Preprocessing)


@pytest.mark.parametrize("lungs", [True, False])
def test_last_panel_is_what_the_network_sees(lungs):
    image = tf.constant(ct_slice() if lungs else ct_slice(lungs=()))
    for chain, panels_of in PANELS.items():
        *_, last = panels_of(image, 32)
        square = Preprocessing(32, chain=chain).image_from_gray(image)
        np.testing.assert_array_equal(last.image, square)


def test_panels_are_the_steps_in_their_order():
    image = tf.constant(ct_slice())
    panels, steps = PANELS["lung_crop"](image, 32), lung_crop_steps(image, 32)
    names = ["original", "normalised", "sharpened", "median", "dark", "lungs", "box", "result"]
    assert [panel.name for panel in panels] == names
    pictures = [*steps[:4], 255 * np.asarray(steps.dark)[..., None]]
    for panel, picture in zip(panels, pictures, strict=False):
        np.testing.assert_array_equal(panel.image, picture)
    assert panels[5].image.any() and panels[6].box == tuple(steps.box.numpy())


def test_missing_lungs_are_said_on_the_panels():
    panels = PANELS["lung_crop"](tf.constant(ct_slice(lungs=())), 32)
    assert [panel.name for panel in panels[-2:]] == ["no lungs found", "result: kept whole"]
    assert panels[-2].box is None and not panels[5].image.any()


def test_each_file_gets_its_picture_or_its_reason(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    picture = ct_slice()[..., 0]
    contents = {
        "a.png": encode(picture, "PNG"),
        "a.jpg": encode(picture, "JPEG"),
        "a.dcm": encoded(dataset(picture.astype(np.uint16) * 16, bits_stored=12)),
        "empty.png": b"",
        "cut.jpg": encode(picture, "JPEG")[:900],
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "a.png").write_bytes(contents["a.png"])
    files = [*(str(tmp_path / name) for name in contents), str(tmp_path / "again" / "a.png")]
    drawn = list(draw_files(files, out, CROP))
    assert [one.failed for one in drawn] == [False, False, False, True, True, True]
    for file, one in zip(files, drawn, strict=True):
        assert one.line.startswith(f"{file}: ") and "\n" not in one.line
    assert "empty file" in drawn[3].line
    assert f"is the picture of {files[0]}" in drawn[5].line
    written = {f"{name}.steps.png" for name in ("a.png", "a.jpg", "a.dcm")}
    assert {path.name for path in out.iterdir()} == written
    # A DICOM file of the same pixels has the same picture but for its name.
    again = [one.line for one in draw_files(files[:1], out, CROP)]
    assert again == [f"{files[0]}: {out / 'a.png.steps.png'} (replaced)"]
