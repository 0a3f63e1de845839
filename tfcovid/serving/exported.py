"""The classifier as others run it: image bytes in, calibrated probabilities out."""

import json
import math
import pathlib
import types
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfcovid.data.decode import decode_gray, luma
from tfcovid.data.preprocess import Preprocessing
from tfcovid.explain.class_activation import (
    class_heat_maps,
    feature_maps,
    logits_of,
)
from tfcovid.serving.model_folder import ASSETS
from tfcovid.whole_file import whole_file

_MOST_CONSTANT = 16_384  # values of a weight that becomes a constant of the graph

IMAGE_BYTES = tf.TensorSpec([None], tf.string, name="image_bytes")


class ExportedClassifier(tf.Module):
    """A SavedModel that needs none of this code where it runs.

    Preprocessing is the function that training used, so that what is served is
    what was scored. All arithmetic is float32, whatever precision trained.

    Args:
      model: a float32 classifier that gives logits [batch, 1 or num_classes].
      preprocessing: from bytes to the network's input.
      classes: names in the order of the probabilities.
      factor: what logits are multiplied by, float32 [] or [num_outputs], > 0.
      offset: what is then added, float32 [num_outputs].
      positive: the class that the threshold is for.
      threshold: the positive class is decided from this probability on, and below it the largest
        of the others; None lets the largest of all decide.
      weights: without a threshold probabilities are multiplied by these, one a class, before
        they are compared; None for equal ones.
      heat_map: how `explain` draws, a key of `class_activation.METHODS`; None for no such
        signature.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        preprocessing: Preprocessing,
        classes: tuple[str, ...],
        factor: np.float32 | np.ndarray,
        offset: np.ndarray,
        positive: str,
        threshold: float | None,
        weights: Sequence[float] | None = None,
        heat_map: str | None = None,
    ):
        super().__init__(name="tfcovid_classifier")
        self.model = model
        self.preprocessing = preprocessing
        self.classes = tf.constant(classes)
        # Plain numbers: eager tensors would be further inputs to those who convert a function.
        self.factor = np.asarray(factor, np.float32)
        self.offset = np.asarray(offset, np.float32)
        self.positive = classes.index(positive)
        self.weights = None if weights is None else tf.constant(weights, tf.float32)
        self.threshold = None if threshold is None else tf.constant(threshold, tf.float32)
        self.heat_map = heat_map
        if heat_map is not None:
            self.explain = tf.function(self._explain, input_signature=[IMAGE_BYTES])
        # Functions of their own, so that the signatures share one graph of the backbone and one
        # copy of the constants.
        self.feature_maps = tf.function(
            self._feature_maps,
            input_signature=[tf.TensorSpec([None, *model.input_shape[1:]], tf.float32)],
        )
        self.small_weights = tf.function(self._small_weights, input_signature=[])

    @tf.function(input_signature=[IMAGE_BYTES])
    def serving_default(self, image_bytes):
        """Classifies encoded images.

        Args:
          image_bytes: JPEG or PNG files, string [batch], of any size and mode.

        Returns:
          `probabilities` float32 [batch, num_classes], `labels` string
          [num_classes] in the same order, `decision` string [batch]; where images are cropped
          to the lungs `lungs_found` bool [batch], false of one that is kept whole.
        """
        return self._classified(*self._squares(image_bytes, decode_gray))

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, None], tf.uint8, name="images")])
    def image(self, images):
        """Classifies decoded images of one size.

        Args:
          images: uint8 [batch, height, width, 1], gray, or [batch, height, width, 3], RGB.

        Returns:
          As `serving_default`, for the gray images exactly that of a PNG file of each.
        """
        channels = tf.shape(images)[-1]
        readable = tf.debugging.Assert(
            (channels == 1) | (channels == 3), ["images: expected 1 or 3 channels, found", channels]
        )
        with tf.control_dependencies([readable]):
            images = tf.identity(images)
        # One branch at a time: with one channel there is no luma, with three nothing to keep.
        gray = tf.cond(channels == 3, lambda: luma(images), lambda: images[..., :1])
        return self._classified(*self._squares(gray, lambda image: image))

    @tf.function(input_signature=[IMAGE_BYTES])
    def rows(self, image_bytes):
        """Classifies encoded images; every output has one row an image.

        TensorFlow Serving writes an answer by rows, and puts requests into one batch, only where
        all outputs have the batch's axis.

        Args:
          image_bytes: as in `serving_default`.

        Returns:
          What `serving_default` returns, `labels` string [batch, num_classes].
        """
        outputs = self.serving_default(image_bytes)
        labels = tf.broadcast_to(self.classes, tf.shape(outputs["probabilities"]))
        return {**outputs, "labels": labels}

    def _explain(self, image_bytes):
        """Classifies encoded images, and says where on them the evidence for each class lies.

        Args:
          image_bytes: as in `serving_default`.

        Returns:
          What `serving_default` returns, and `heatmaps` float32 [batch, num_classes, size, size],
          as in `class_heat_maps`, on `square` uint8 [batch, size, size]: the image as the network
          saw it, in gray.
        """
        squares, found = self._squares(image_bytes, decode_gray)
        maps = self.feature_maps(self.preprocessing.network_input(squares))
        with self._constant_weights():
            logits, heat_maps = class_heat_maps(
                self.model, maps, size=self.preprocessing.image_size, method=self.heat_map
            )
        return {
            **self._outputs(logits, found),
            "heatmaps": heat_maps,
            "square": squares[..., 0],
        }

    def signatures(self) -> dict[str, Any]:
        """Returns what the SavedModel offers by name."""
        offered = {
            "serving_default": self.serving_default,
            "rows": self.rows,
            "image": self.image,
        }
        return offered if self.heat_map is None else {**offered, "explain": self.explain}

    def _squares(self, images, decode):
        """Returns uint8 [batch, size, size, 1], and in which the chain found what it looks for."""
        size = self.preprocessing.image_size
        return tf.map_fn(
            lambda image: self.preprocessing.image_and_found(decode(image)),
            images,
            fn_output_signature=(
                tf.TensorSpec([size, size, 1], tf.uint8),
                tf.TensorSpec([], tf.bool),
            ),
        )

    def _constant_weights(self):
        """Returns a scope in which the network's small weights are constants of the graph.

        TensorFlow reads every variable at every call, and restores it at every load: a MobileNetV2
        has 106 of them, of which all but 21 are small. Of large ones as constants each signature
        holds several copies in memory.
        """
        small, _ = _by_size(self.model)
        return keras.StatelessScope(zip(small, self.small_weights(), strict=True))

    def _small_weights(self):
        small, _ = _by_size(self.model)
        with tf.init_scope():
            values = [variable.value.numpy() for variable in small]
        return [tf.constant(value) for value in values]

    def _feature_maps(self, inputs):
        with self._constant_weights():
            return feature_maps(self.model, inputs)

    def _classified(self, squares, found):
        maps = self.feature_maps(self.preprocessing.network_input(squares))
        with self._constant_weights():
            logits = logits_of(self.model, maps)
        return self._outputs(logits, found)

    def _outputs(self, logits, found):
        probs = self.probabilities(logits)
        outputs = {
            "probabilities": probs,
            "labels": self.classes,
            "decision": self.decision(probs),
        }
        if self.preprocessing.chain != "plain":
            outputs["lungs_found"] = found
        return outputs

    def decision(self, probs):
        """Returns what is decided of each image, string [batch]."""
        return tf.gather(self.classes, self.decide(probs))

    def probabilities(self, logits):
        """Returns float32 [batch, num_classes] from the network's logits."""
        logits = logits * self.factor + self.offset
        if logits.shape[-1] > 1:
            return tf.nn.softmax(logits)
        return tf.concat([tf.sigmoid(-logits), tf.sigmoid(logits)], axis=-1)

    def decide(self, probs):
        """Returns class indices int64 [batch]."""
        if self.threshold is None:
            return tf.argmax(probs if self.weights is None else probs * self.weights, axis=-1)
        of_class = tf.one_hot(self.positive, probs.shape[-1], on_value=True, off_value=False)
        largest_other = tf.argmax(tf.where(of_class, -1.0, probs), axis=-1)
        reached = probs[:, self.positive] >= self.threshold
        return tf.where(reached, tf.constant(self.positive, tf.int64), largest_other)


def _by_size(model):
    """Returns the variables that become constants, and the others."""
    small = [one for one in model.variables if math.prod(one.shape) <= _MOST_CONSTANT]
    large = [one for one in model.variables if math.prod(one.shape) > _MOST_CONSTANT]
    return small, large


def save_exported(
    module: ExportedClassifier,
    folder: pathlib.Path,
    assets: Mapping[str, Any] = types.MappingProxyType({}),
) -> None:
    """Writes the SavedModel folder, whole or not at all.

    Args:
      module: what is exported.
      folder: the SavedModel's.
      assets: JSON files that travel in its folder ASSETS, by name without suffix: content that
        `json.dump` takes.

    Raises:
      OSError: if the folder already holds something, or cannot be written.
    """
    with whole_file(folder) as beside:
        # What the signatures read, and not the variables in whose place they have constants.
        read = tf.Module()
        read.large_weights = [variable.value for variable in _by_size(module.model)[1]]
        tf.saved_model.save(read, str(beside), signatures=module.signatures())
        (beside / ASSETS).mkdir()
        for name, content in assets.items():
            text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
            (beside / ASSETS / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
