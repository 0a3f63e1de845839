"""What the files of images say before anything is decoded: bytes, size, colour mode."""

import concurrent.futures
import contextlib
import hashlib
import io
import os
import pathlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd
from PIL import Image, UnidentifiedImageError

from tfcovid.data.dicom_header import BARE, dicom_facts, is_bare_dicom, is_dicom
from tfcovid.data.dicom_pixels import dicom_to_png
from tfcovid.data.image_blocks import GIF, JPEG, PNG, frames_in
from tfcovid.data.sources.reading import TEXT, Category, aside

FACT_TYPES: dict[str, Any] = {
    "sha256": TEXT,
    "width": pd.Int64Dtype(),
    "height": pd.Int64Dtype(),
    "mode": TEXT,
    "format": TEXT,
}
# Those that Pillow reads and the TensorFlow graph decodes; DICOM is turned into PNG for both.
FORMATS = ("JPEG", "PNG", "GIF")
DICOM = "DICOM"
SIGNATURES = (JPEG, PNG, GIF)
# Progressive JPEG files have about 10 scans. Each goes over every pixel, so that a small file with
# thousands of them would keep the decoder busy for hours.
MAX_JPEG_SCANS = 100
_START_OF_SCAN = b"\xff\xda"
# The largest detectors have 4,300 × 4,300 pixels; a small file can claim any number.
DEFAULT_MAX_PIXELS = 50_000_000
# Pillow itself refuses from twice MAX_IMAGE_PIXELS on, and warns below.
HIGHEST_MAX_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)
# A smaller picture is a thumbnail or an icon: no finding could be seen in it.
MIN_SIDE_PX = 32
PROGRESS_EVERY = 100
# Reading waits for slow storage more than for a core. Where files come faster than this, seconds
# each, from memory and small, one thread reads them two to three times as fast as sixteen, which
# wait for the interpreter and for one another.
READS_A_CORE = 8
FAST_S = 0.25e-3


