"""The classifier as others run it: image bytes in, calibrated probabilities out."""

import pathlib

import keras
import tensorflow as tf

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
      temperature: what logits are divided by, > 0.
      threshold: of the second of two classes; None lets the largest probability decide.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        preprocessing: Preprocessing,
        classes: tuple[str, ...],
        temperature: float,
        threshold: float | None,
    ):
        super().__init__(name="tfcovid_classifier")
        self.model = model
        self.preprocessing = preprocessing
        self.classes = tf.constant(classes)
        self.temperature = tf.constant(temperature, tf.float32)
        self.threshold = None if threshold is None else tf.constant(threshold, tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serving_default(self, image_bytes):
        """Classifies encoded images.

        Args:
          image_bytes: JPEG or PNG files, string [batch], of any size and mode.

        Returns:
          `probabilities` float32 [batch, num_classes], `labels` string
          [num_classes] in the same order, `decision` string [batch].
        """
        size = self.preprocessing.image_size
        images = tf.map_fn(
            self.preprocessing.image_from_bytes,
            image_bytes,
            fn_output_signature=tf.TensorSpec([size, size, 1], tf.uint8),
        )
        probs = self.probabilities(self.preprocessing.network_input(images))
        return {
            "probabilities": probs,
            "labels": self.classes,
            "decision": tf.gather(self.classes, self.decide(probs)),
        }

    def probabilities(self, inputs):
        """Returns float32 [batch, num_classes] from the network's input."""
        logits = self.model(inputs, training=False) / self.temperature
        if self.threshold is None and logits.shape[-1] > 1:
            return tf.nn.softmax(logits)
        return tf.concat([tf.sigmoid(-logits), tf.sigmoid(logits)], axis=-1)

    def decide(self, probs):
        """Returns class indices int64 [batch]."""
        if self.threshold is None:
            return tf.argmax(probs, axis=-1)
        return tf.cast(probs[:, 1] >= self.threshold, tf.int64)


def save_exported(module: ExportedClassifier, folder: pathlib.Path) -> None:
    """Writes the SavedModel folder, whole or not at all.

    Raises:
      OSError: if the folder already holds something, or cannot be written.
    """
    with whole_file(folder) as beside:
        tf.saved_model.save(
            module, str(beside), signatures={"serving_default": module.serving_default}
        )
