"""The one path from the bytes of an X-ray to the input of a network.

Training, evaluation, the SavedModel and the server all call `Preprocessing`; what
a set of weights expects (size, channels, range, mean, standard deviation) is
stored beside the weights as the fields of this class.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfcovid.data.decode import decode_gray
from tfcovid.data.lung_crop.chain import lung_crop
from tfcovid.data.resizing import square_resize

VIEWS = ("full", "border_only", "lungs_hidden", "lungs_only")
MID_GRAY = 128


@dataclasses.dataclass(frozen=True)
class LungBox:
    """A central box as fractions of the image; on a frontal film the lung fields lie inside it."""

    top: float = 0.12
    bottom: float = 0.88
    left: float = 0.10
    right: float = 0.90


LUNG_BOX = LungBox()


def apply_view(images, view, inside=None):
    """Returns the images with the part that a control experiment must not see painted over.

    The box is the same in every image, so the paint itself carries nothing about the class.

    Args:
      images: uint8 [..., size, size, 1] with a static size.
      view: 'full' leaves the image as it is; 'border_only' blackens the lungs, which leaves
        shoulders, markers and margins; 'lungs_hidden' fills them with mid gray, so that the
        brightness of the whole stays ordinary; 'lungs_only' blackens everything outside them.
      inside: where the lungs are, bool [..., size, size, 1]; None takes `LUNG_BOX`.

    Returns:
      uint8 of the same shape.

    Raises:
      ValueError: if view is none of these.
    """
    if view not in VIEWS:
        raise ValueError(f"view must be one of {', '.join(VIEWS)}. Received: view={view!r}.")
    if view == "full":
        return images
    if inside is None:
        inside = _lung_mask(images.shape[-3], images.shape[-2])
    if view == "lungs_only":
        return tf.where(inside, images, tf.zeros_like(images))
    paint = MID_GRAY if view == "lungs_hidden" else 0
    return tf.where(inside, tf.cast(paint, images.dtype), images)


def plain_square(gray, image_size: int):
    """Returns the whole image stretched to a square, and True, as there is nothing to be found.

    Args:
      gray: uint8 [height, width, 1].
      image_size: side of the square in pixels.
    """
    return square_resize(gray, image_size), tf.constant(True)


CHAINS: dict[str, Callable[[Any, int], tuple[Any, Any]]] = {
    "plain": plain_square,
    "lung_crop": lung_crop,
}
"""What makes the square of a decoded image, by the name of the chain."""


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """What turns the bytes of an X-ray into a network's input.

    A pixel p in 0..255 becomes ((low + p / 255 * (high - low)) - mean) / std, then is repeated
    to the number of channels.

    Attributes:
      image_size: side of the square input in pixels, at least 8.
      view: the part of the image that is shown, one of `VIEWS`.
      channels: 1 or 3.
      low: the network's value of black, before mean and std.
      high: the network's value of white, before mean and std; above low.
      mean: subtracted, one number for all channels or one per channel.
      std: divided by, likewise; positive.
      chain: what makes the square of the decoded image, one of `CHAINS`: 'plain' stretches it,
        'lung_crop' filters it, cuts it to the lungs and stretches that; it takes the full view.
    """

    image_size: int
    view: str = "full"
    channels: int = 3
    low: float = 0.0
    high: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    chain: str = "plain"

    def __post_init__(self):
        """Checks the fields; raises ValueError naming the one that is wrong."""
        # JSON has lists only, and a list would make the object unhashable.
        object.__setattr__(self, "mean", tuple(self.mean))
        object.__setattr__(self, "std", tuple(self.std))
        if self.image_size < 8:
            raise ValueError(f"image_size must be at least 8. Received: {self.image_size}.")
        if self.view not in VIEWS:
            raise ValueError(f"view must be one of {', '.join(VIEWS)}. Received: {self.view!r}.")
        if self.chain not in CHAINS:
            raise ValueError(f"chain must be one of {', '.join(CHAINS)}. Received: {self.chain!r}.")
        if self.chain != "plain" and self.view != "full":
            raise ValueError(
                f"chain={self.chain!r} moves the lungs, so the view must be full. "
                f"Received: {self.view!r}."
            )
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3. Received: {self.channels}.")
        if not self.low < self.high:
            raise ValueError(f"low must be below high. Received: {self.low}, {self.high}.")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels):
                raise ValueError(
                    f"{name} must have 1 or {self.channels} numbers (channels={self.channels}). "
                    f"Received: {values}."
                )
        if min(self.std) <= 0:
            raise ValueError(f"std must be positive. Received: {self.std}.")

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Preprocessing":
        """Returns the object whose `to_json` gave these fields; a missing chain is plain."""
        return cls(**fields)

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as a dictionary that `json.dump` takes.

        A plain chain is left out: runs and comparisons made before there was another one have the
        same record, and what they kept by it is found.
        """
        fields = dataclasses.asdict(self)
        if self.chain == "plain":
            del fields["chain"]
        return fields

    def image_from_bytes(self, encoded):
        """Returns the square of the decoded image with the view applied: what the cache holds.

        Args:
          encoded: bytes of an image file, scalar string.

        Returns:
          uint8 [image_size, image_size, 1].

        Raises:
          tf.errors.InvalidArgumentError: if the bytes cannot be decoded.
        """
        return self.image_from_gray(decode_gray(encoded))

    def image_from_gray(self, gray):
        """Returns the square of the image with the view applied.

        Args:
          gray: decoded image, uint8 [height, width, 1].

        Returns:
          uint8 [image_size, image_size, 1].
        """
        return self.image_and_found(gray)[0]

    def image_and_found(self, gray):
        """Returns the square of the image, and whether the chain found what it looks for.

        Args:
          gray: decoded image, uint8 [height, width, 1].

        Returns:
          uint8 [image_size, image_size, 1] with the view applied; scalar bool, always true of
          'plain'. Where 'lung_crop' finds no lungs the square is of the whole image.
        """
        square, found = CHAINS[self.chain](gray, self.image_size)
        return apply_view(square, self.view), found

    def network_input(self, images):
        """Returns the images in the network's range and number of channels.

        Args:
          images: uint8, or float32 in 0..255, [..., image_size, image_size, 1].

        Returns:
          float32 [..., image_size, image_size, channels].
        """
        # One multiplication and one addition per value: the constants are folded in float64.
        scales, offsets = self._scales_and_offsets()
        # Row by row: broadcasting over a last axis of three is several times slower on a CPU.
        rows = tf.cast(images, tf.float32)[..., 0]
        if self.channels > 1:
            rows = tf.repeat(rows, self.channels, axis=-1)
        rows = rows * tf.constant(scales * self.image_size) + tf.constant(offsets * self.image_size)
        return tf.reshape(rows, tf.concat([tf.shape(images)[:-1], [self.channels]], axis=0))

    def stream_input(self, images):
        """Returns `network_input` of a batch, the same bit for bit, sooner; for tf.data on a CPU.

        Repeating gray to three channels takes as long as the augmentation; compiled, a fifth.
        No exporter knows compiled functions, so the models that are exported do without.

        Args:
          images: uint8 [batch, image_size, image_size, 1].

        Returns:
          float32 [batch, image_size, image_size, channels].
        """
        return _compiled_input(images, self)

    def gray(self, inputs):
        """Returns the images that `network_input` made an input of, to rounding.

        Args:
          inputs: array or tensor [..., image_size, image_size, channels].

        Returns:
          float32 in 0..255, [..., image_size, image_size, 1].
        """
        scales, offsets = self._scales_and_offsets()
        return (inputs[..., :1] - offsets[0]) / scales[0]

    def inside_compiled(self, images):
        """Returns `network_input` in the form that XLA compiles well, for a compiled function.

        Args:
          images: uint8, or float32 in 0..255, [batch, image_size, image_size, 1].

        Returns:
          float32 [batch, image_size, image_size, channels].

        Raises:
          ValueError: if the images are of another size.
        """
        expected = [self.image_size, self.image_size, 1]
        if images.shape[1:].as_list() != expected:
            raise ValueError(
                f"images: expected {expected} after the batch. Received: {images.shape}."
            )
        scales, offsets = self._scales_and_offsets()
        scaled = tf.cast(images, tf.float32) * tf.constant(scales)
        if not any(offsets):
            return scaled
        # A bound that is never reached keeps product and sum apart: joined, they are rounded once
        # and not twice.
        return tf.minimum(scaled, tf.constant(scales) * 256.0) + tf.constant(offsets)

    def __call__(self, encoded):
        """Returns the network's input for one encoded image, float32 [size, size, channels]."""
        return self.network_input(self.image_from_bytes(encoded))

    def _scales_and_offsets(self) -> tuple[list[float], list[float]]:
        stds = self._per_channel(self.std)
        scales = [(self.high - self.low) / 255 / std for std in stds]
        offsets = [
            (self.low - mean) / std
            for mean, std in zip(self._per_channel(self.mean), stds, strict=True)
        ]
        return scales, offsets

    def _per_channel(self, values: tuple[float, ...]) -> tuple[float, ...]:
        return values if len(values) == self.channels else values * self.channels


@tf.function(jit_compile=True)
def _compiled_input(images, preprocessing: Preprocessing):
    return preprocessing.inside_compiled(images)


def _lung_mask(height: int, width: int):
    rows = (tf.range(height, dtype=tf.float32) + 0.5) / height
    columns = (tf.range(width, dtype=tf.float32) + 0.5) / width
    in_rows = (rows >= LUNG_BOX.top) & (rows < LUNG_BOX.bottom)
    in_columns = (columns >= LUNG_BOX.left) & (columns < LUNG_BOX.right)
    return (in_rows[:, None] & in_columns[None, :])[..., None]
