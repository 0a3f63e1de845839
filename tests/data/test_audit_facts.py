"""Only colour that is seen counts as an annotation, not the mode a gray film is saved in."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tfcovid.data.audit_facts import is_colour_annotated


def film(height=300, width=400):
    """Returns a gray film with a gradient and grain, a Pillow image of mode L."""
    rng = np.random.default_rng(0)
    gradient = np.linspace(20, 220, height)[:, None] + np.linspace(-15, 15, width)
    return Image.fromarray((gradient + rng.normal(0, 6, (height, width))).clip(0, 255).astype("u1"))


def with_arrow(image, colour=(255, 220, 0)):
    """Returns the film in RGB with an arrow of about 0.4 % of its pixels."""
    image = image.convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.line((100, 100, 140, 120), fill=colour, width=6)
    draw.polygon(((140, 112), (140, 130), (156, 124)), fill=colour)
    return image


def tinted(image):
    """Returns the film in a faint blue, as a photograph of a light box or a scanner has it."""
    gray = np.asarray(image).astype(int)
    return Image.fromarray(np.stack([gray - 8, gray, gray + 12], -1).clip(0, 255).astype("u1"))


def annotated(tmp_path, image, name="film.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return is_colour_annotated(str(path))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA"])
def test_gray_film_is_not_annotated_in_any_mode(tmp_path, mode):
    assert not annotated(tmp_path, film().convert(mode))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_film_with_a_coloured_arrow_is_annotated_in_any_mode(tmp_path, mode):
    assert annotated(tmp_path, with_arrow(film()).convert(mode))


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_coloured_arrow_outlives_jpeg_and_gray_saved_as_colour_jpeg_stays_gray(tmp_path, quality):
    assert annotated(tmp_path, with_arrow(film()), "arrow.jpg", quality=quality)
    assert not annotated(tmp_path, film().convert("RGB"), "gray.jpg", quality=quality)


def test_cmyk_jpeg_of_a_gray_film_is_not_annotated(tmp_path):
    image = film().convert("RGB").convert("CMYK")
    assert not annotated(tmp_path, image, "gray.jpg", quality=75)


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_slightly_tinted_jpeg_is_not_annotated(tmp_path, quality):
    image = tinted(film())
    assert np.ptp(np.asarray(image), axis=2).max() == 20
    assert not annotated(tmp_path, image, "tinted.jpg", quality=quality)


def test_white_arrow_and_letters_are_not_colour(tmp_path):
    assert not annotated(tmp_path, with_arrow(film(), (255, 255, 255)))


def test_arrow_is_seen_in_a_film_of_full_size(tmp_path):
    assert annotated(tmp_path, with_arrow(film()).resize((2000, 1500)))


def test_colour_of_transparent_pixels_counts_because_the_decoder_drops_alpha(tmp_path):
    pixels = np.asarray(film().convert("RGBA")).copy()
    pixels[:60] = (255, 0, 0, 0)
    assert annotated(tmp_path, Image.fromarray(pixels))


def test_file_that_is_no_image_is_not_annotated(tmp_path):
    path = tmp_path / "film.png"
    path.write_bytes(b"no image")
    assert not is_colour_annotated(str(path))
    assert not is_colour_annotated(str(tmp_path / "absent.png"))
