"""Heat maps of a run: how much of them lies on the lungs, and pictures of some."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import rich.console
import tensorflow as tf

from flags import choices
from flags.config import Config
from tfcovid.console import counting_bar
from tfcovid.data.dataset import Dataset
from tfcovid.data.preprocess import LUNG_BOX, Preprocessing
from tfcovid.explain.class_activation import class_heat_maps, feature_maps, has_heat_maps
from tfcovid.explain.lung_share import box_mask, heat_inside
from tfcovid.metrics.heat_shares import heat_share_entries, outside_notes

BATCH = 32
BOX = dataclasses.astuple(LUNG_BOX)

CROPPED = (
    "Images cropped to the lungs have no box of the lungs: how much heat lies inside one is left "
    "out."
)


def method_of(config: Config, model: keras.Model) -> str | None:
    """Returns how heat maps are drawn, a key of `class_activation.METHODS`; None for none.

    There are none where none are asked for, and of a model that has no feature map with a gradient.
    """
    asked = config.run.heat_map
    return None if asked is choices.HeatMap.NONE or not has_heat_maps(model) else asked.value


def shares_in_box(
    config: Config,
    model: keras.Model,
    dataset: Dataset,
    preprocessing: Preprocessing,
    console: rich.console.Console,
) -> np.ndarray | None:
    """Returns the share of each test image's and class's heat inside the lungs' box.

    Args:
      config: of the run.
      model: the fitted classifier.
      dataset: the images and their split.
      preprocessing: the network's input.
      console: for progress.

    Returns:
      float [n, num_classes], NaN where a map has no heat; None where there are no maps, or images
      are cropped and have no such box.
    """
    method = method_of(config, model)
    if method is None or preprocessing.chain != "plain":
        return None
    indices = dataset.image_index[dataset.rows("test")]
    inside = box_mask(BOX, preprocessing.image_size)
    shares = []
    with counting_bar(console, "heat maps") as progress:
        for _, maps in draw(model, dataset, indices, preprocessing, method):
            shares.append(heat_inside(maps, inside))
            progress(sum(map(len, shares)), len(indices))
    return np.concatenate(shares)


def draw(
    model: keras.Model,
    dataset: Dataset,
    indices: np.ndarray,
    preprocessing: Preprocessing,
    method: str,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields squares and heat maps of images, batch by batch.

    Args:
      model: the fitted classifier.
      dataset: the images.
      indices: of the images in the store, int [n].
      preprocessing: the network's input.
      method: a key of `class_activation.METHODS`.

    Yields:
      uint8 [batch, size, size] and float32 [batch, num_classes, size, size].
    """
    drawing = drawing_function(model, preprocessing, method)
    for start in range(0, len(indices), BATCH):
        squares = dataset.images.fetch(indices[start : start + BATCH])
        yield np.asarray(squares)[..., 0], drawing(squares).numpy()


def drawing_function(
    model: keras.Model, preprocessing: Preprocessing, method: str
) -> Callable[[Any], Any]:
    """Returns the function from uint8 [batch, size, size, 1] to heat maps, compiled once."""
    size = preprocessing.image_size

    @tf.function(input_signature=[tf.TensorSpec([None, size, size, 1], tf.uint8)])
    def heat_maps(squares):
        maps = feature_maps(model, preprocessing.network_input(squares))
        return class_heat_maps(model, maps, size=size, method=method)[1]

    return heat_maps


def heat_metrics(
    config: Config,
    shares: np.ndarray | None,
    has_class: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
) -> dict[str, Any]:
    """Returns what metrics.json says of heat maps, by key; empty without shares.

    Args:
      config: of the run.
      shares: from `shares_in_box`.
      has_class: which images are of which class, bool [n, num_classes].
      groups: group ids [n].
      classes: names.
    """
    if shares is None:
        return {}
    per_class, intervals = heat_share_entries(
        shares, has_class, groups, classes, seed=config.run.seed
    )
    inside = box_mask(BOX, config.data.image_size)
    entry = {
        "method": config.run.heat_map.value,
        "box": dataclasses.asdict(LUNG_BOX),
        "box_share_of_image": float(inside.mean()),
        "per_class": per_class,
        "intervals": intervals,
    }
    return {"heat": entry}


def heat_notes(metrics: Mapping[str, Any]) -> list[str]:
    """Returns what the metrics' heat maps give reason to doubt; nothing without heat maps."""
    return outside_notes(metrics["heat"]) if "heat" in metrics else []
