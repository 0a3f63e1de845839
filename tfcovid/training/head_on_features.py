"""Phase 1 without the backbone: what a frozen one says of an image is computed once.

That is the same training, but for rounding, where nothing between the image and the features is
trained or random: no augmentation, no dropout, no dense layers before the head.
"""

import keras

from tfcovid.models.classifier import HEAD_LAYER
from tfcovid.models.necks import POOL_LAYER

DROPOUT_LAYER = "dropout"


class HeadOnFeatures(keras.Model):
    """The head of a classifier on its own: the same layers with the same variables.

    Args:
      classifier: from tfcovid.models, with one linear head.
    """

    def __init__(self, classifier: keras.Model):
        super().__init__(name="head_on_features")
        self.dropout = classifier.get_layer(DROPOUT_LAYER)
        self.logits = classifier.get_layer(HEAD_LAYER)

    def call(self, features, training=None):
        """Returns logits [batch, num_outputs] of features float32 [batch, num_features]."""
        return self.logits(self.dropout(features, training=training))


def head_on_features(classifier: keras.Model) -> HeadOnFeatures | None:
    """Returns the head alone, or None where phase 1 trains or draws more than that.

    Args:
      classifier: from tfcovid.models.
    """
    names = [layer.name for layer in classifier.layers]
    if not {"backbone", POOL_LAYER, DROPOUT_LAYER, HEAD_LAYER} <= set(names):
        return None
    head = classifier.get_layer(HEAD_LAYER)
    between = [layer for layer in classifier.layers if layer.name not in ("backbone", HEAD_LAYER)]
    before = [layer for layer in between if layer.name != DROPOUT_LAYER]
    before += classifier.get_layer("backbone")._flatten_layers()
    if any(layer.weights for layer in between) or any(map(_draws, before)) or not head.built:
        return None
    return HeadOnFeatures(classifier)


def _draws(layer: keras.Layer) -> bool:
    """Returns whether a layer is random while training."""
    return getattr(layer, "rate", 0) != 0
