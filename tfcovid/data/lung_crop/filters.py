"""The filters of the chain: contrast stretch, Laplacian sharpening, median.

All arithmetic is in integers, so that a graph on any device gives the same bytes.
"""

import tensorflow as tf

LOW_PERCENT, HIGH_PERCENT = 1, 99
"""Between these percentiles the gray values are stretched. Chosen."""


def normalise(gray):
    """Returns the image with its contrast stretched to the whole range.

    The 1st percentile becomes black and the 99th white; what lies beyond is cut off. A percentile
    is the least gray value that so many percent of the pixels do not exceed. Where the two are
    one, as in a picture of one gray, nothing is changed.

    Args:
      gray: uint8 [height, width, 1].

    Returns:
      uint8 of the same shape, rounded half up.
    """
    counts = tf.cumsum(tf.cast(histogram(gray), tf.int64))
    low, high = (_percentile(counts, percent) for percent in (LOW_PERCENT, HIGH_PERCENT))
    span = tf.maximum(high - low, 1)
    above = tf.clip_by_value(tf.cast(gray, tf.int32), low, high) - low
    stretched = tf.cast((510 * above + span) // (2 * span), tf.uint8)
    return tf.where(high > low, stretched, gray)


def sharpen(gray):
    """Returns the image minus its Laplacian, cut off at black and white.

    The Laplacian is that of the four neighbours, with the weight 1 (chosen): the kernel is
    0 -1 0, -1 5 -1, 0 -1 0. Beyond the edge the image goes on as its mirror image.

    Args:
      gray: uint8 [height, width, 1].

    Returns:
      uint8 of the same shape.
    """
    image = tf.cast(gray, tf.int32)
    above, below = _neighbours(image, axis=0)
    left, right = _neighbours(image, axis=1)
    sharp = 5 * image - above - below - left - right
    return tf.cast(tf.clip_by_value(sharp, 0, 255), tf.uint8)


def median(gray):
    """Returns the median of each pixel and its eight neighbours.

    Beyond the edge the image goes on as its mirror image.

    Args:
      gray: uint8 [height, width, 1].

    Returns:
      uint8 of the same shape.

    Source: three sorted columns of three have their median among the largest of the least, the
      middle one of the middle ones and the least of the largest: A. W. Paeth, Graphics Gems, 1990.
    """
    low, middle, high = _sorted3(*_with_neighbours(gray, axis=0))
    largest = tf.reduce_max(tf.stack(_with_neighbours(low, axis=1)), axis=0)
    least = tf.reduce_min(tf.stack(_with_neighbours(high, axis=1)), axis=0)
    _, centre, _ = _sorted3(*_with_neighbours(middle, axis=1))
    return _sorted3(largest, centre, least)[1]


def histogram(gray):
    """Returns how many pixels have each gray value, int32 [256].

    Args:
      gray: uint8 of any shape.
    """
    values = tf.reshape(tf.cast(gray, tf.int32), [-1])
    return tf.math.bincount(values, minlength=256, maxlength=256)


def _percentile(counts, percent: int):
    """Returns the least value whose cumulated count is that share of all, int32."""
    reached = 100 * counts >= percent * counts[-1]
    return tf.argmax(reached, output_type=tf.int32)


def _neighbours(image, axis: int):
    """Returns what stands before and after each pixel along an axis; at an edge, itself."""
    first, last = [slice(None)] * 3, [slice(None)] * 3
    first[axis], last[axis] = slice(0, -1), slice(1, None)
    start, end = image[:1], image[-1:]
    if axis == 1:
        start, end = image[:, :1], image[:, -1:]
    before = tf.concat([start, image[tuple(first)]], axis)
    return before, tf.concat([image[tuple(last)], end], axis)


def _with_neighbours(image, axis: int):
    before, after = _neighbours(image, axis)
    return before, image, after


def _sorted3(first, second, third):
    """Returns the three images pixel by pixel in ascending order."""
    low, high = tf.minimum(first, second), tf.maximum(first, second)
    middle = tf.minimum(high, third)
    return tf.minimum(low, third), tf.maximum(low, middle), tf.maximum(high, third)
