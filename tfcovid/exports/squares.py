"""What every other format holds: from the square that the network saw to probabilities."""

import tensorflow as tf

from tfcovid.serving.exported import ExportedClassifier

INPUT, OUTPUT = "images", "probabilities"
"""The names of the one input and the one output."""


class NoOperationError(ValueError):
    """A network has a part that a format has no operation for; the message names it."""


def square_classifier(module: ExportedClassifier, batch_size: int | None):
    """Returns the classifier without decoding and resizing, which runtimes have no operations for.

    Normalisation, network, calibration and softmax or sigmoid are inside, so that a
    deployer can get none of them wrong.

    Args:
      module: what the SavedModel is made of.
      batch_size: images at a time, or None for any number.

    Returns:
      A `tf.function` from `images` uint8 [batch, size, size, 1] to `probabilities` float32
      [batch, num_classes], of one trace.
    """
    size = module.preprocessing.image_size

    def classify(images):
        logits = module.model(module.preprocessing.network_input(images), training=False)
        return {OUTPUT: module.probabilities(logits)}

    shape = [batch_size, size, size, 1]
    return tf.function(classify, input_signature=[tf.TensorSpec(shape, tf.uint8, name=INPUT)])
