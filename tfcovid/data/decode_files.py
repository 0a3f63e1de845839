"""All files of a data set decoded once, in order: the square of each, its thumbnail, or why not."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfcovid.data.copies.fingerprint import THUMBNAIL_PX
from tfcovid.data.decode import decode_gray
from tfcovid.data.dicom_header import is_dicom
from tfcovid.data.image_files import DEFAULT_MAX_PIXELS, encoded_image
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.resizing import square_resize

Outcome = tuple[np.ndarray, np.ndarray, bool] | str
"""A square, a thumbnail and whether lungs were found, or the reason why there are none."""

DICOM_HEADER_BYTES = 132  # a preamble of 128 bytes, then DICM


def decode_files(
    paths: Sequence[str],
    preprocessing: Preprocessing,
    num_parallel_calls: int | None = None,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Iterator[Outcome]:
    """Yields, in order, the square and the thumbnail of each file, or why there are none.

    Args:
      paths: image files; DICOM is turned into PNG by pydicom first, the others are read in the
        stream itself.
      preprocessing: makes the squares.
      num_parallel_calls: files decoded at a time; None lets tf.data choose.
      max_pixels: the largest width × height × frames of a DICOM file.

    Yields:
      (uint8 [image_size, image_size, 1] with the view applied, uint8 [96, 96] of the whole image,
      whether the chain found what it looks for), or text.
    """

    dataset = tf.data.Dataset.from_tensor_slices(list(paths)).map(
        lambda path: square_and_thumbnail(tf.io.read_file(path), preprocessing),
        num_parallel_calls=num_parallel_calls or tf.data.AUTOTUNE,
        deterministic=True,
    )
    iterator = iter(dataset)
    # A tf.data iterator goes on after an error, with the element that follows.
    for path in paths:
        try:
            square, thumbnail, found = next(iterator)
        except tf.errors.OpError as error:
            if not is_dicom_file(path):
                yield why_undecoded(error)
                continue
            try:
                encoded = tf.constant(encoded_image(path, max_pixels))
                square, thumbnail, found = square_and_thumbnail(encoded, preprocessing)
            except ValueError as reason:
                yield str(reason)
                continue
        yield square.numpy(), thumbnail.numpy(), bool(found)


def square_and_thumbnail(encoded, preprocessing: Preprocessing):
    """Returns what is kept of an image: both made of one decoding.

    Args:
      encoded: bytes of a JPEG, PNG or GIF file, scalar string.
      preprocessing: makes the square.

    Returns:
      uint8 [image_size, image_size, 1] with the view applied, uint8 [96, 96] of the whole image,
      and whether the chain found what it looks for, scalar bool.
    """
    gray = decode_gray(encoded)
    square, found = preprocessing.image_and_found(gray)
    return square, square_resize(gray, THUMBNAIL_PX)[..., 0], found


def is_dicom_file(path: str) -> bool:
    """Returns whether a file begins as DICOM files do; False where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return is_dicom(file.read(DICOM_HEADER_BYTES))
    except OSError:
        return False


def why_undecoded(error: tf.errors.OpError) -> str:
    """Returns what TensorFlow says is wrong, without the graph it says it about."""
    message = error.message
    if message.startswith("Graph execution error"):
        # From inside a tf.function: paragraphs of source lines come before the reason.
        message = message.split("[[")[0].strip().split("\n\n")[-1]
    text = re.sub(r"\{\{[^}]*\}\}|\[\[.*?\]\]|\[Op:\w+\].*", " ", message, flags=re.DOTALL)
    # tf.data names the transformation that failed in front of the reason.
    text = re.sub(r"Error in user-defined function .*? Iterator::\S+: ", "", text)
    text = re.sub(r"assertion failed: \[(.*?)\]", r"\1", text, flags=re.DOTALL)
    lines = [line.strip(" .\t") for line in text.splitlines()]
    return next((line for line in lines if line), "does not decode")
