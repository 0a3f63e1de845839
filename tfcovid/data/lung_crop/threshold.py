"""What is dark in an image: Otsu's threshold, on the gray values or on the local contrast."""

import tensorflow as tf

from tfcovid.data.lung_crop.filters import histogram

# Sides of the squares over which local means are taken, as shares of the image's side. Chosen by
# looking at films: the small one bridges ribs, the large one is about as wide as a lung.
SMALL_SHARE, LARGE_SHARE = 7 / 128, 33 / 128

MID_CONTRAST = 128
"""The local contrast of a pixel that is as bright as its surroundings."""


def otsu_threshold(gray):
    """Returns Otsu's threshold: the value that parts the histogram into the two tightest classes.

    Args:
      gray: uint8 of any shape.

    Returns:
      The brightest value of the dark class, scalar int32; 0 where all pixels have one value.

    Source: N. Otsu, IEEE Trans. SMC 9(1), 1979: the largest variance between the two classes.
    """
    counts = tf.cast(histogram(gray), tf.float64)
    number, total = tf.cumsum(counts), tf.cumsum(counts * tf.range(256, dtype=tf.float64))
    distance = number[-1] * total - total[-1] * number
    # Where a class is empty the distance is 0, and no quotient is wanted.
    between = tf.math.divide_no_nan(distance**2, number * (number[-1] - number))
    return tf.argmax(between, output_type=tf.int32)


def binarise(gray):
    """Returns what is dark by Otsu's threshold; on a film or a CT slice, lungs and outer air.

    Args:
      gray: uint8 [height, width, 1].

    Returns:
      bool of the same shape.
    """
    return tf.cast(gray, tf.int32) <= otsu_threshold(gray)


def local_contrast(gray):
    """Returns how much brighter the surroundings of a pixel are than their own surroundings.

    On a film, one threshold for all gray values parts air from body and not lungs from the rest;
    their wall is brighter than what lies on either side of it everywhere.

    Args:
      gray: uint8 [height, width, 1].

    Returns:
      uint8 of the same shape: 128 + half of the difference of the means over a small and a large
      square, as far as these lie inside the image, rounded half up.
    """
    height, width = tf.unstack(tf.shape(gray)[:2])
    side = tf.cast(tf.maximum(height, width), tf.float32)
    small, small_count = _box_sums(gray, tf.cast(side * (SMALL_SHARE / 2), tf.int32))
    large, large_count = _box_sums(gray, tf.cast(side * (LARGE_SHARE / 2), tf.int32))
    scale = small_count * large_count
    difference = small * large_count - large * small_count
    half = (difference + scale) // (2 * scale)
    return tf.cast(tf.clip_by_value(MID_CONTRAST + half, 0, 255), tf.uint8)


def _box_sums(gray, reach):
    """Returns the sum over each pixel's square, and how many pixels that has, int64.

    Args:
      gray: uint8 [height, width, 1].
      reach: how far the square goes to each side, scalar int32.
    """
    image = tf.cast(gray, tf.int64)
    sums = _window_sums(_window_sums(image, reach, axis=0), reach, axis=1)
    ones = tf.ones_like(image)
    return sums, _window_sums(_window_sums(ones, reach, axis=0), reach, axis=1)


def _window_sums(values, reach, axis: int):
    length = tf.shape(values)[axis]
    edges = tf.pad(tf.cumsum(values, axis), [[1, 0] if axis == k else [0, 0] for k in range(3)])
    position = tf.range(length)
    end = tf.gather(edges, tf.minimum(position + reach + 1, length), axis=axis)
    return end - tf.gather(edges, tf.maximum(position - reach, 0), axis=axis)
