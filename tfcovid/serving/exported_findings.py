"""The network of several findings as others run it."""

import re
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfcovid.data.preprocess import Preprocessing
from tfcovid.serving.exported import ExportedClassifier


class ExportedFindings(ExportedClassifier):
    """The SavedModel of a task whose images have several findings, perhaps beside a class.

    Args:
      model: a float32 network that gives logits [batch, num_outputs].
      preprocessing: from bytes to the network's input.
      classes: names in the order of the outputs: of exclusive classes, then of findings.
      factor: what logits are multiplied by, float32 [num_outputs], > 0.
      offset: what is then added, float32 [num_outputs].
      thresholds: a finding is decided from this probability on, one a finding.
      num_exclusive: how many classes there are, 0 or more than one.
      weights: probabilities of classes are multiplied by these before they are compared, or None.
      none: what is decided where no finding reaches its threshold.
      separators: what stands between two findings, and between class and findings.
      heat_map: as in `ExportedClassifier`.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        preprocessing: Preprocessing,
        classes: tuple[str, ...],
        factor: np.ndarray,
        offset: np.ndarray,
        thresholds: Sequence[float],
        num_exclusive: int = 0,
        weights: Sequence[float] | None = None,
        none: str,
        separators: tuple[str, str],
        heat_map: str | None = None,
    ):
        super().__init__(
            model,
            preprocessing=preprocessing,
            classes=classes,
            factor=factor,
            offset=offset,
            positive=classes[0],
            threshold=None,
            weights=weights,
            heat_map=heat_map,
        )
        self.thresholds = tf.constant(thresholds, tf.float32)
        self.num_exclusive, self.none, self.separators = num_exclusive, none, separators

    def probabilities(self, logits):
        """Returns float32 [batch, num_outputs] from the network's logits."""
        logits = logits * self.factor + self.offset
        findings = tf.sigmoid(logits[:, self.num_exclusive :])
        if not self.num_exclusive:
            return findings
        return tf.concat([tf.nn.softmax(logits[:, : self.num_exclusive]), findings], axis=-1)

    def decision(self, probs):
        """Returns what is decided of each image, string [batch]: as its label is written."""
        between, beside = self.separators
        reached = probs[:, self.num_exclusive :] >= self.thresholds
        names = tf.strings.join([between, self.classes[self.num_exclusive :]])
        joined = tf.strings.reduce_join(tf.where(reached, names, ""), axis=-1)
        skipped = tf.strings.regex_replace(joined, "^" + re.escape(between), "")
        found = tf.where(tf.reduce_any(reached, axis=-1), skipped, self.none)
        if not self.num_exclusive:
            return found
        chosen = tf.gather(self.classes, self.decide(probs[:, : self.num_exclusive]))
        return tf.strings.join([chosen, found], beside)
