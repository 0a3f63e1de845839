import io
import logging
import sys
import threading
import warnings

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    RLELossless,
)

from tests.data.dicoms import (
    PLANTED,
    compressed,
    dataset,
    dicom,
    encapsulated,
    encoded,
    lossless_jpeg,
    lut,
)
from tests.data.images import encode, noise, pillow_gray, smooth
from tfcovid.data.dicom_header import dicom_facts, is_dicom
from tfcovid.data.dicom_pixels import dicom_to_png

MANY = 10**6
# Every gray level stands in it, and no symmetry.
IMAGE = noise(33, 47)
IMAGE.flat[:256] = np.arange(256)
DEEP = IMAGE.astype(np.uint16)
SHARE = IMAGE / 255


def _gray(content, max_pixels=MANY):
    with Image.open(io.BytesIO(dicom_to_png(content, max_pixels=max_pixels))) as image:
        assert image.mode == "L" and image.format == "PNG"
        return np.asarray(image)


def _refusal(content, max_pixels=MANY):
    with pytest.raises(ValueError) as caught:
        dicom_to_png(content, max_pixels=max_pixels)
    reason = str(caught.value)
    assert "\n" not in reason and len(reason) < 120
    assert not any(word in reason.lower() for word in PLANTED)
    return reason


def _stretched(bits):
    """Returns the image over the whole range of some bits, uint16."""
    return np.rint(SHARE * (2**bits - 1)).astype(np.uint16)


@pytest.mark.parametrize("kind", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize(
    ("stored", "bits"),
    [
        (IMAGE, 8),
        (DEEP, 8),
        (DEEP << 2, 10),
        (DEEP << 4, 12),
        (DEEP << 6, 14),
        (DEEP << 8, 16),
        (DEEP * 257, 16),
        *((_stretched(bits), bits) for bits in (9, 10, 11, 12, 13, 14, 15, 16)),
    ],
)
def test_image_stored_in_any_depth_comes_through_equal(stored, bits, kind):
    if kind == "MONOCHROME1":
        stored = (2**bits - 1 - stored).astype(stored.dtype)
    content = dicom(stored, bits_stored=bits, PhotometricInterpretation=kind)
    np.testing.assert_array_equal(_gray(content), IMAGE)


def test_monochrome1_that_was_inverted_before_it_was_shifted_comes_through_equal():
    stored = (255 - DEEP) << 4
    content = dicom(stored, bits_stored=12, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(_gray(content), IMAGE)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, RLELossless, JPEG2000Lossless])
def test_transfer_syntax_does_not_matter(syntax):
    stored = DEEP << 4
    if syntax == ImplicitVRLittleEndian:
        content = dicom(stored, bits_stored=12, syntax=syntax)
    else:
        content = compressed(stored, syntax, bits_stored=12)
    np.testing.assert_array_equal(_gray(content), IMAGE)


def test_big_endian_comes_through_equal():
    ds = dataset(DEEP << 4, bits_stored=12, syntax=ExplicitVRBigEndian)
    ds.PixelData = (DEEP << 4).astype(">u2").tobytes()
    np.testing.assert_array_equal(_gray(encoded(ds)), IMAGE)


def test_baseline_jpeg_comes_through_as_pillow_decodes_it():
    stream = encode(smooth(33, 47)[..., 0], "JPEG")
    content = encapsulated(IMAGE, stream, JPEGBaseline8Bit)
    np.testing.assert_array_equal(_gray(content), pillow_gray(stream))


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLossless])
def test_lossless_jpeg_comes_through_equal(syntax):
    stored = DEEP << 4
    content = encapsulated(stored, lossless_jpeg(stored, 12), syntax, bits_stored=12)
    np.testing.assert_array_equal(_gray(content), IMAGE)


def test_16_bits_stored_that_hold_12_are_12():
    np.testing.assert_array_equal(_gray(dicom(DEEP << 4)), IMAGE)
    np.testing.assert_array_equal(_gray(dicom((DEEP << 4).astype(np.int16))), IMAGE)


def test_signed_pixels_span_their_signed_range():
    stored = ((DEEP << 4).astype(np.int32) - 2048).astype(np.int16)
    np.testing.assert_array_equal(_gray(dicom(stored, bits_stored=12)), IMAGE)
    np.testing.assert_array_equal(_gray(dicom(stored)), IMAGE)


def test_full_scale_is_that_of_the_bits_not_of_the_picture():
    dark = IMAGE // 3
    np.testing.assert_array_equal(_gray(dicom(dark)), dark)
    content = dicom(dark.astype(np.uint16) << 4, bits_stored=12)
    np.testing.assert_array_equal(_gray(content), dark)


