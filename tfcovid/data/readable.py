"""Files to classify: the bytes that the TensorFlow graph decodes, or why a file is refused."""

import dataclasses
import os
import pathlib
import threading

from tfcovid.data.dicom_header import is_dicom
from tfcovid.data.dicom_pixels import dicom_to_png
from tfcovid.data.image_files import DEFAULT_MAX_PIXELS, size_or_reason
from tfcovid.data.image_warnings import orientation_warnings

# A filter for warnings, as reading a header sets one, belongs to the process and not to a thread.
_HEADERS = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Readable:
    """A file whose header is that of an image to classify.

    Attributes:
      encoded: bytes of a JPEG, PNG or GIF file; of a DICOM file its picture as a gray PNG.
      pixels: how many it has once decoded.
      warnings: what whoever reads the result should know of the file.
    """

    encoded: bytes
    pixels: int
    warnings: tuple[str, ...] = ()


def readable_or_reason(
    content: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS, radiograph: bool = False
) -> Readable | str:
    """Returns what the graph decodes of the bytes of a file, or why they are no image to classify.

    Args:
      content: the whole file.
      max_pixels: the largest width × height, 1 to `HIGHEST_MAX_PIXELS`.
      radiograph: whether a DICOM file is refused that says that it is none; a reader of a data set
        has seen to that before.
    """
    with _HEADERS:
        size = size_or_reason(content, max_pixels=max_pixels, radiograph=radiograph)
    if isinstance(size, str):
        return size
    width, height = size
    if is_dicom(content):
        try:
            png = dicom_to_png(content, max_pixels=max_pixels, radiograph=radiograph)
        except ValueError as error:
            return str(error)
        return Readable(png, width * height)
    return Readable(content, width * height, orientation_warnings(content))


def readable_file(
    name: str | os.PathLike[str],
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    radiograph: bool = False,
) -> Readable | str:
    """Returns what the graph decodes of a file, or why it is no image to classify.

    Args:
      name: of the file.
      max_pixels: as in `readable_or_reason`.
      radiograph: likewise.
    """
    path = pathlib.Path(name)
    if path.exists() and not (path.is_file() or path.is_dir()):
        return "no regular file"  # a pipe would be waited for, for ever
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return readable_or_reason(content, max_pixels=max_pixels, radiograph=radiograph)
