"""Connected components inside a TensorFlow graph, exact for any shape.

Each run of true pixels in a row is a node; nodes whose runs touch a run of the next row belong
together. They are joined as in a disjoint-set forest, all pairs at once: a node points to a lower
one of its component, and pointers are followed until nothing changes. A spiral takes a dozen
rounds, where passing labels from pixel to pixel would take as many as it is long.
"""

import tensorflow as tf


def connected_components(mask):
    """Returns a number for each connected component; pixels connect by their four sides.

    Args:
      mask: bool [height, width].

    Returns:
      int32 [height, width]: 0 where the mask is false, 1 … n elsewhere, in the order in which
      reading row by row meets the components.
    """
    node = _runs(mask)
    root = _roots(_touching(mask, node), tf.reduce_max(node) + 1)
    is_root = tf.equal(root, tf.range(tf.size(root)))
    number = tf.gather(tf.cumsum(tf.cast(is_root, tf.int32)), root)
    padded = tf.concat([[0], number], axis=0)  # node -1, outside the mask, has number 0
    return tf.gather(padded, node + 1)


def _runs(mask):
    """Returns the number of each pixel's run from 0 in reading order, -1 outside the mask."""
    starts = mask & ~tf.pad(mask[:, :-1], [[0, 0], [1, 0]])
    shape = tf.shape(mask)
    number = tf.cumsum(tf.reshape(tf.cast(starts, tf.int32), [-1])) - 1
    return tf.where(mask, tf.reshape(number, shape), -1)


def _touching(mask, node):
    """Returns the nodes of runs that touch, int32 [pairs, 2], perhaps several times."""
    both = mask[:-1] & mask[1:]
    # Two runs need to be met once only: where the pixels before do not connect them already.
    met = both & ~tf.pad(both[:, :-1], [[0, 0], [1, 0]])
    return tf.stack([tf.boolean_mask(node[:-1], met), tf.boolean_mask(node[1:], met)], axis=1)


def _roots(pairs, count):
    """Returns the least node of each node's component, int32 [count]."""

    def joined(root, _):
        ends = tf.gather(root, pairs)
        low, high = tf.reduce_min(ends, axis=1), tf.reduce_max(ends, axis=1)
        hooked = tf.tensor_scatter_nd_min(root, high[:, None], low)
        followed = tf.gather(hooked, hooked)
        return followed, tf.reduce_any(followed != root)

    start = tf.range(count)
    root, _ = tf.while_loop(
        lambda _, moved: moved,
        joined,
        (start, tf.constant(True)),
        shape_invariants=(tf.TensorShape([None]), tf.TensorShape([])),
    )
    return root
