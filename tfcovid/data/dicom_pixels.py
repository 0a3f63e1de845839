"""Turns DICOM files into 8-bit gray PNG files, which the TensorFlow graph decodes as any other."""

import contextlib
import io
from typing import Any

import numpy as np
from PIL import Image, Jpeg2KImagePlugin, JpegImagePlugin

from tfcovid.data.dicom_header import (
    DAMAGED,
    MONOCHROME,
    PALETTE,
    read_pixel_elements,
    reason_for_damage,
)

# Pillow reads the size of these without decoding.
_STREAMS = (
    (b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    (b"\xff\x4f\xff\x51", Jpeg2KImagePlugin.Jpeg2KImageFile),
)
_DETECTOR_BITS = (8, 10, 12, 14, 16)


def dicom_to_png(content: bytes, *, max_pixels: int, radiograph: bool = False) -> bytes:
    """Returns the picture of a DICOM file as its maker meant it to be shown, as a gray PNG file.

    Stored values go through the modality LUT or rescale, then through the first VOI LUT, else the
    first window, else nothing, then linearly to 8 bits; MONOCHROME1 is inverted. Colour becomes
    Rec. 601 luma. Overlays are not drawn.

    Without VOI LUT and window the full scale is the stored range, never the range of the values
    in this picture: stretched to its own minimum and maximum, a pale film would look like a dark
    one, and one bright marker would darken the lungs around it. The stored range is that of Bits
    Stored; where that says 16, which many exporters write whatever the detector had, it is the
    least of 8, 10, 12, 14 and 16 bits that holds the brightest pixel, as for a 16-bit PNG in
    `decode.scale_to_8_bit`.

    Args:
      content: the whole file.
      max_pixels: the largest width × height.
      radiograph: whether a file of another modality is refused, as in `dicom_facts`.

    Returns:
      A PNG file, 8-bit gray, of the same width and height, without any text in it.

    Raises:
      ValueError: as `dicom_facts`, and if the pixels do not decode or a LUT or window is invalid.

    Source: DICOM PS3.3, C.7.6.3 (pixels), C.11.1 (modality LUT), C.11.2 (VOI LUT); PS3.4, N.2.
    """
    dataset = read_pixel_elements(content, max_pixels, radiograph=radiograph)
    with reason_for_damage(DAMAGED):
        picture = _picture(dataset)
    encoded = io.BytesIO()
    # The file lives until it is decoded, a moment later.
    picture.save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def _picture(dataset: Any) -> Image.Image:
    """Returns the picture in 8-bit gray."""
    from pydicom.pixels import pixel_array

    _check_stream_size(dataset)
    stored = pixel_array(dataset, index=0)
    if dataset.PhotometricInterpretation in MONOCHROME:
        return Image.fromarray(_monochrome(stored, dataset))
    with reason_for_damage("its colour palette cannot be applied"):
        return Image.fromarray(_colour(stored, dataset)).convert("L")


def _check_stream_size(dataset: Any) -> None:
    """Raises ValueError if compressed pixels claim another size than the checked header."""
    from pydicom.encaps import get_frame

    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    table = [dataset.get(name) for name in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")]
    frame = get_frame(
        dataset.PixelData,
        0,
        extended_offsets=(table[0], table[1]) if all(table) else None,
        number_of_frames=int(dataset.get("NumberOfFrames") or 1),
    )
    for mark, reader in _STREAMS:
        # Pillow does not know every kind of JPEG that DICOM allows.
        with contextlib.suppress(OSError, SyntaxError):
            if frame.startswith(mark):
                size = reader(io.BytesIO(frame)).size
                if min(size) > 0 and size != (dataset.Columns, dataset.Rows):
                    raise ValueError


def _monochrome(stored: np.ndarray, dataset: Any) -> np.ndarray:
    """Returns 8-bit gray, uint8 [height, width]."""
    # Every step is one of single values, of which there are far fewer than pixels.
    least, greatest = int(stored.min()), int(stored.max())
    values = np.arange(least, greatest + 1, dtype=np.int32)
    low: float
    high: float
    low, high = _stored_range(dataset, least, greatest)
    with reason_for_damage("its modality LUT or rescale cannot be applied"):
        values, low, high = _through_modality(values, low, high, dataset)
    with reason_for_damage("its VOI LUT or window cannot be applied"):
        values, low, high = _through_voi(values, low, high, dataset)
        table = _to_8_bit(values, low, high)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        table = 255 - table
    return table[stored.astype(np.int32) - least]


def _colour(stored: np.ndarray, dataset: Any) -> np.ndarray:
    """Returns RGB, uint8 [height, width, 3]."""
    from pydicom.pixels import apply_color_lut

    if dataset.PhotometricInterpretation == PALETTE:
        stored = apply_color_lut(stored, dataset)
        return _to_8_bit(stored[..., :3], 0, np.iinfo(stored.dtype).max)
    return _to_8_bit(stored, 0, 2 ** int(dataset.BitsStored) - 1)


def _to_8_bit(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Returns values on the 8-bit scale from black at `low` to white at `high`, uint8.

    The picture on the scale of 16 bits keeps its upper byte. So an 8-bit image comes back equal
    from every way to store it in more bits, shifted (v * 16) or stretched (v * 4095 / 255).
    """
    if not (np.isfinite([low, high]).all() and low != high):
        raise ValueError("expected two ends of the scale")
    share = np.clip((values - float(low)) / (float(high) - float(low)), 0, 1)
    return (np.rint(share * 65535).astype(np.uint16) >> 8).astype(np.uint8)


def _stored_range(dataset: Any, least: int, greatest: int) -> tuple[int, int]:
    """Returns the least and the greatest value that a pixel could have had."""
    bits = int(dataset.BitsStored)
    signed = dataset.get("PixelRepresentation") == 1
    if bits == 16:
        signed = least < 0
        bits = _bits_that_hold(max(greatest, -least - 1) * (2 if signed else 1))
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def _bits_that_hold(brightest: int) -> int:
    return next(bits for bits in _DETECTOR_BITS if brightest < 2**bits)


def _through_modality(
    values: np.ndarray, low: float, high: float, dataset: Any
) -> tuple[np.ndarray, float, float]:
    """Returns the values and the ends of their scale after the modality LUT or rescale."""
    from pydicom.pixels import apply_modality_lut

    if dataset.get("ModalityLUTSequence"):
        bits = _widened(dataset.ModalityLUTSequence[0])
        values = apply_modality_lut(values, dataset).astype(np.int32)
        return values, 0, _lut_high(bits, values)
    ends = apply_modality_lut(np.array([low, high]), dataset)
    return apply_modality_lut(values, dataset), min(ends), max(ends)


def _through_voi(
    values: np.ndarray, low: float, high: float, dataset: Any
) -> tuple[np.ndarray, float, float]:
    """Returns the values and the ends of their scale after the first VOI LUT or window."""
    from pydicom.pixels import apply_voi, apply_windowing

    luts = dataset.get("VOILUTSequence")
    if luts and luts[0].get("LUTDescriptor") and luts[0].get("LUTData") is not None:
        bits = _widened(luts[0])
        values = apply_voi(np.rint(values).astype(np.int32), dataset)
        return values, 0, _lut_high(bits, values)
    if dataset.get("WindowCenter") is None or dataset.get("WindowWidth") is None:
        return values, low, high
    # What pydicom makes of the ends of the window depends on the elements before it: ask it.
    dark, bright = apply_windowing(np.array([-np.inf, np.inf]), dataset)
    return apply_windowing(values, dataset), dark, bright


def _widened(lut: Any) -> int:
    """Returns the bits of a LUT's entries, and has pydicom count them as 16.

    pydicom 3.0 keeps the index into a VOI LUT in the type of its entries, so that one from 12 bits
    to 8 would wrap around, and refuses a modality LUT with entries of 10 to 15 bits.
    """
    entries, first, bits = (int(number) for number in lut.LUTDescriptor)
    if not 1 <= bits <= 16:
        raise ValueError("expected 1 to 16 bits")
    lut.LUTDescriptor = [entries, first, 16]
    return bits


def _lut_high(bits: int, values: np.ndarray) -> int:
    """Returns the value of white: like Bits Stored, 16 is often written of a table with fewer."""
    return 2 ** (_bits_that_hold(int(values.max())) if bits == 16 else bits) - 1
