import hashlib
import io
import threading
import zlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.data.dicoms import PLANTED, compressed, dicom
from tfcovid.data import image_files
from tfcovid.data.image_files import encoded_image, scan_files
from tfcovid.data.readable import readable_or_reason


def _encoded(mode="L", kind="PNG", size=(36, 33)):
    channels = {"L": (), "RGB": (3,), "RGBA": (4,), "I;16": ()}[mode]
    dtype = np.uint16 if mode == "I;16" else np.uint8
    pixels = np.arange(np.prod(size[::-1] + channels), dtype=dtype).reshape(size[::-1] + channels)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def _claiming(side):
    """Returns a PNG file whose header claims another size, side by side, than it has."""
    content = bytearray(_encoded())
    content[16:24] = side.to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


def _scan(tmp_path, contents, **arguments):
    rows = []
    for name, content in contents.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        rows.append((name, name))
    rows = pd.DataFrame(rows, columns=["image", "path"], index=range(10, 10 + len(rows)))
    return scan_files(rows, tmp_path, **arguments)


def test_facts_are_those_of_the_file(tmp_path):
    contents = {
        "gray.png": _encoded("L"),
        "colour.jpg": _encoded("RGB", "JPEG", (47, 32)),
        "alpha.png": _encoded("RGBA"),
        "deep.png": _encoded("I;16"),
        "animated.gif": _encoded("L", "GIF"),
    }
    facts, rejected = _scan(tmp_path, contents)
    assert rejected.empty
    assert facts.index.tolist() == [10, 11, 12, 13, 14]
    assert facts["mode"].tolist() == ["L", "RGB", "RGBA", "I;16", "L"]
    assert facts["format"].tolist() == ["PNG", "JPEG", "PNG", "PNG", "GIF"]
    assert facts.loc[11, ["width", "height"]].tolist() == [47, 32]
    for (_, content), digest in zip(contents.items(), facts["sha256"], strict=True):
        assert digest == hashlib.sha256(content).hexdigest()


def test_content_counts_not_the_ending(tmp_path):
    facts, _ = _scan(tmp_path, {"really_a_png.jpg": _encoded("L", "PNG")})
    assert facts["mode"].tolist() == ["L"]


def test_bad_files_are_rejected_with_the_reason(tmp_path):
    contents = {
        "absent.png": None,
        "empty.png": b"",
        "text.png": b"<html>not found</html>",
        "cut.png": _encoded()[:20],
        "cut.jpg": _encoded("L", "JPEG")[:40],
        "tiff.png": _encoded("L", "TIFF"),
        "bitmap.png": _encoded("L", "BMP"),
        "large.png": _claiming(8_000),
        "bomb.png": _claiming(100_000),
        "good.png": _encoded(),
    }
    facts, rejected = _scan(tmp_path, contents)
    assert facts.index.tolist() == [19]
    assert rejected.columns.tolist() == ["image", "path", "reason", "category"]
    reasons = dict(zip(rejected["image"], rejected["reason"], strict=True))
    assert reasons["absent.png"].startswith("cannot be read (No such file")
    assert reasons["empty.png"] == "empty file (0 bytes)"
    assert reasons["text.png"] == (
        "not an image in one of the formats JPEG, PNG, GIF, nor a DICOM file"
    )
    assert reasons["cut.png"].startswith("damaged or cut off")
    assert reasons["cut.jpg"].startswith("damaged or cut off")
    assert reasons["tiff.png"].startswith("not an image in one of the formats")
    assert reasons["bitmap.png"] == reasons["text.png"]
    assert reasons["large.png"] == "too large: 8000 by 8000 is more than 50000000 pixels"
    assert reasons["bomb.png"] == "too large: more than 50000000 pixels"


def test_pixel_limit_is_inclusive(tmp_path):
    contents = {"a.png": _encoded(size=(36, 33))}
    assert len(_scan(tmp_path, contents, max_pixels=36 * 33)[0]) == 1
    facts, rejected = _scan(tmp_path, contents, max_pixels=36 * 33 - 1)
    assert facts.empty
    assert rejected["reason"].tolist() == ["too large: 36 by 33 is more than 1187 pixels"]


def test_size_that_pillow_only_warns_of_can_be_allowed(tmp_path):
    facts, _ = _scan(tmp_path, {"a.png": _claiming(10_000)}, max_pixels=100_000_000)
    assert facts["width"].tolist() == [10_000]


@pytest.mark.parametrize("max_pixels", [0, 10**9])
def test_pixel_limit_out_of_range_is_refused(tmp_path, max_pixels):
    with pytest.raises(ValueError, match="max_pixels: expected 1 to"):
        _scan(tmp_path, {}, max_pixels=max_pixels)


