"""Which dark parts of an image are lungs, and the box around them: by place and size, not learned.

Every number here is chosen, by looking at films of children and of adults.
"""

import tensorflow as tf

from tfcovid.data.lung_crop.components import connected_components

LEAST_SHARE, MOST_SHARE = 0.015, 0.4
"""What one lung covers, as a share of the image."""

LEAST_DARKER = 40
"""How much darker than bright tissue a lung is on average, in gray levels of the filtered image."""

LEAST_OF_LARGER = 0.25
"""What the smaller lung covers, as a share of the larger one."""

LEAST_HEIGHT, LEAST_WIDTH = 0.36, 0.4
"""What the box around the lungs covers before its margin, as shares of the image's sides."""

HIGHEST_CENTRE, LOWEST_CENTRE = 0.3, 0.65
"""Where the middle of the box lies, as shares of the image's height from its top."""

MARGIN = 0.07
"""What is added on each side of the box, as a share of the image's sides."""

LEFT_END, RIGHT_BEGIN = 0.42, 0.58
"""Lungs that reach beyond both of these columns, as shares of the width, are on both sides."""


def darkness(gray, dark):
    """Returns how much darker each pixel is than a lung must be at least on average.

    Args:
      gray: uint8 [height, width].
      dark: what is dark by one threshold for the whole image, bool [height, width]; the mean of
        the rest is that of bright tissue.

    Returns:
      int32 [height, width], negative of what is too bright.
    """
    values, bright = tf.cast(gray, tf.int64), tf.cast(~dark, tf.int64)
    mean = tf.math.floordiv(tf.reduce_sum(values * bright), tf.maximum(tf.reduce_sum(bright), 1))
    return tf.cast(mean - LEAST_DARKER - values, tf.int32)


def lung_components(dark, darker):
    """Returns the lungs among what is dark: the largest one or two parts inside the image.

    What is narrower than three pixels is taken away first, so that a lung does not hang together
    with the outer air through a gap in its wall, and given back to the parts that stay. What
    touches the edge of the image is outer air.

    Args:
      dark: bool [height, width].
      darker: of `darkness`, int32 [height, width]; its sum over a lung is positive.

    Returns:
      bool [height, width]; all false where no part is plausible.
    """
    number = connected_components(_eroded(dark))
    sizes = tf.math.bincount(tf.reshape(number, [-1]))
    rim = tf.concat([number[0], number[-1], number[:, 0], number[:, -1]], axis=0)
    no_lung = tf.concat([rim, [0]], axis=0)  # 0 is what is not dark
    sizes = tf.tensor_scatter_nd_update(sizes, no_lung[:, None], tf.zeros_like(no_lung))
    share = tf.cast(sizes, tf.float32) / tf.cast(tf.size(dark), tf.float32)
    sums = tf.math.unsorted_segment_sum(darker, number, tf.size(sizes))
    plausible = (share >= LEAST_SHARE) & (share <= MOST_SHARE) & (sums > 0)
    sizes = tf.where(plausible, sizes, 0)
    first = tf.argmax(sizes, output_type=tf.int32)
    others = tf.tensor_scatter_nd_update(sizes, [[first]], [0])
    second = tf.argmax(others, output_type=tf.int32)
    large, small = (tf.cast(tf.reduce_max(n), tf.float32) for n in (sizes, others))
    second = tf.where(small >= LEAST_OF_LARGER * large, second, first)
    # Where there is no lung at all, `first` is 0.
    lungs = (number > 0) & ((number == first) | (number == second))
    return _dilated(lungs) & dark


def lung_box(lungs):
    """Returns the box around the lungs with its margin, and whether it is a plausible one.

    Where one lung only is dark, as when the other is white with disease, the box takes in its
    mirror image too: the middle of the image is taken for the middle of the chest.

    Args:
      lungs: bool [height, width].

    Returns:
      int32 [4], the first row, the row after the last, and the columns likewise; and a scalar
      bool, false where there are no lungs or the box has not the size or the place of lungs. The
      box is then the whole image.
    """
    height, width = tf.unstack(tf.shape(lungs))
    top, bottom = _extent(tf.reduce_any(lungs, axis=1))
    left, right = _extent(tf.reduce_any(lungs, axis=0))
    mirrored = ~on_both_sides(lungs)
    left, right = (
        tf.where(mirrored, tf.minimum(left, width - right), left),
        tf.where(mirrored, tf.maximum(right, width - left), right),
    )
    found = tf.reduce_any(lungs) & _is_plausible(
        tf.cast(bottom - top, tf.float32) / tf.cast(height, tf.float32),
        tf.cast(right - left, tf.float32) / tf.cast(width, tf.float32),
        tf.cast(bottom + top, tf.float32) / tf.cast(2 * height, tf.float32),
    )
    rows, columns = _share_of(height, MARGIN), _share_of(width, MARGIN)
    box = [
        tf.maximum(top - rows, 0),
        tf.minimum(bottom + rows, height),
        tf.maximum(left - columns, 0),
        tf.minimum(right + columns, width),
    ]
    return tf.where(found, tf.stack(box), tf.stack([0, height, 0, width])), found


def on_both_sides(lungs):
    """Returns whether there is lung in the left and in the right part of an image, scalar bool.

    Args:
      lungs: bool [height, width].
    """
    width = tf.shape(lungs)[1]
    columns = tf.reduce_any(lungs, axis=0)
    left, right = _share_of(width, LEFT_END), _share_of(width, RIGHT_BEGIN)
    return tf.reduce_any(columns[:left]) & tf.reduce_any(columns[right:])


def _is_plausible(high, wide, centre):
    """Returns whether a box of these shares of the image may hold lungs, scalar bool."""
    large = (high >= LEAST_HEIGHT) & (wide >= LEAST_WIDTH)
    return large & (centre >= HIGHEST_CENTRE) & (centre <= LOWEST_CENTRE)


def _extent(line):
    """Returns the first true place of a line and the one after the last, 0 and its length of none.

    Args:
      line: bool [length].
    """
    first = tf.argmax(line, output_type=tf.int32)
    return first, tf.size(line) - tf.argmax(line[::-1], output_type=tf.int32)


def _share_of(length, share: float):
    """Returns a share of a length in whole pixels, rounded half to even."""
    return tf.cast(tf.round(share * tf.cast(length, tf.float32)), tf.int32)


def _eroded(mask):
    """Returns where a pixel and its eight neighbours are true; beyond the edge all is true."""
    return ~_dilated(~mask)


def _dilated(mask):
    """Returns where a pixel or one of its eight neighbours is true; beyond the edge none is."""
    for axis in (0, 1):
        ahead, behind = [[0, 0], [0, 0]], [[0, 0], [0, 0]]
        ahead[axis], behind[axis] = [1, 0], [0, 1]
        first = mask[:-1] if axis == 0 else mask[:, :-1]
        last = mask[1:] if axis == 0 else mask[:, 1:]
        mask = mask | tf.pad(first, ahead) | tf.pad(last, behind)
    return mask