@pytest.mark.parametrize("kind", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (1, -1024), (2.5, 100), (0.001, 0)])
def test_rescale_alone_changes_nothing(slope, intercept, kind):
    stored = DEEP << 4 if kind == "MONOCHROME2" else 4095 - (DEEP << 4)
    content = dicom(
        stored,
        bits_stored=12,
        PhotometricInterpretation=kind,
        RescaleSlope=slope,
        RescaleIntercept=intercept,
    )
    np.testing.assert_array_equal(_gray(content), IMAGE)


def test_negative_slope_inverts():
    stored = 4095 - (DEEP << 4)
    content = dicom(stored, bits_stored=12, RescaleSlope=-1, RescaleIntercept=4095)
    np.testing.assert_array_equal(_gray(content), IMAGE)
    windowed = dicom(
        stored,
        bits_stored=12,
        RescaleSlope=-1,
        RescaleIntercept=4095,
        WindowCenter=2048,
        WindowWidth=4096,
    )
    np.testing.assert_array_equal(_gray(windowed), IMAGE)


@pytest.mark.parametrize("kind", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize(("slope", "intercept"), [(None, None), (1, -1024), (2, 30)])
def test_window_spans_black_to_white(slope, intercept, kind):
    # The image lies at 100 … 2650 of 12 bits; the window says so.
    stored = 100 + 10 * DEEP
    if kind == "MONOCHROME1":
        stored = 100 + 10 * (255 - DEEP)
    rescale = {} if slope is None else {"RescaleSlope": slope, "RescaleIntercept": intercept}
    scale, shift = slope or 1, intercept or 0
    # PS3.3 C.11.2.1.2.1: black at c - 0.5 - (w - 1) / 2, white at c - 0.5 + (w - 1) / 2.
    black, white = 100 * scale + shift, 2650 * scale + shift
    content = dicom(
        stored,
        bits_stored=12,
        PhotometricInterpretation=kind,
        WindowCenter=[(black + white + 1) / 2, 7],
        WindowWidth=[white - black + 1, 9],
        **rescale,
    )
    np.testing.assert_array_equal(_gray(content), IMAGE)


@pytest.mark.parametrize(
    ("stored", "bits", "width"),
    [
        (IMAGE, 8, 256),
        (DEEP << 4, 12, 4096),
        (DEEP << 4, 16, 4096),
        (_stretched(12), 12, 4096),
        (_stretched(12), 16, 4096),
        (_stretched(10), 16, 1024),
    ],
)
def test_window_over_the_whole_range_changes_nothing(stored, bits, width):
    content = dicom(stored, bits_stored=bits, WindowCenter=width / 2, WindowWidth=width)
    np.testing.assert_array_equal(_gray(content), IMAGE)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_window_equals_the_formula_of_the_standard(function):
    stored = np.random.default_rng(1).integers(0, 4096, (40, 51)).astype(np.uint16)
    centre, width = 1800.0, 900.0
    content = dicom(
        stored,
        bits_stored=12,
        WindowCenter=centre,
        WindowWidth=width,
        VOILUTFunction=function,
    )
    x = stored.astype(np.float64)
    if function == "LINEAR":
        share = (x - (centre - 0.5)) / (width - 1) + 0.5
    elif function == "LINEAR_EXACT":
        share = (x - centre) / width + 0.5
    else:
        share = 1 / (1 + np.exp(-4 * (x - centre) / width))
    expected = np.clip(share, 0, 1) * 255
    assert np.abs(_gray(content) - expected).max() <= 1
    assert _gray(content)[stored < 1300].max() < 60
    assert _gray(content)[stored > 2300].min() > 195


@pytest.mark.parametrize("kind", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_voi_lut_of_any_depth_is_applied(bits, kind):
    # An arbitrary order of 256 steps of 16; the LUT puts it in order again.
    order = np.random.default_rng(2).permutation(256)
    stored = (order[IMAGE] << 4).astype(np.uint16)
    gray = np.argsort(order) if kind == "MONOCHROME2" else 255 - np.argsort(order)
    table = np.repeat(gray << (bits - 8), 16)
    content = dicom(
        stored,
        bits_stored=12,
        PhotometricInterpretation=kind,
        VOILUTSequence=lut(table, bits=bits),
        WindowCenter=1,
        WindowWidth=1,
    )
    np.testing.assert_array_equal(_gray(content), IMAGE)


def test_voi_lut_starts_at_its_first_value_and_holds_its_ends():
    stored = np.clip(DEEP, 20, 200) + 1000
    table = np.arange(20, 201)
    content = dicom(stored, bits_stored=12, VOILUTSequence=lut(table, first=1020, bits=8))
    np.testing.assert_array_equal(_gray(content), np.clip(IMAGE, 20, 200))
    wider = dicom(DEEP + 1000, bits_stored=12, VOILUTSequence=lut(table, first=1020, bits=8))
    np.testing.assert_array_equal(_gray(wider), np.clip(IMAGE, 20, 200))


def test_voi_lut_follows_the_rescale():
    table = np.arange(256)
    content = dicom(
        DEEP,
        bits_stored=12,
        RescaleSlope=1,
        RescaleIntercept=-100,
        VOILUTSequence=lut(table, first=-100, bits=8),
    )
    np.testing.assert_array_equal(_gray(content), IMAGE)


@pytest.mark.parametrize("windowed", [False, True])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_modality_lut_is_applied(bits, windowed):
    order = np.random.default_rng(3).permutation(256)
    table = np.argsort(order) << (bits - 8)
    window = {"WindowCenter": 2 ** (bits - 1), "WindowWidth": 2**bits} if windowed else {}
    for stored in (order[IMAGE].astype(np.uint8), order[IMAGE].astype(np.uint16)):
        content = dicom(stored, ModalityLUTSequence=lut(table, bits=bits), **window)
        np.testing.assert_array_equal(_gray(content), IMAGE)


def test_colour_becomes_luma():
    colour = noise(40, 51, 3)
    np.testing.assert_array_equal(_gray(dicom(colour)), pillow_gray(encode(colour, "PNG")))
    deep = dicom(colour.astype(np.uint16) * 257)
    np.testing.assert_array_equal(_gray(deep), pillow_gray(encode(colour, "PNG")))
    ybr = dicom(
        np.asarray(Image.fromarray(colour).convert("YCbCr")), PhotometricInterpretation="YBR_FULL"
    )
    assert np.abs(_gray(ybr) - pillow_gray(encode(colour, "PNG"))).max() <= 2


def test_palette_becomes_luma():
    palette = noise(256, 3, seed=5)
    ds = dataset(IMAGE, PhotometricInterpretation="PALETTE COLOR")
    for channel, name in enumerate(("Red", "Green", "Blue")):
        ds.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [256, 0, 8])
        ds.add_new(f"{name}PaletteColorLookupTableData", "OW", palette[:, channel].tobytes())
    expected = pillow_gray(encode(palette[IMAGE], "PNG"))
    np.testing.assert_array_equal(_gray(encoded(ds)), expected)


def test_several_frames_are_refused_rather_than_all_but_the_first_dropped():
    frames = np.stack([IMAGE, 255 - IMAGE])
    ds = dataset(IMAGE, NumberOfFrames=2)
    ds.PixelData = frames.tobytes()
    assert _refusal(encoded(ds), MANY) == "2 frames: expected one film"
    assert _refusal(encoded(ds), 2 * IMAGE.size - 1) == (
        f"too large: 47 by 33 by 2 frames is more than {2 * IMAGE.size - 1} pixels"
    )


def test_graph_decodes_the_png_to_the_same_image():
    tf = pytest.importorskip("tensorflow")
    png = dicom_to_png(dicom(DEEP << 4, bits_stored=12), max_pixels=MANY)
    from tfcovid.data.decode import decode_gray

    np.testing.assert_array_equal(decode_gray(tf.constant(png)).numpy()[..., 0], IMAGE)


def test_png_holds_nothing_of_the_patient():
    content = dicom(DEEP << 4, bits_stored=12)
    assert b"Zimperlein" in content
    png = dicom_to_png(content, max_pixels=MANY).lower()
    assert not any(word.encode() in png for word in PLANTED)
    assert [png[at : at + 4] for at in (12, 37)] == [b"ihdr", b"idat"]


def test_facts_are_those_of_the_header():
    content = dicom(IMAGE, PhotometricInterpretation="MONOCHROME1")
    assert is_dicom(content)
    assert not is_dicom(encode(IMAGE, "PNG"))
    assert not is_dicom(b"")
    assert dicom_facts(content, MANY) == (47, 33, "MONOCHROME1")


def test_no_pixels_is_a_reason():
    assert _refusal(dicom()).startswith("no pixels")


@pytest.mark.parametrize("make", [dicom, compressed])
def test_every_cut_is_refused_by_the_header_already(make):
    content = make(noise(34, 48))
    # Of compressed pixels the last 8 bytes only say that they end there.
    for length in [*range(132, len(content) - 9, 13), len(content) - 9]:
        with pytest.raises(ValueError, match=r"damaged|no pixels"):
            dicom_facts(content[:length], MANY)
    assert (
        _refusal(content[:-9]) == "damaged or cut off: the pixels of the DICOM file are not whole"
    )


def test_claims_are_checked_before_anything_is_decoded():
    content = dicom(IMAGE, Rows=60_000, Columns=60_000)
    assert _refusal(content) == "too large: 60000 by 60000 is more than 1000000 pixels"
    assert dicom_facts(dicom(IMAGE), IMAGE.size) == (47, 33, "MONOCHROME2")
    with pytest.raises(ValueError, match="too large: 47 by 33 is more than 1550 pixels"):
        dicom_facts(dicom(IMAGE), IMAGE.size - 1)
    assert _refusal(dicom(IMAGE, Rows=34)).startswith("damaged or cut off")
    for claim in ({"Rows": 0}, {"Columns": None}, {"BitsStored": None}, {"BitsStored": 9}):
        assert _refusal(dicom(IMAGE, **claim)).startswith("damaged: the DICOM file does")


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEG2000Lossless])
def test_compressed_picture_of_another_size_than_claimed_is_refused(syntax):
    large = noise(300, 400)
    kind = "JPEG" if syntax == JPEGBaseline8Bit else "JPEG2000"
    options = {} if kind == "JPEG" else {"no_jp2": True}
    content = encapsulated(IMAGE, encode(large, kind, **options), syntax)
    assert _refusal(content).startswith("damaged or cut off")


