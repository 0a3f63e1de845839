"""What whoever reads a result should know of its image: it is classified all the same."""

import numpy as np

from tfcovid.data.image_blocks import orientation_of

# Of 256. Less is no picture of anything, even before resizing; a chosen number.
MIN_RANGE = 8
_ROTATED, _MIRRORED, _BOTH = "rotated", "mirrored", "rotated and mirrored"
_TURNS = {
    2: _MIRRORED,
    3: _ROTATED,
    4: _MIRRORED,
    5: _BOTH,
    6: _ROTATED,
    7: _BOTH,
    8: _ROTATED,
}


def orientation_warnings(content: bytes) -> tuple[str, ...]:
    """Returns one line if a JPEG or PNG file says that its pixels lie otherwise than the picture.

    Args:
      content: the whole file.
    """
    orientation = orientation_of(content)
    if orientation not in _TURNS:
        return ()
    return (
        f"the file says it is {_TURNS[orientation]} (EXIF orientation {orientation}); pixels are "
        "taken as stored, as in training",
    )


def contrast_warnings(gray: np.ndarray) -> tuple[str, ...]:
    """Returns one line if nothing can be seen in an image.

    Args:
      gray: as `decode.decode_gray` gives it, uint8 of any shape.
    """
    least, greatest = int(gray.min()), int(gray.max())
    if greatest - least >= MIN_RANGE:
        return ()
    found = (
        f"every pixel has the gray value {least}"
        if least == greatest
        else f"all gray values lie between {least} and {greatest} of 255"
    )
    return (f"no contrast: {found}, the result says nothing",)
