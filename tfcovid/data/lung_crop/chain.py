"""The whole chain: from an image to its lungs, with every picture in between.

A reconstruction: the steps and their order are those of Gurpur et al., arXiv 2404.12405, for CT
slices, whose parameters are not published; those here are chosen. Two things are added, without
which films come out wrong: besides the gray values the local contrast is binarised, at several
thresholds; and of what they give, the largest plausible lungs are taken.
"""

from typing import NamedTuple

import tensorflow as tf

from tfcovid.data.lung_crop.filters import median, normalise, sharpen
from tfcovid.data.lung_crop.lungs import darkness, lung_box, lung_components, on_both_sides
from tfcovid.data.lung_crop.threshold import binarise, local_contrast, otsu_threshold
from tfcovid.data.resizing import square_resize

WORKING_PX = 256
"""Side of the square that is filtered and cut, pixels; the network's own where that is larger."""

MASK_PX = 128
"""Side of the square in which lungs are looked for, in pixels."""

STRICTER = (0, 2, 4, 6, 8, 10)
"""How far below Otsu's threshold the local contrast is cut too."""


class Steps(NamedTuple):
    """What the chain makes of an image, in its order.

    Attributes:
      original: stretched to the working square, uint8 [side, side, 1].
      normalised: its contrast stretched, likewise.
      sharpened: minus its Laplacian, likewise.
      filtered: the median of that, likewise; what is cropped.
      dark: what is dark in it, bool [MASK_PX, MASK_PX].
      lungs: which of that is lung, bool [MASK_PX, MASK_PX].
      box: first row, row after the last, columns likewise, in pixels of the square, int32 [4].
      found: whether plausible lungs were found, scalar bool; otherwise the box is the whole image.
      result: the crop, uint8 [image_size, image_size, 1].
    """

    original: tf.Tensor
    normalised: tf.Tensor
    sharpened: tf.Tensor
    filtered: tf.Tensor
    dark: tf.Tensor
    lungs: tf.Tensor
    box: tf.Tensor
    found: tf.Tensor
    result: tf.Tensor


def lung_crop(gray, image_size: int):
    """Returns the image cropped to its lungs, and whether they were found.

    Args:
      gray: decoded image, uint8 [height, width, 1].
      image_size: side of the result in pixels, int.

    Returns:
      uint8 [image_size, image_size, 1], see `lung_crop_steps`; scalar bool.
    """
    steps = lung_crop_steps(gray, image_size)
    return steps.result, steps.found


def lung_crop_steps(gray, image_size: int) -> Steps:
    """Returns the image cropped to its lungs, and what it was on the way there.

    What comes out is normalised, sharpened and median filtered, cut along the box, and stretched
    to the square. Where no plausible lungs are found nothing is cut.

    Args:
      gray: decoded image, uint8 [height, width, 1].
      image_size: side of the result in pixels, int.
    """
    side = max(WORKING_PX, image_size)
    original = square_resize(gray, side)
    normalised = normalise(original)
    sharpened = sharpen(normalised)
    filtered = median(sharpened)
    dark, lungs, box, found = find_lungs(square_resize(filtered, MASK_PX))
    box = (box * side + MASK_PX // 2) // MASK_PX
    top, bottom, left, right = tf.unstack(box)
    result = square_resize(filtered[top:bottom, left:right], image_size)
    return Steps(original, normalised, sharpened, filtered, dark, lungs, box, found, result)


def find_lungs(gray):
    """Returns the lungs in a filtered image.

    Several binary images are looked at, and the one is taken whose lungs are largest and darkest;
    lungs on both sides count twice.

    Args:
      gray: uint8 [height, width, 1].

    Returns:
      What is dark, bool [height, width]; the lungs, likewise; box and found of `lung_box`.
    """

    def candidate(dark):
        lungs = lung_components(dark, darker)
        box, found = lung_box(lungs)
        sides = tf.where(on_both_sides(lungs), 2, 1)
        mass = tf.reduce_sum(tf.where(lungs, darker, 0))
        return lungs, box, found, tf.where(found, sides * mass, 0)

    dark = _binary_images(gray)
    darker = darkness(gray[..., 0], dark[0])
    lungs, boxes, found, score = tf.map_fn(
        candidate,
        dark,
        fn_output_signature=(
            tf.TensorSpec(dark.shape[1:], tf.bool),
            tf.TensorSpec([4], tf.int32),
            tf.TensorSpec([], tf.bool),
            tf.TensorSpec([], tf.int32),
        ),
    )
    best = tf.argmax(score)
    kept = lungs[best] & found[best]  # a part that is too small for lungs is none
    return dark[best], kept, boxes[best], found[best]


def _binary_images(gray):
    """Returns the binary images that lungs are looked for in, bool [n, height, width]."""
    contrast = tf.cast(local_contrast(gray), tf.int32)
    threshold = otsu_threshold(tf.cast(contrast, tf.uint8))
    by_contrast = [contrast <= threshold - stricter for stricter in STRICTER]
    return tf.stack([binarise(gray), *by_contrast])[..., 0]