def test_transfer_syntax_that_nothing_decodes_is_named():
    assert "deflated" in _refusal(dicom(IMAGE, syntax=DeflatedExplicitVRLittleEndian))
    film = encapsulated(IMAGE, bytes(100), MPEG2MPML)
    assert _refusal(film) == f"transfer syntax {MPEG2MPML.name} is not supported"
    unknown = dicom(IMAGE).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0")
    assert _refusal(unknown) == "transfer syntax of an unknown name is not supported"


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"PhotometricInterpretation": "CMYK"}, "its photometric interpretation is not supported"),
        ({"PhotometricInterpretation": "RGB"}, "its photometric interpretation is not supported"),
        ({"RescaleSlope": 0, "RescaleIntercept": 0}, "its VOI LUT or window cannot be applied"),
        ({"WindowCenter": 5, "WindowWidth": 0}, "its VOI LUT or window cannot be applied"),
        ({"VOILUTSequence": lut([1, 2], bits=40)}, "its VOI LUT or window cannot be applied"),
        (
            {"ModalityLUTSequence": lut([1], bits=0)},
            "its modality LUT or rescale cannot be applied",
        ),
    ],
)
def test_what_cannot_be_applied_is_a_reason(elements, reason):
    assert _refusal(dicom(IMAGE, **elements)) == reason


