"""The pixels of a data set, one image after the other: decoded files, or records made before."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tfcovid.data.copies.fingerprint import THUMBNAIL_PX
from tfcovid.data.decode_files import Outcome, decode_files
from tfcovid.data.image_files import DEFAULT_MAX_PIXELS
from tfcovid.data.lung_masks import LungMasks
from tfcovid.data.preprocess import Preprocessing, apply_view
from tfcovid.data.records import RecordSquares
from tfcovid.data.sources.reading import Reading

# The thumbnails are made beside squares; where nobody wants these, they may be small.
SMALLEST = Preprocessing(image_size=8)


def squares_of(
    reading: Reading,
    paths: Sequence[str],
    preprocessing: Preprocessing,
    *,
    masks: LungMasks | None = None,
    num_parallel_calls: int | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    records: RecordSquares | None = None,
) -> Iterator[Outcome]:
    """Returns, in order, the square and the thumbnail of each image, or why there are none.

    The same image gives the same pixels from its file as from a record of it.

    Args:
      reading: where the images are: files below its root, or records there.
      paths: of images, as in `reading.rows`.
      preprocessing: makes the squares.
      masks: what the view paints around, in place of the fixed box.
      num_parallel_calls: files decoded at a time; None or 0 lets tf.data choose.
      max_pixels: the largest width × height × frames of a DICOM file.
      records: what `records_of` gave of the reading, if it was asked before.

    Returns:
      Of each image (uint8 [image_size, image_size, 1] with the view applied, uint8 [96, 96] of the
      whole image, whether the chain found what it looks for), or text.

    Raises:
      ValueError: if records are of another image size, damaged, or asked for another chain.
    """
    if reading.facts is None:
        files = [str(reading.root / path) for path in paths]
        if masks is None:
            return decode_files(files, preprocessing, num_parallel_calls, max_pixels=max_pixels)
        full = dataclasses.replace(preprocessing, view="full")
        squares = decode_files(files, full, num_parallel_calls, max_pixels=max_pixels)
    else:
        records = records or records_of(reading, preprocessing)
        squares = records(paths)
    return _painted(squares, paths, preprocessing, masks)


def records_of(reading: Reading, preprocessing: Preprocessing) -> RecordSquares:
    """Returns the records that a reading is of.

    Args:
      reading: of a folder of records.
      preprocessing: what the squares are wanted for.

    Raises:
      ValueError: if they are of another image size, or asked for another chain.
    """
    if preprocessing.chain != "plain":
        raise ValueError(
            f"--preprocessing={preprocessing.chain}: the records in {reading.root} hold whole "
            "images made small, which it would cut otherwise than their files; name the folder "
            "of the image files"
        )
    records = RecordSquares(reading.root)
    if records.image_size != preprocessing.image_size:
        raise ValueError(
            f"--image_size={preprocessing.image_size}: the records in {reading.root} are of "
            f"{records.image_size} px; ask for that, or prepare others"
        )
    return records


def _painted(
    outcomes: Iterator[Outcome],
    paths: Sequence[str],
    preprocessing: Preprocessing,
    masks: LungMasks | None,
) -> Iterator[Outcome]:
    """Yields the outcomes with the view painted over squares of the full view."""
    for path, outcome in zip(paths, outcomes, strict=True):
        if isinstance(outcome, str):
            yield outcome
            continue
        square, thumbnail, found = outcome
        inside = masks(path, preprocessing.image_size) if masks else None
        if isinstance(inside, str):
            yield inside
        else:
            yield np.asarray(apply_view(square, preprocessing.view, inside)), thumbnail, found


def thumbnails_of(
    reading: Reading,
    paths: Sequence[str],
    *,
    num_parallel_calls: int | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, dict[int, str]]:
    """Returns the thumbnails that copies are looked for in, and why some images have none.

    Args:
      reading: where the images are.
      paths: of images, as in `reading.rows`.
      num_parallel_calls: files decoded at a time; None or 0 lets tf.data choose.
      max_pixels: the largest width × height × frames of a DICOM file.
      progress: called with (images done, images in all) after each.

    Returns:
      uint8 [n, 96, 96], zero where there is none; the reason by position.
    """
    if reading.facts is None:
        files = [str(reading.root / path) for path in paths]
        outcomes = decode_files(files, SMALLEST, num_parallel_calls, max_pixels=max_pixels)
    else:
        outcomes = RecordSquares(reading.root)(paths)
    thumbnails = np.zeros((len(paths), THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)
    failures: dict[int, str] = {}
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, str):
            failures[index] = outcome
        else:
            thumbnails[index] = outcome[1]
        if progress is not None:
            progress(index + 1, len(paths))
    return thumbnails, failures
