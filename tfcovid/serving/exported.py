"""The classifier as others run it: image bytes in, calibrated probabilities out."""

import pathlib
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfcovid.data.decode import decode_gray
from tfcovid.data.preprocess import Preprocessing
from tfcovid.whole_file import whole_file


class ExportedClassifier(tf.Module):
    """A SavedModel that needs none of this code where it runs.

    Preprocessing is the function that training used, so that what is served is
    what was scored. All arithmetic is float32, whatever precision trained.

    Args:
      model: a float32 classifier that gives logits [batch, 1 or num_classes].
      preprocessing: from bytes to the network's input.
      classes: names in the order of the probabilities.
      factor: what logits are multiplied by, float32, > 0.
      offset: what is then added, float32 [num_outputs].
      positive: the class that the threshold is for.
      threshold: the positive class is decided from this probability on, and below it the largest
        of the others; None lets the largest of all decide.
      weights: without a threshold probabilities are multiplied by these, one a class, before
        they are compared; None for equal ones.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        preprocessing: Preprocessing,
        classes: tuple[str, ...],
        factor: np.float32,
        offset: np.ndarray,
        positive: str,
        threshold: float | None,
        weights: Sequence[float] | None = None,
    ):
        super().__init__(name="tfcovid_classifier")
        self.model = model
        self.preprocessing = preprocessing
        self.classes = tf.constant(classes)
        self.factor = tf.constant(factor, tf.float32)
        self.offset = tf.constant(offset, tf.float32)
        self.positive = classes.index(positive)
        self.weights = None if weights is None else tf.constant(weights, tf.float32)
        self.threshold = None if threshold is None else tf.constant(threshold, tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serving_default(self, image_bytes):
        """Classifies encoded images.

        Args:
          image_bytes: JPEG or PNG files, string [batch], of any size and mode.

        Returns:
          `probabilities` float32 [batch, num_classes], `labels` string
          [num_classes] in the same order, `decision` string [batch]; where images are cropped
          to the lungs `lungs_found` bool [batch], false of one that is kept whole.
        """
        size = self.preprocessing.image_size
        images, found = tf.map_fn(
            lambda encoded: self.preprocessing.image_and_found(decode_gray(encoded)),
            image_bytes,
            fn_output_signature=(
                tf.TensorSpec([size, size, 1], tf.uint8),
                tf.TensorSpec([], tf.bool),
            ),
        )
        probs = self.probabilities(self.preprocessing.network_input(images))
        outputs = {
            "probabilities": probs,
            "labels": self.classes,
            "decision": tf.gather(self.classes, self.decide(probs)),
        }
        if self.preprocessing.chain != "plain":
            outputs["lungs_found"] = found
        return outputs

    def probabilities(self, inputs):
        """Returns float32 [batch, num_classes] from the network's input."""
        logits = self.model(inputs, training=False) * self.factor + self.offset
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


def save_exported(module: ExportedClassifier, folder: pathlib.Path) -> None:
    """Writes the SavedModel folder, whole or not at all.

    Raises:
      OSError: if the folder already holds something, or cannot be written.
    """
    with whole_file(folder) as beside:
        tf.saved_model.save(
            module, str(beside), signatures={"serving_default": module.serving_default}
        )
