"""Masks are found by name, read as black and white, and painted around; what is none is said."""

import numpy as np
import pandas as pd
import pytest

from tests.data.images import encode, noise
from tfcovid.data.lung_masks import LungMasks, read_mask
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.sources.reading import ROW_COLUMNS, Reading, no_rejected
from tfcovid.data.squares import squares_of

SIZE = 16
LEFT_HALF = np.zeros((40, 60), np.uint8)
LEFT_HALF[:, :30] = 255


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(pixels, "PNG"))


def half(masks, path):
    """What a mask whose left half is white looks like as a square."""
    found = masks(path, SIZE)
    assert not isinstance(found, str), found
    expected = np.zeros((SIZE, SIZE, 1), bool)
    expected[:, : SIZE // 2] = True
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "name", ["COVID/images/1.png", "COVID/masks/1.png", "1.png", "deep/er/1_mask.png", "mask_1.png"]
)
def test_a_mask_is_found_by_path_by_masks_folder_or_by_name(tmp_path, name):
    write(tmp_path / "masks" / name, LEFT_HALF)
    masks = LungMasks(tmp_path / "masks", root=tmp_path, image_paths=["COVID/images/1.jpg"])
    half(masks, "COVID/images/1.jpg")
    assert masks("COVID/images/2.jpg", SIZE) == f"no lung mask in {tmp_path / 'masks'}"


def test_images_of_the_data_set_are_no_masks(tmp_path):
    image = "COVID/images/1.png"
    write(tmp_path / image, noise(40, 60))
    write(tmp_path / "COVID/masks/1.png", LEFT_HALF)
    half(LungMasks(tmp_path, root=tmp_path, image_paths=[image]), image)


def test_the_same_path_wins_over_the_same_name_and_two_names_are_refused(tmp_path):
    write(tmp_path / "a/1.png", LEFT_HALF)
    write(tmp_path / "b/1.png", 255 - LEFT_HALF)
    half(LungMasks(tmp_path, root=tmp_path / "data", image_paths=["a/1.jpg"]), "a/1.jpg")
    masks = LungMasks(tmp_path, root=tmp_path / "data", image_paths=["c/1.jpg"])
    assert masks("c/1.jpg", SIZE) == "several files could be its lung mask: a/1.png, b/1.png"


def test_a_mask_of_zeros_and_ones_is_one(tmp_path):
    write(tmp_path / "1.png", LEFT_HALF // 255)
    half(LungMasks(tmp_path, root=tmp_path / "data", image_paths=[]), "1.jpg")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (encode(np.zeros((40, 60), np.uint8), "PNG"), "is empty"),
        (encode(noise(40, 60), "PNG"), "is no mask: expected black and white, found grays"),
        (b"no image", "does not decode"),
    ],
)
def test_what_is_no_mask_is_said(tmp_path, content, reason):
    (tmp_path / "1.png").write_bytes(content)
    assert reason in read_mask(tmp_path / "1.png", SIZE)
    assert "cannot be read" in read_mask(tmp_path / "2.png", SIZE)


def test_a_folder_without_masks_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a folder, there is none"):
        LungMasks(tmp_path / "none", root=tmp_path, image_paths=[])
    write(tmp_path / "1.png", LEFT_HALF)
    with pytest.raises(ValueError, match=r"expected masks .*, found none"):
        LungMasks(tmp_path, root=tmp_path, image_paths=["1.png"])


@pytest.mark.parametrize(("view", "left"), [("lungs_only", True), ("border_only", False)])
def test_the_view_paints_around_the_mask(tmp_path, view, left):
    image = noise(40, 60, seed=3)
    write(tmp_path / "data/1.png", image)
    write(tmp_path / "data/2.png", image)
    write(tmp_path / "masks/1.png", LEFT_HALF)
    nothing = pd.DataFrame(columns=list(ROW_COLUMNS))
    reading = Reading(nothing, no_rejected(), (), tmp_path / "data")
    masks = LungMasks(tmp_path / "masks", root=reading.root, image_paths=["1.png", "2.png"])
    preprocessing = Preprocessing(SIZE, view=view)
    (square, thumbnail, _), reason = squares_of(
        reading, ["1.png", "2.png"], preprocessing, masks=masks
    )
    whole = Preprocessing(SIZE).image_from_bytes(encode(image, "PNG")).numpy()
    shown = np.zeros((SIZE, SIZE, 1), bool)
    shown[:, : SIZE // 2] = left
    shown[:, SIZE // 2 :] = not left
    np.testing.assert_array_equal(square, np.where(shown, whole, 0))
    assert thumbnail.shape == (96, 96) and thumbnail.any()
    assert reason == f"no lung mask in {tmp_path / 'masks'}"


def test_a_name_that_two_images_have_gives_neither_a_mask(tmp_path):
    write(tmp_path / "1.png", LEFT_HALF)
    masks = LungMasks(tmp_path, root=tmp_path / "data", image_paths=["normal/1.jpg", "covid/1.jpg"])
    assert masks("covid/1.jpg", SIZE) == f"no lung mask in {tmp_path}"
    alone = LungMasks(tmp_path, root=tmp_path / "data", image_paths=["normal/1.jpg"])
    half(alone, "normal/1.jpg")


def test_a_dot_in_a_name_without_suffix_is_part_of_it(tmp_path):
    write(tmp_path / "1.2.3.png", LEFT_HALF)
    half(LungMasks(tmp_path, root=tmp_path / "data", image_paths=["1.2.3"]), "1.2.3")
