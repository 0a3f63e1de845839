"""What a frozen network said of images, by their place in a list: streamed in their stead."""

import numpy as np
import tensorflow as tf


class FeatureStore:
    """Features, kept as `ImageStore` keeps images.

    Args:
      features: float32 [n, num_features].

    Attributes:
      choice: one line for the user: where they are.
      holds_no_pixels: False: a stream of them is made where they are.
    """

    choice = "features in memory"
    holds_no_pixels = False

    def __init__(self, features: np.ndarray):
        # Host memory: the pipeline runs there, and on a GPU machine a tensor would go to the GPU.
        with tf.device("CPU:0"):
            self._features = tf.constant(features, tf.float32)

    def __len__(self) -> int:
        return len(self._features)

    def check_indices(self, indices: np.ndarray) -> None:
        """Raises ValueError if an index is out of range."""
        indices = np.asarray(indices)
        if indices.size and not (indices.min() >= 0 and indices.max() < len(self)):
            raise ValueError(
                f"indices must lie in 0..{len(self) - 1}, the rows of the features. "
                f"Received: {indices.min()}..{indices.max()}."
            )

    def fetch(self, indices):
        """Returns features by index, float32 [batch, num_features]; works inside `Dataset.map`."""
        return tf.gather(self._features, indices)
