"""Writes the logits of stored trees on Keras' PyTorch backend.

Run as `python -m tests.models.torch_trees IN.npz OUT.npz` with KERAS_BACKEND=torch.
"""

import sys

import keras
import numpy as np

from tfcovid.models.boosted_trees import BoostedTrees


def main(inputs, outputs):
    given = dict(np.load(inputs))
    num_trees, num_nodes = given["feature"].shape
    layer = BoostedTrees(num_trees, num_nodes, int(given["depth"]), len(given["offset"]))
    layer.build(given["features"].shape)
    layer.set_trees(given)
    logits = keras.ops.convert_to_numpy(layer(given["features"]))
    np.savez(outputs, backend=keras.backend.backend(), logits=logits)


if __name__ == "__main__":
    main(*sys.argv[1:])
