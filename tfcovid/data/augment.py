"""Random rotation, shift, zoom, brightness and contrast, the same however they are scheduled.

What happens to an image is a function of (seed, epoch, example id, occurrence of that
id in the epoch) and of nothing else: no state, no order, no number of threads. A run
that was killed continues with the images it would have had.

Rotation, shift, zoom and flip are one affine map, sampled once: a bilinear gather over
the whole batch, compiled by XLA, which on a CPU is some twenty times faster than the
plain operations.
"""

import dataclasses
import math

import numpy as np
import tensorflow as tf

# SplitMix64: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators".
_GOLDEN_GAMMA = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB

_NUM_DRAWS = 8  # rotation, shift down, shift right, zoom, flip, brightness, contrast, moved


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How far an image may be changed; every range is symmetric and uniform, 0 is off.

    Attributes:
      rotation_degrees: about the centre, 0..180.
      translation: fraction of the side, along each axis, below 1.
      zoom: the scale is drawn from 1 - zoom to 1 + zoom, below 1.
      brightness: added to every pixel, as a fraction of 255, at most 1.
      contrast: the factor about the image's mean is drawn from 1 - contrast to 1 + contrast,
        at most 1.
      horizontal_flip: mirror half of the images. Off by default: the heart lies on the left.
      move_share: share of the images that are rotated, shifted and zoomed, 0..1. The others
        keep their pixels: interpolation softens what it moves, and a network that only sees
        softened images in training is at a loss before the sharp ones it is tested on.
    """

    rotation_degrees: float = 0.0
    translation: float = 0.0
    zoom: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    horizontal_flip: bool = False
    move_share: float = 1.0

    def __post_init__(self):
        """Checks the ranges; raises ValueError naming the field that is wrong."""
        if not 0 <= self.rotation_degrees <= 180:
            raise ValueError(
                f"rotation_degrees must lie in 0..180. Received: {self.rotation_degrees}."
            )
        for name in ("translation", "zoom"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1). Received: {getattr(self, name)}.")
        for name in ("brightness", "contrast", "move_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1]. Received: {getattr(self, name)}.")


def augment(images, augmentation, *, example_ids, occurrences, epoch, seed, preprocessing=None):
    """Returns the randomly changed images, or a network's input made of them.

    Beyond the image its edge pixels continue. A constant would draw a frame, plain to see
    around films that are bright to the edge and invisible around those with a black margin, and
    the margin is a mark of the source.

    Args:
      images: uint8 [batch, size, size, 1], sizes static.
      augmentation: the ranges, an `Augmentation`.
      example_ids: which example each image is, int64 [batch].
      occurrences: how many times the example was drawn before in this epoch, int64 [batch].
      epoch: int64 scalar.
      seed: int64 scalar.
      preprocessing: the `Preprocessing` whose input is made in the same pass, or None.

    Returns:
      float32 [batch, size, size, 1] in 0..255, equal to the images where all ranges are 0; with
      preprocessing its `network_input` of them.
    """
    # Tensors, because a Python number would be compiled in: a new program for every epoch.
    streams = [tf.cast(part, tf.int64) for part in (example_ids, occurrences, epoch, seed)]
    return _compiled_augment(images, augmentation, preprocessing, *streams)


def random_draws(example_ids, occurrences, *, epoch, seed):
    """Returns independent uniform numbers for each example, from SplitMix64.

    tf.random's stateless operations take one seed for a whole tensor, so a row would depend on
    its place in the batch; here each row has a stream of its own.

    Args:
      example_ids: int64 [batch].
      occurrences: int64 [batch].
      epoch: int64 scalar.
      seed: int64 scalar.

    Returns:
      float32 [batch, 8] in [0, 1), multiples of 2**-24.
    """
    state = tf.cast(seed, tf.uint64)
    for part in (epoch, example_ids, occurrences):
        state = splitmix64(state) ^ tf.cast(part, tf.uint64)
    state = splitmix64(state)[:, None]
    # Through NumPy: in a graph, tf.constant rounds a list of such integers to float64 first.
    steps = np.array([i * _GOLDEN_GAMMA % 2**64 for i in range(_NUM_DRAWS)], np.uint64)
    bits = tf.bitwise.right_shift(splitmix64(state + steps), tf.constant(40, tf.uint64))
    # Through int64: every value fits, and float conversion from uint64 is slow on some CPUs.
    return tf.cast(tf.cast(bits, tf.int64), tf.float32) * 2.0**-24


def splitmix64(state):
    """Returns the output of the SplitMix64 generator for a state, uint64 of any shape."""

    def shifted_xor(value, shift):
        return value ^ tf.bitwise.right_shift(value, tf.constant(shift, tf.uint64))

    z = state + tf.constant(_GOLDEN_GAMMA, tf.uint64)
    z = shifted_xor(z, 30) * tf.constant(_MIX_1, tf.uint64)
    z = shifted_xor(z, 27) * tf.constant(_MIX_2, tf.uint64)
    return shifted_xor(z, 31)


def sample_affine(images, matrices, shifts, *, reach):
    """Returns the images sampled bilinearly at affinely mapped positions.

    Output pixel (row, column) takes the input at matrix @ (row, column) + shift, as in
    `scipy.ndimage.affine_transform(..., order=1, mode="nearest")`. Positions are counted in whole
    fractions of a pixel, which a CPU does sooner than with floating-point numbers: the step from
    column to column is rounded to 2**-20 where reach is at most 1,024.

    Args:
      images: uint8 [batch, height, width, 1], sizes static.
      matrices: float32 [batch, 2, 2].
      shifts: in pixels, float32 [batch, 2].
      reach: no position, and no part of the sum that makes it, is larger; pixels, below 2**24.

    Returns:
      float32 [batch, height, width], within the range of the images.
    """
    height, width = images.shape[1], images.shape[2]
    bits = 30 - math.ceil(math.log2(reach))
    rows = tf.range(height, dtype=tf.float32)[None, :, None]
    columns = tf.range(width, dtype=tf.int32)[None, None, :]

    def in_fractions(pixels):
        return tf.cast(tf.round(pixels * 2.0**bits), tf.int32)

    def position(axis, length):
        """Returns the pixel before, the pixel after and how far it is from the one before."""
        begin = in_fractions(matrices[:, axis, :1, None] * rows + shifts[:, axis, None, None])
        where = begin + in_fractions(matrices[:, axis, 1])[:, None, None] * columns
        before = tf.bitwise.right_shift(where, bits)
        part = tf.cast(where & (2**bits - 1), tf.float32) * 2.0**-bits
        return *(tf.clip_by_value(before + k, 0, length - 1) for k in (0, 1)), part

    row, next_row, down = position(0, height)
    column, next_column, right = position(1, width)
    # One flat gather per corner: XLA turns it into a plain load.
    pixels = tf.reshape(images, [-1])
    first = tf.range(tf.shape(images)[0])[:, None, None] * (height * width)

    def between(row):
        """Returns what lies between the two columns; exact where they are equal."""
        left, beyond = (
            tf.cast(tf.gather(pixels, first + row * width + at), tf.float32)
            for at in (column, next_column)
        )
        return left + (beyond - left) * right

    above = between(row)
    return above + (between(next_row) - above) * down


@tf.function(jit_compile=True)
def _compiled_augment(images, augmentation, preprocessing, example_ids, occurrences, epoch, seed):
    draws = random_draws(example_ids, occurrences, epoch=epoch, seed=seed)
    signed = 2.0 * draws - 1.0  # in [-1, 1)
    moves = tf.where(draws[:, 7:] < augmentation.move_share, signed[:, :4], 0.0)
    matrices, shifts = _affine_maps(moves, draws[:, 4] < 0.5, augmentation, images.shape[1])
    moved = sample_affine(images, matrices, shifts, reach=_reach(augmentation, images.shape[1]))
    brightness = signed[:, 5] * (augmentation.brightness * 255.0)
    factor = 1.0 + signed[:, 6] * augmentation.contrast
    mean = tf.reduce_mean(moved, axis=[1, 2])
    # factor * (x - mean) + mean + brightness, in the form that is exact when the factor is 1.
    offset = (1.0 - factor) * mean + brightness
    changed = factor[:, None, None] * moved + offset[:, None, None]
    changed = tf.clip_by_value(changed, 0.0, 255.0)[..., None]
    return changed if preprocessing is None else preprocessing.inside_compiled(changed)


def _affine_maps(moves, mirrored, augmentation, size):
    """Returns matrices [batch, 2, 2] and shifts [batch, 2] from output to input pixels."""
    angle = moves[:, 0] * math.radians(augmentation.rotation_degrees)
    shift = moves[:, 1:3] * (augmentation.translation * size)
    scale = 1.0 / (1.0 + moves[:, 3] * augmentation.zoom)
    cos, sin = scale * tf.cos(angle), scale * tf.sin(angle)
    flip = tf.where(mirrored & augmentation.horizontal_flip, -1.0, 1.0)
    matrices = tf.stack([tf.stack([cos, sin * flip], -1), tf.stack([-sin, cos * flip], -1)], -2)
    centre = (size - 1) / 2
    # matrix @ (output - centre) + centre + shift: the centre stays where it is.
    return matrices, centre - centre * tf.reduce_sum(matrices, axis=-1) + shift


def _reach(augmentation, size):
    """Returns a bound of what `_affine_maps` may add up to, in pixels."""
    # Corners are within 0.71 sides of the centre; a shift undoes what a matrix does to the centre.
    return size * (1 + augmentation.translation + 1.5 / (1 - augmentation.zoom))
