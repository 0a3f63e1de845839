"""Reads what the header of a DICOM file says of its pixels, and refuses what cannot be shown.

Only elements that are named are taken from a file; of a patient, PIXEL_TAGS names nothing. pydicom
is an optional package, and is imported where it is used.
"""

import contextlib
import io
import logging
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from tfcovid.data.dicom_modalities import no_radiograph_reason

NEEDS_PYDICOM = "DICOM files need pydicom: pip install -r requirements-dicom.txt"
NOT_WHOLE = "damaged or cut off: the pixels of the DICOM file are not whole"
BARE = (
    "a DICOM stream without preamble: its first 128 bytes and the mark DICM are missing; export it "
    "as a DICOM file"
)
DAMAGED = "damaged or cut off: the pixels of the DICOM file do not decode"

# What pydicom raises on bytes that are no DICOM, beside its own kinds of these.
DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")

PIXEL_TAGS = (
    "Modality",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "VOILUTFunction",
    "WindowCenter",
    "WindowWidth",
    *(
        f"{segmented}{colour}PaletteColorLookupTable{part}"
        for colour in ("Red", "Green", "Blue")
        for segmented, part in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
    ),
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "PixelData",
)

_READERS = ("pydicom", "pylibjpeg", "libjpeg", "openjpeg")
_READER_MODULES = rf"({'|'.join(_READERS)})(\.|$)"
_FILTERS = threading.Lock()
_PIXEL_DATA_TAG = b"\xe0\x7f\x10\x00"
# Inflating has no limit in pydicom, so a small file could fill the memory.
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_META_BYTES = 4096
# Of a file's meta information, and of what the image is: an element of them comes first.
_FIRST_GROUPS = (0x0002, 0x0008)


class UnusableDicomError(ValueError):
    """Why a DICOM file cannot be used, in words that quote nothing of it."""


def is_dicom(content: bytes) -> bool:
    """Returns whether a file is DICOM, by its first 132 bytes."""
    return content[128:132] == b"DICM"


def is_bare_dicom(content: bytes) -> bool:
    """Returns whether a file begins with elements of DICOM, without the preamble of a DICOM file.

    Archives and networks hand out such streams. What their elements are coded in is not said.
    """
    if len(content) < 12:
        return False
    group, element, length = struct.unpack_from("<HHI", content)
    if group not in _FIRST_GROUPS:
        return False
    if re.fullmatch(rb"[A-Z]{2}", content[4:6]):  # a type of value
        return True
    behind = content[8 + length : 12 + length]
    return len(behind) == 4 and struct.unpack("<HH", behind) > (group, element)


def dicom_facts(
    content: bytes, max_pixels: int, *, radiograph: bool = False
) -> tuple[int, int, str]:
    """Returns (width, height, photometric interpretation) of a DICOM file, nothing decoded.

    Args:
      content: the whole file.
      max_pixels: the largest width × height.
      radiograph: whether a file is refused that states the modality of another machine. Readers
        of data sets see to that themselves.

    Raises:
      ValueError: if pydicom is not installed; if the file is cut off, has no pixels, more than
        `max_pixels` of them, or pixels of a kind that cannot be read; if it has to be a radiograph
        and says that it is none. The message is a reason for `rejected.csv`: it has no line break
        and holds nothing of the patient.
    """
    dataset = read_pixel_elements(content, max_pixels, radiograph=radiograph)
    return int(dataset.Columns), int(dataset.Rows), str(dataset.PhotometricInterpretation)


def require_pydicom() -> None:
    """Imports pydicom and keeps its warnings and log quiet: they repeat what stands in the file.

    A filter belongs to the process, so that one for a while would leak between threads: this one
    stays. What is wrong with a file is said by the errors here.

    Raises:
      ValueError: if pydicom is not installed.
    """
    try:
        import pydicom  # noqa: F401
    except ModuleNotFoundError as error:
        raise ValueError(NEEDS_PYDICOM) from error
    quiet = ("ignore", None, Warning, re.compile(_READER_MODULES), 0)
    with _FILTERS:
        if quiet not in warnings.filters:
            warnings.filterwarnings("ignore", module=_READER_MODULES)
    for name in _READERS:
        logger = logging.getLogger(name)
        logger.propagate = False
        if not logger.handlers:
            # Without one, Python shows warnings on stderr.
            logger.addHandler(logging.NullHandler())


