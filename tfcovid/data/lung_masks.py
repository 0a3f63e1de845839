"""The lung mask of each image, from a folder that the user has: what a view paints around.

The COVID-19 Radiography Database brings such masks; others come from a segmentation network. A mask
painted over an image still shows the outline of the lungs, which a fixed box does not: the box is
the stricter control, the mask the one that leaves more of the surroundings.
"""

import os
import pathlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
import tensorflow as tf

from tfcovid.data.decode import decode_gray
from tfcovid.data.decode_files import why_undecoded
from tfcovid.data.resizing import square_resize
from tfcovid.data.sources.image_tree import IMAGE_SUFFIXES
from tfcovid.data.sources.reading import listing

SUFFIXES = (".png", ".gif", ".jpg", ".jpeg")
# How publishers name the mask of image X, in this order.
NAMES = ("{}", "{}_mask", "{}-mask", "mask_{}")
# A mask is black and white but for what its codec blurs; a film is not.
GRAY_LOW, GRAY_HIGH, MOST_GRAY = 0.1, 0.9, 0.1


class LungMasks:
    """Finds and reads the mask of an image.

    The mask of `A/images/x.png` is the file of the same path in the folder, with any suffix; or
    else that of `A/masks/x`; or else, where no other image has that name, the only file anywhere
    below that is called x, x_mask, x-mask or mask_x. Images of the data set itself are never taken
    for masks.
    """

    def __init__(
        self, folder: pathlib.Path, *, root: pathlib.Path, image_paths: Sequence[str]
    ) -> None:
        """Lists the folder.

        Args:
          folder: with the masks, at any depth.
          root: the data folder; it may hold the masks too.
          image_paths: of its images, relative to it.

        Raises:
          ValueError: if there is no such folder, or no image file in it.
        """
        if not folder.is_dir():
            raise ValueError(f"--lung_masks={folder}: expected a folder, there is none")
        self._folder = folder
        images = {os.path.realpath(root / path) for path in image_paths}
        names = pd.Series([_without_suffix(pathlib.PurePosixPath(p)).name for p in image_paths])
        self._shared_names = set(names[names.duplicated()])
        self._by_path: dict[str, list[pathlib.Path]] = {}
        self._by_name: dict[str, list[pathlib.Path]] = {}
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES and os.path.realpath(path) not in images:
                key = path.relative_to(folder).with_suffix("").as_posix()
                self._by_path.setdefault(key, []).append(path)
                self._by_name.setdefault(path.stem, []).append(path)
        if not self._by_path:
            raise ValueError(
                f"--lung_masks={folder}: expected masks ({', '.join(SUFFIXES)}), found none"
            )

    def __call__(self, path: str, image_size: int) -> np.ndarray | str:
        """Returns where the lungs are, or why that is not known.

        Args:
          path: of the image, relative to the data folder.
          image_size: side of the square in pixels.

        Returns:
          bool [image_size, image_size, 1], or one line of text.
        """
        found = self._files(path)
        if len(found) != 1:
            if not found:
                return f"no lung mask in {self._folder}"
            names = [file.relative_to(self._folder).as_posix() for file in found]
            return f"several files could be its lung mask: {listing(names)}"
        return read_mask(found[0], image_size)

    def _files(self, path: str) -> list[pathlib.Path]:
        key = _without_suffix(pathlib.PurePosixPath(path))
        beside = "/".join("masks" if part == "images" else part for part in key.parts)
        for place in (key.as_posix(), beside):
            if place in self._by_path:
                return self._by_path[place]
        # The mask of a name that two images have may be either's.
        if key.name in self._shared_names:
            return []
        return next(
            (found for name in NAMES if (found := self._by_name.get(name.format(key.name)))), []
        )


def _without_suffix(path: pathlib.PurePosixPath) -> pathlib.PurePosixPath:
    """Returns the path without the suffix of an image; "1.2.3" of a DICOM file has none."""
    return path.with_suffix("") if path.suffix.lower() in IMAGE_SUFFIXES else path


def read_mask(path: pathlib.Path, image_size: int) -> np.ndarray | str:
    """Returns a mask stretched to a square as its image is, or why the file is none.

    Args:
      path: black and white image file; white, or the brighter of its two values, is lung.
      image_size: side of the square in pixels.

    Returns:
      bool [image_size, image_size, 1], or one line of text.
    """
    try:
        gray = decode_gray(tf.constant(path.read_bytes()))
    except OSError as error:
        return f"its lung mask {path} cannot be read ({error.strerror})"
    except tf.errors.OpError as error:
        return f"its lung mask {path} does not decode ({why_undecoded(error)})"
    # Some masks are written as 0 and 1.
    brightest = int(tf.reduce_max(gray))
    if not brightest:
        return f"its lung mask {path} is empty"
    share = gray.numpy() / brightest
    if ((share > GRAY_LOW) & (share < GRAY_HIGH)).mean() > MOST_GRAY:
        return f"its lung mask {path} is no mask: expected black and white, found grays"
    white = tf.constant(np.where(share >= 0.5, 255, 0).astype(np.uint8))
    return square_resize(white, image_size).numpy() >= 128