def scan_files(
    rows: pd.DataFrame,
    root: pathlib.Path,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the facts of the files, and the files that cannot be images.

    Only headers are read as images: a file that is cut off further on still passes.

    Args:
      rows: columns image and path (relative to `root`).
      root: the data folder.
      max_pixels: the largest width × height, 1 to 178 million (twice Pillow's own limit).
      progress: called with (files done, files in all) now and then; None for silence.

    Returns:
      The facts, indexed by the index of the good rows: sha256, mode (Pillow's name: "L", "RGB",
      "I;16" …; of DICOM the photometric interpretation, such as "MONOCHROME1") and format ("JPEG",
      "PNG", "GIF" or "DICOM") text, width and height in pixels; and the rejected rows, columns
      image, path, reason, category.

    Raises:
      ValueError: if max_pixels is out of its range.
    """
    if not 1 <= max_pixels <= HIGHEST_MAX_PIXELS:
        raise ValueError(f"max_pixels: expected 1 to {HIGHEST_MAX_PIXELS}. Received: {max_pixels}.")
    paths = [root / path for path in rows["path"]]
    found: list[tuple | str] = []
    # Set here and not in each thread, because filters belong to the process.
    with _without_pillows_warnings():
        for fact in _in_order(paths, lambda path: _facts_or_reason(path, max_pixels)):
            found.append(fact)
            if progress and (len(found) % PROGRESS_EVERY == 0 or len(found) == len(paths)):
                progress(len(found), len(paths))
    bad = pd.Series([isinstance(fact, str) for fact in found], index=rows.index, dtype=bool)
    facts = pd.DataFrame(
        [fact for fact in found if not isinstance(fact, str)],
        index=rows.index[~bad],
        columns=list(FACT_TYPES),
    ).astype(FACT_TYPES)
    reasons = [fact for fact in found if isinstance(fact, str)]
    bad_rows = rows.loc[bad]
    return facts, aside(bad_rows, Category.BAD_FILE, pd.Series(reasons, bad_rows.index, TEXT))


def _in_order(
    paths: Sequence[pathlib.Path], facts_of: Callable[[pathlib.Path], tuple | str]
) -> Iterator[tuple | str]:
    """Yields what is found of each file, by one thread for as long as the files come fast."""
    for start in range(0, len(paths), PROGRESS_EVERY):
        part = paths[start : start + PROGRESS_EVERY]
        began = time.perf_counter()
        found = [facts_of(path) for path in part]
        seconds = time.perf_counter() - began
        yield from found
        if seconds > FAST_S * len(part):
            rest = paths[start + len(part) :]
            break
    else:
        return
    with concurrent.futures.ThreadPoolExecutor(READS_A_CORE * (os.cpu_count() or 1)) as pool:
        yield from pool.map(facts_of, rest)


def size_or_reason(
    content: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS, radiograph: bool = False
) -> tuple[int, int] | str:
    """Returns (width, height) by the header of a file, or why its bytes are no image to classify.

    Args:
      content: the whole file.
      max_pixels: the largest width × height, 1 to `HIGHEST_MAX_PIXELS`.
      radiograph: whether a DICOM file of another modality is refused, as in `dicom_facts`.
    """
    with _without_pillows_warnings():
        header = _header_or_reason(content, max_pixels, radiograph=radiograph)
    return header if isinstance(header, str) else header[:2]


def encoded_image(path: str | os.PathLike[str], max_pixels: int = DEFAULT_MAX_PIXELS) -> bytes:
    """Returns a file as the TensorFlow graph decodes it: DICOM as a gray PNG, any other as it is.

    Args:
      path: an image file.
      max_pixels: the largest width × height × frames of a DICOM file; others are not looked into.

    Raises:
      ValueError: if the file cannot be read, or is a DICOM file that cannot be shown; the message
        is the reason alone.
    """
    try:
        content = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    return dicom_to_png(content, max_pixels=max_pixels) if is_dicom(content) else content


@contextlib.contextmanager
def _without_pillows_warnings() -> Iterator[None]:
    """Keeps what Pillow says of sizes and of damaged notes in a header off the terminal."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _facts_or_reason(path: pathlib.Path, max_pixels: int) -> tuple[str, int, int, str, str] | str:
    """Returns (sha256, width, height, mode, format) of a file, or why it is no usable image."""
    if path.exists() and not path.is_file():
        return "no regular file"
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    header = _header_or_reason(content, max_pixels)
    if isinstance(header, str):
        return header
    return hashlib.sha256(content).hexdigest(), *header


def _header_or_reason(
    content: bytes, max_pixels: int, *, radiograph: bool = False
) -> tuple[int, int, str, str] | str:
    """Returns (width, height, mode, format) of an image, or why the bytes are no usable image."""
    if not content:
        return "empty file (0 bytes)"
    if is_dicom(content):
        try:
            width, height, mode = dicom_facts(content, max_pixels, radiograph=radiograph)
        except ValueError as error:
            return str(error)
        kind = DICOM
    else:
        header = _pillow_header_or_reason(content, max_pixels)
        if isinstance(header, str):
            return header
        width, height, mode, kind = header
        if content.startswith(JPEG) and content.count(_START_OF_SCAN) > MAX_JPEG_SCANS:
            return f"not decoded: a JPEG file of more than {MAX_JPEG_SCANS} scans"
    if width * height > max_pixels:
        return f"too large: {width} by {height} is more than {max_pixels} pixels"
    if min(width, height) < MIN_SIDE_PX:
        return f"too small: {width} by {height}, both sides must have {MIN_SIDE_PX} pixels or more"
    try:
        frames = frames_in(content)
    except ValueError as error:
        return str(error)
    # The graph would take the first one for all of them; DICOM has said so before.
    return f"{frames} frames: expected one film" if frames > 1 else (width, height, mode, kind)


def _pillow_header_or_reason(content: bytes, max_pixels: int) -> tuple[int, int, str, str] | str:
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            return *image.size, image.mode, str(image.format)
    except Image.DecompressionBombError:
        return f"too large: more than {max_pixels} pixels"
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        if content.startswith(SIGNATURES):
            return "damaged or cut off: the header of the image is not whole"
        if is_bare_dicom(content):
            return BARE
        return f"not an image in one of the formats {', '.join(FORMATS)}, nor a DICOM file"
