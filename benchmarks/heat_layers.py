"""Which map should heat be drawn from? Trained networks that cannot see the lungs tell.

    python -m benchmarks.heat_layers --runs=RUN,RUN_BORDER_ONLY,RUN2,RUN2_BORDER_ONLY

A network trained and shown only the border around the lungs (`tfcovid.train --view=border_only`)
has no evidence inside their box: heat there is an error of the method. For each run, by LayerCAM,
HiResCAM and Grad-CAM, from the map that the architecture names and from its last one, prints the
share of the heat for the true class that lies inside the box, the mean over the test images of each
class, beside the box's share of the image. Gradients are taken here by a tape around the backbone,
and not by `tfcovid.explain`.
"""

import pathlib

import keras
import numpy as np
import rich.table
import tensorflow as tf
from absl import app
from absl import flags as absl_flags

from tfcovid.console import open_console
from tfcovid.data.manifest import read_manifest
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.heat import BOX
from tfcovid.explain.class_activation import METHODS
from tfcovid.explain.lung_share import box_mask, heat_inside
from tfcovid.models.classifier import as_float32
from tfcovid.models.layers import HEAT_LAYER
from tfcovid.training.run_record import RunFolder, read_json

RUNS = absl_flags.DEFINE_list("runs", None, "Folders of finished runs.", required=True)
BATCH = 32


def main(_: list[str]) -> None:
    """Prints the table."""
    table = rich.table.Table("network", "sees", "map", "method", "inside the box", "box")
    for name in RUNS.value:
        for row in rows_of(RunFolder(pathlib.Path(name))):
            table.add_row(*row)
    open_console().print(table)


def rows_of(folder):
    """Yields the table's rows of a run."""
    classes, config = read_json(folder.labels), read_json(folder.config)
    preprocessing = Preprocessing.from_json(read_json(folder.preprocessing))
    manifest = read_manifest(folder.manifest)
    test = manifest[manifest["split"] == "test"]
    labels = np.array([classes.index(label) for label in test["label"]])
    root = pathlib.Path(config["sources"]["data_dir"])
    squares = np.stack(
        [
            preprocessing.image_from_bytes((root / path).read_bytes()).numpy()
            for path in test["path"]
        ]
    )
    inside = box_mask(BOX, preprocessing.image_size)
    model = as_float32(keras.models.load_model(folder.best_model, compile=False))
    shares = shares_of(model, preprocessing.network_input(squares), labels, inside)
    for (side, method), found in shares.items():
        means = [
            f"{name} {np.nanmean(found[labels == index]):.3f}" for index, name in enumerate(classes)
        ]
        yield (
            config["model"]["backbone"],
            config["data"]["view"],
            f"{side}x{side}",
            method,
            ", ".join(means),
            f"{inside.mean():.3f}",
        )


def shares_of(model, inputs, labels, inside):
    """Returns by side of the map and method the share of each image's heat inside, [n]."""
    backbone, size = model.get_layer("backbone"), inputs.shape[1]
    behind = model.layers[model.layers.index(backbone) + 1 :]
    maps = {backbone.output_shape[1]: backbone.output}
    if HEAT_LAYER in {layer.name for layer in backbone.layers}:
        named = backbone.get_layer(HEAT_LAYER).output
        maps = {named.shape[1]: named, **maps}
    every = keras.Model(backbone.inputs[0], [*maps.values(), backbone.output])
    shares = {(side, method): [] for side in maps for method in METHODS}
    for start in range(0, len(labels), BATCH):
        images = tf.convert_to_tensor(inputs[start : start + BATCH])
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(images)
            *found, x = every(images, training=False)
            for layer in behind:
                x = layer(x)
            score = tf.gather(x, labels[start : start + BATCH], batch_dims=1)
        for side, feature_map in zip(maps, found, strict=True):
            gradient = tape.gradient(score, feature_map)
            for method, evidence in METHODS.items():
                heat = tf.image.resize(evidence(feature_map, gradient)[..., None], [size, size])
                heat = np.maximum(heat.numpy()[..., 0], 0)
                shares[side, method].append(heat_inside(heat, inside))
    return {key: np.concatenate(parts) for key, parts in shares.items()}


if __name__ == "__main__":
    app.run(main)
