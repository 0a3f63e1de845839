"""Computes the loss of two heads and its metrics on Keras' backend of this process."""

import sys

import keras
import numpy as np

from tfcovid.losses.blocks import BlockLoss
from tfcovid.losses.cross_entropy import SoftmaxCrossEntropy
from tfcovid.losses.focal import SigmoidFocal
from tfcovid.metrics.block_log_loss import BlockLogLoss, MeanAuroc

BLOCKS = [(3, True), (4, False)]


def two_heads():
    """Returns a loss of three classes and four findings."""
    weights = np.linspace(0.5, 2.0, 8).reshape(4, 2)
    losses = [SoftmaxCrossEntropy(sparse=False), SigmoidFocal(gamma=2.0, label_weights=weights)]
    return BlockLoss(losses=losses, sizes=[3, 4], divisors=[0.8, 3.1])


def figures(labels, logits):
    """Returns the loss of each example, the selection figure and the mean AUROC, NumPy."""
    metrics = [BlockLogLoss(blocks=BLOCKS), MeanAuroc(blocks=BLOCKS)]
    for metric in metrics:
        metric.update_state(labels[:30], logits[:30])
        metric.update_state(labels[30:], logits[30:])
    loss = two_heads().call(
        keras.ops.convert_to_tensor(labels), keras.ops.convert_to_tensor(logits)
    )
    found = [loss, *(metric.result() for metric in metrics)]
    return [keras.ops.convert_to_numpy(value) for value in found]


if __name__ == "__main__":
    given = np.load(sys.argv[1])
    np.savez(sys.argv[2], *figures(given["labels"], given["logits"]))
