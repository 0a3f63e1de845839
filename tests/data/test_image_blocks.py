"""What the blocks of files say, beside what Pillow says of the same files."""

import io
import struct
import zlib

import numpy as np
import pandas as pd
import pytest
from PIL import ExifTags, Image

from tests.data.images import encode, noise
from tfcovid.data import image_blocks
from tfcovid.data.image_blocks import frames_in, orientation_of
from tfcovid.data.image_files import scan_files
from tfcovid.data.image_warnings import contrast_warnings, orientation_warnings
from tfcovid.data.readable import Readable, readable_or_reason

PICTURES = [Image.fromarray(noise(40, 50, seed=seed)) for seed in range(5)]


def animated(kind, count):
    return encode(PICTURES[0], kind, save_all=True, append_images=PICTURES[1:count])


def turned(kind, orientation, image=None, *, order=None):
    """Returns a file that says how it lies."""
    exif = Image.Exif()
    if order:
        exif.endian = order
    exif[ExifTags.Base.Make] = "Zimperlein's camera"
    exif[ExifTags.Base.Orientation] = orientation
    return encode(image or PICTURES[0], kind, exif=exif.tobytes())


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_frames_of_an_animation_are_counted_as_pillow_counts_them(kind, count):
    content = animated(kind, count)
    with Image.open(io.BytesIO(content)) as image:
        assert frames_in(content) == image.n_frames == count


def test_comments_and_tables_of_colours_are_no_frames():
    colours = Image.fromarray(noise(40, 50, 3)).quantize(64)
    content = encode(colours, "GIF", save_all=True, append_images=PICTURES[:2], comment=b"," * 600)
    assert frames_in(content) == 3


def test_files_without_frames_have_one():
    assert frames_in(encode(PICTURES[0], "JPEG")) == frames_in(b"") == 1


def test_an_animation_is_refused_with_its_frames_by_readers_of_data_sets_too(tmp_path):
    (tmp_path / "a.gif").write_bytes(animated("GIF", 3))
    facts, rejected = scan_files(pd.DataFrame({"image": ["a"], "path": ["a.gif"]}), tmp_path)
    assert facts.empty and rejected["reason"].tolist() == ["3 frames: expected one film"]
    assert readable_or_reason(animated("PNG", 2)) == "2 frames: expected one film"
    assert isinstance(readable_or_reason(animated("GIF", 1)), Readable)


def test_a_gif_file_of_endless_blocks_is_refused_after_the_limit(monkeypatch):
    monkeypatch.setattr(image_blocks, "MAX_BLOCKS", 1000)
    content = encode(PICTURES[0], "GIF")
    many = content[:-1] + b"\x21\xfe" + b"\x01x" * 1000 + b"\0" + content[-1:]
    assert "more than 1000 blocks" in readable_or_reason(many)
    assert isinstance(readable_or_reason(content), Readable)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "JPEG"])
def test_cut_files_end_the_count_and_the_search(kind):
    content = animated("GIF", 3) if kind == "GIF" else turned(kind, 6)
    for length in range(len(content)):
        assert 0 <= frames_in(content[:length]) <= 3
        assert orientation_of(content[:length]) in (1, 6)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_the_one_that_pillow_reads(kind, order, orientation):
    content = turned(kind, orientation, order=order)
    with Image.open(io.BytesIO(content)) as image:
        assert image.getexif()[ExifTags.Base.Orientation] == orientation_of(content) == orientation


def test_an_orientation_behind_the_pixels_of_a_png_file_is_found():
    content = encode(PICTURES[0], "PNG")
    exif = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHH", 0x0112, 3, 1, 8, 0) + bytes(4)
    chunk = struct.pack(">I", len(exif)) + b"eXIf" + exif
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    assert orientation_of(content[:-12] + chunk + content[-12:]) == 8


@pytest.mark.parametrize("orientation", [0, 9, 300])
def test_an_orientation_that_exif_does_not_know_is_none(orientation):
    assert orientation_of(turned("JPEG", orientation)) == 1
    assert orientation_of(encode(PICTURES[0], "JPEG")) == 1


@pytest.mark.parametrize(
    ("orientation", "turn"), [(2, "mirrored"), (5, "rotated and mirrored"), (6, "rotated")]
)
def test_a_file_that_lies_otherwise_says_so_and_an_upright_one_nothing(orientation, turn):
    (said,) = orientation_warnings(turned("JPEG", orientation))
    assert said == (
        f"the file says it is {turn} (EXIF orientation {orientation}); pixels are taken as stored, "
        "as in training"
    )
    assert orientation_warnings(turned("JPEG", 1)) == ()


def test_only_an_image_in_which_nothing_can_be_seen_has_no_contrast():
    flat = np.full((40, 50), 128, np.uint8)
    (same,) = contrast_warnings(flat)
    assert same == "no contrast: every pixel has the gray value 128, the result says nothing"
    flat[3, 4] = 135
    (nearly,) = contrast_warnings(flat)
    assert "all gray values lie between 128 and 135 of 255" in nearly
    flat[3, 4] = 136
    assert contrast_warnings(flat) == ()
