"""What is said of a file before it is classified."""

import os
import struct

import pandas as pd
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.data.dicoms import NAME, PLANTED, dicom
from tests.data.images import encode, noise
from tfcovid.data.image_files import scan_files
from tfcovid.data.readable import Readable, readable_file, readable_or_reason

PIXELS = noise(40, 50)
FILM = "expected a radiograph (CR, DX or RG)"


@pytest.mark.parametrize("modality", ["CT", "MR", "US", "MG", "SR", "XA"])
def test_a_dicom_file_of_another_modality_is_refused_before_anything_else_of_it(modality):
    frames = {"NumberOfFrames": 3, "PixelData": PIXELS.tobytes() * 3}
    for content in (
        dicom(PIXELS, Modality=modality),
        dicom(PIXELS, Modality=modality, **frames),
        dicom(Modality=modality),
    ):
        assert readable_or_reason(content, radiograph=True) == f"modality {modality}: {FILM}"


@pytest.mark.parametrize("modality", ["CR", "DX", "RG", "DX ", None, ""])
def test_a_film_and_a_file_without_modality_are_taken(modality):
    found = readable_or_reason(dicom(PIXELS, Modality=modality), radiograph=True)
    assert isinstance(found, Readable) and found.pixels == 40 * 50


@pytest.mark.parametrize("modality", [NAME, "QQ", "ct", ["CR", "CT"]])
def test_a_modality_that_dicom_does_not_list_is_refused_and_never_quoted(modality):
    said = readable_or_reason(dicom(PIXELS, Modality=modality), radiograph=True)
    assert said == f"a modality that DICOM does not list: {FILM}"
    assert not [word for word in PLANTED if word in said.lower()]


def test_readers_of_data_sets_see_to_the_modality_themselves(tmp_path):
    path = tmp_path / "slice.dcm"
    path.write_bytes(dicom(PIXELS, Modality="CT"))
    rows = pd.DataFrame({"image": ["slice"], "path": ["slice.dcm"]})
    facts, rejected = scan_files(rows, tmp_path)
    assert rejected.empty and facts["format"].tolist() == ["DICOM"]
    assert isinstance(readable_file(path), Readable)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_dicom_stream_without_its_preamble_is_named_as_such(syntax):
    content = dicom(PIXELS, syntax=syntax)
    said = "a DICOM stream without preamble: its first 128 bytes and the mark DICM are missing"
    assert readable_or_reason(content[132:]).startswith(said)
    # Without the meta information, which is explicit always.
    (length,) = struct.unpack_from("<I", content, 140)
    bare = content[144 + length :]
    assert bare.startswith(b"\x08\x00") and readable_or_reason(bare).startswith(said)
    for other in (bare[:5], b"\x08\x00" + bytes(40), b"\x02\x00\x01\x00" + b"\xff" * 40):
        assert readable_or_reason(other).startswith("not an image")


def test_a_file_that_is_no_dicom_is_read_as_it_is():
    content = encode(PIXELS, "PNG")
    assert readable_or_reason(content, radiograph=True) == Readable(content, 40 * 50)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are POSIX")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert readable_file(tmp_path / "pipe.jpg") == "no regular file"