def test_damaged_bytes_are_refused_or_shown_and_never_quoted(capfd, monkeypatch):
    shown = io.StringIO()
    # As the handler that absl puts on the root logger.
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler(shown)])
    generator = np.random.default_rng(4)
    contents = [
        dicom(DEEP << 4, bits_stored=12, VOILUTSequence=lut(range(4096))),
        compressed(IMAGE),
        compressed(IMAGE, JPEG2000Lossless),
    ]
    for content in contents:
        for _ in range(150):
            damaged = bytearray(content)
            for place in generator.integers(132, min(len(content), 1500), 3):
                damaged[place] = generator.integers(256)
            try:
                png = dicom_to_png(bytes(damaged), max_pixels=MANY)
            except ValueError as error:
                assert not any(word in str(error).lower() for word in PLANTED)
            else:
                assert png.startswith(b"\x89PNG")
    assert not shown.getvalue()
    assert not any(word in capfd.readouterr().err.lower() for word in PLANTED)


def test_warnings_of_pydicom_stay_inside_of_every_thread():
    # A value that its type does not allow: pydicom warns and repeats it.
    content = dicom(IMAGE).replace(b"DX", b"dx")
    content = content.replace(b"CS\x0c\x00MONOCHROME2 ", b"CS\x0c\x00monochrome2 ")
    assert b"monochrome2" in content
    leaked = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")

        def convert():
            try:
                dicom_to_png(content, max_pixels=MANY)
            except ValueError as error:
                leaked.append(str(error))

        threads = [threading.Thread(target=convert) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert leaked == ["its photometric interpretation is not supported"] * 4
    assert not caught


def test_absent_pydicom_is_one_line(monkeypatch):
    content = dicom(IMAGE)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    assert _refusal(content) == "DICOM files need pydicom: pip install -r requirements-dicom.txt"