def test_progress_ends_at_all_files(tmp_path):
    calls = []
    contents = {f"{n}.png": _encoded(size=(32, 32)) for n in range(230)}
    _scan(tmp_path, contents, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(100, 230), (200, 230), (230, 230)]


@pytest.mark.parametrize(("fast_s", "alone"), [(60.0, 7), (0.0, 2)], ids=["fast", "slow"])
def test_files_are_read_by_one_thread_while_they_come_fast_and_then_by_many(
    tmp_path, monkeypatch, fast_s, alone
):
    contents = {f"{side}.png": _encoded(size=(side, 33)) for side in range(40, 47)}
    contents["43.png"] = b"none"
    expected, rejected = _scan(tmp_path, contents)
    readers, facts_of = [], image_files._facts_or_reason

    def watched(path, max_pixels):
        readers.append(threading.current_thread() is threading.main_thread())
        return facts_of(path, max_pixels)

    monkeypatch.setattr(image_files, "_facts_or_reason", watched)
    monkeypatch.setattr(image_files, "PROGRESS_EVERY", 2)
    monkeypatch.setattr(image_files, "FAST_S", fast_s)
    done = []
    found, bad = _scan(tmp_path, contents, progress=lambda *counts: done.append(counts))
    pd.testing.assert_frame_equal(found, expected)
    pd.testing.assert_frame_equal(bad, rejected)
    assert sum(readers) == alone and len(readers) == 7
    assert done == [(2, 7), (4, 7), (6, 7), (7, 7)]


def test_no_file_at_all_gives_empty_tables(tmp_path):
    facts, rejected = _scan(tmp_path, {})
    assert facts.columns.tolist() == ["sha256", "width", "height", "mode", "format"]
    assert facts.empty
    assert rejected.empty


def test_dicom_has_the_facts_of_its_header(tmp_path):
    pixels = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)
    contents = {
        "a.dcm": dicom(pixels, bits_stored=12, PhotometricInterpretation="MONOCHROME1"),
        "b": compressed(pixels),
        "named.png": dicom(pixels),
        **{f"{n}.dcm": dicom(pixels + n, ViewPosition="not^allowed") for n in range(20)},
    }
    facts, rejected = _scan(tmp_path, contents)
    assert rejected.empty
    assert set(facts["format"]) == {"DICOM"}
    assert facts["mode"].tolist()[:3] == ["MONOCHROME1", "MONOCHROME2", "MONOCHROME2"]
    assert set(facts["width"]) == {50} and set(facts["height"]) == {40}
    assert facts["sha256"].iloc[1] == hashlib.sha256(contents["b"]).hexdigest()


def test_bad_dicom_is_rejected_with_the_reason_and_without_the_patient(tmp_path):
    pixels = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)
    contents = {
        "report.dcm": dicom(Modality="SR"),
        "cut.dcm": dicom(pixels)[:-100],
        "huge.dcm": dicom(pixels, Rows=60_000, Columns=60_000),
        "small.dcm": dicom(pixels[:20]),
        "raw.dcm": pixels.tobytes(),
    }
    facts, rejected = _scan(tmp_path, contents)
    assert facts.empty
    reasons = dict(zip(rejected["image"], rejected["reason"], strict=True))
    assert reasons["report.dcm"].startswith("no pixels")
    assert reasons["cut.dcm"].startswith("damaged or cut off")
    assert reasons["huge.dcm"] == "too large: 60000 by 60000 is more than 50000000 pixels"
    assert reasons["small.dcm"].startswith("too small: 50 by 20")
    assert reasons["raw.dcm"].startswith("not an image in one of the formats")
    assert not [word for word in PLANTED if word in rejected.to_csv().lower()]
    assert readable_or_reason(contents["cut.dcm"]) == reasons["cut.dcm"]


def test_encoded_image_is_the_file_or_a_png_of_the_dicom(tmp_path):
    pixels = np.arange(36 * 33, dtype=np.uint8).reshape(36, 33)
    (tmp_path / "a.dcm").write_bytes(dicom(pixels))
    (tmp_path / "b.jpg").write_bytes(_encoded("L", "JPEG"))
    (tmp_path / "c.dcm").write_bytes(dicom())
    with Image.open(io.BytesIO(encoded_image(tmp_path / "a.dcm"))) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)
    assert encoded_image(tmp_path / "b.jpg") == _encoded("L", "JPEG")
    for name, reason in (("c.dcm", "no pixels"), ("d.dcm", "cannot be read")):
        with pytest.raises(ValueError, match=reason):
            encoded_image(tmp_path / name)
    with pytest.raises(ValueError, match="too large"):
        encoded_image(tmp_path / "a.dcm", 100)