def read_elements(stream: BinaryIO, tags: Sequence[str], *, pixels: bool) -> Any:
    """Returns the named elements of a DICOM file, and never looks at others.

    Args:
      stream: the file, at its start.
      tags: DICOM's keywords.
      pixels: whether what follows the header is read too.

    Returns:
      A pydicom FileDataset; elements that are not there, or after the place where the file is cut
      off, are missing in it.

    Raises:
      ValueError: if pydicom is not installed, or the file is deflated or cannot be parsed.
    """
    require_pydicom()
    import pydicom

    start = stream.read(_META_BYTES)
    if not is_dicom(start):
        raise UnusableDicomError("not a DICOM file: the mark DICM is missing")
    if _DEFLATED in start:
        raise UnusableDicomError("DICOM of the deflated transfer syntax is not supported")
    stream.seek(0)
    with reason_for_damage("damaged: the header of the DICOM file cannot be read"):
        return pydicom.dcmread(stream, stop_before_pixels=not pixels, specific_tags=list(tags))


@contextlib.contextmanager
def reason_for_damage(text: str) -> Iterator[None]:
    """Turns whatever a damaged file makes pydicom raise into a reason that quotes nothing of it."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    try:
        yield
    except UnusableDicomError:
        raise
    except (*DAMAGE, BytesLengthException, InvalidDicomError):
        raise UnusableDicomError(text) from None


def read_pixel_elements(content: bytes, max_pixels: int, *, radiograph: bool = False) -> Any:
    """Returns the elements of PIXEL_TAGS, checked.

    Raises:
      ValueError: as `dicom_facts`.
    """
    dataset = read_elements(io.BytesIO(content), PIXEL_TAGS, pixels=True)
    with reason_for_damage("damaged: the DICOM file does not say how to read its pixels"):
        if radiograph:
            _check_modality(dataset)
        if "PixelData" not in dataset:
            raise UnusableDicomError(
                NOT_WHOLE
                if _PIXEL_DATA_TAG in content
                else "no pixels: a DICOM file of another kind, or cut off before them"
            )
        _check_size(dataset, max_pixels)
        _check_kind(dataset)
        _check_transfer_syntax(dataset)
    return dataset


def _check_modality(dataset: Any) -> None:
    """Raises ValueError if the file says that it comes from another machine than one for films."""
    reason = no_radiograph_reason(str(dataset.get("Modality") or "").strip())
    if reason is not None:
        raise UnusableDicomError(reason)


def _check_size(dataset: Any, max_pixels: int) -> None:
    """Raises ValueError if there are too many pixels, less than one, or several pictures."""
    width, height = int(dataset.Columns), int(dataset.Rows)
    frames = int(dataset.get("NumberOfFrames") or 1)
    if min(width, height, frames) < 1:
        raise ValueError
    if width * height * frames > max_pixels:
        many = f" by {frames} frames" if frames > 1 else ""
        raise UnusableDicomError(
            f"too large: {width} by {height}{many} is more than {max_pixels} pixels"
        )
    if frames > 1:
        raise UnusableDicomError(f"{frames} frames: expected one film")


def _check_kind(dataset: Any) -> None:
    """Raises ValueError if pixels are of a kind that is not shown here."""
    stored, allocated = int(dataset.BitsStored), int(dataset.BitsAllocated)
    if not 1 <= stored <= allocated:
        raise ValueError
    if allocated > 16:
        raise UnusableDicomError(f"{allocated} bits a pixel: expected 16 or fewer")
    kind = str(dataset.PhotometricInterpretation)
    samples = 3 if kind in COLOUR else 1
    if kind not in (*MONOCHROME, PALETTE, *COLOUR) or dataset.SamplesPerPixel != samples:
        raise UnusableDicomError("its photometric interpretation is not supported")


def _check_transfer_syntax(dataset: Any) -> None:
    """Raises ValueError if nothing here decodes the pixels, or uncompressed ones are cut off."""
    from pydicom.pixels import get_decoder
    from pydicom.pixels.utils import get_expected_length

    uid = dataset.file_meta.get("TransferSyntaxUID")
    if not uid:
        raise UnusableDicomError("damaged: the DICOM file states no transfer syntax")
    # A name stands only for a UID that DICOM defines.
    name = uid.name if uid.name != str(uid) else "of an unknown name"
    try:
        decoder = get_decoder(uid)
    except NotImplementedError:
        raise UnusableDicomError(f"transfer syntax {name} is not supported") from None
    if not decoder.is_available:
        raise UnusableDicomError(
            f"transfer syntax {name} needs a decoder: pip install -r requirements-dicom.txt"
        )
    whole = uid.is_encapsulated or len(dataset.PixelData) >= get_expected_length(dataset)
    if not whole:
        raise UnusableDicomError(NOT_WHOLE)
