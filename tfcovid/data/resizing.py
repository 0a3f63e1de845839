"""The one rule by which an image of any size becomes a square."""

import tensorflow as tf


def square_resize(gray, image_size):
    """Returns the image stretched to a square.

    Stretched and never padded: the data sets differ in aspect, and padding would tell which
    one an image is from. Each axis that shrinks is averaged over the area of its new pixels,
    each axis that grows is interpolated linearly; an axis that keeps its length is untouched.

    Args:
      gray: uint8 [height, width, 1], both sides at least 1.
      image_size: side of the square in pixels, int.

    Returns:
      uint8 [image_size, image_size, 1], rounded half up.
    """
    sides = tf.shape(gray)[:2]

    def resized():
        shrunk = tf.image.resize(gray, tf.minimum(sides, image_size), method="area")
        square = tf.image.resize(shrunk, [image_size, image_size], method="bilinear")
        return tf.cast(square + 0.5, tf.uint8)

    # Both would take their time to change nothing.
    fits = tf.reduce_all(sides == image_size)
    return tf.ensure_shape(tf.cond(fits, lambda: gray, resized), [image_size, image_size, 1])
