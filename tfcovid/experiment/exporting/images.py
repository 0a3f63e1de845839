"""The images that exports are measured on, and those that set the ranges of int8."""

import dataclasses

import numpy as np
import pandas as pd
import rich.console

from tfcovid.console import counting_bar
from tfcovid.data.sources.reading import Reading
from tfcovid.data.splitter import read_task_manifest
from tfcovid.data.squares import squares_of
from tfcovid.experiment.exporting.network import Network
from tfcovid.experiment.targets import read_run_data, refuse_changed

# As many as ranges need, and few enough that a large network is run over them in a minute; chosen.
REPRESENTATIVE = 128


@dataclasses.dataclass(frozen=True)
class Images:
    """Images of a run as its network sees them.

    Attributes:
      reading: where they lie.
      rows: of the manifest, index 0 … n-1.
      squares: uint8 [n, size, size, 1].
    """

    reading: Reading
    rows: pd.DataFrame
    squares: np.ndarray


def validation_images(network: Network, console: rich.console.Console) -> Images:
    """Returns all images of the validation split, on which the rule was chosen.

    The test split is scored once, by the run.

    Raises:
      ValueError: if the run's data is not where it was, or not what it was.
    """
    reading, rows = rows_of(network, "validation")
    return images_of(network, reading, rows, console)


def representative_images(network: Network, console: rich.console.Console) -> Images:
    """Returns images of the training split, as many of each label as can be, by the run's seed.

    Raises:
      ValueError: as `validation_images` does.
    """
    reading, rows = rows_of(network, "train")
    drawn = draw_by_label(rows["label"], REPRESENTATIVE, seed=network.run.config.run.seed)
    return images_of(network, reading, rows.iloc[drawn].reset_index(drop=True), console)


def draw_by_label(labels: pd.Series, count: int, *, seed: int) -> np.ndarray:
    """Returns which images are drawn: one of each label, then a second of each, and so on.

    Args:
      labels: texts [n].
      count: images to draw; all where there are fewer.
      seed: another seed draws others.

    Returns:
      Positions int64 [min(count, n)], rising.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    shuffled = labels.iloc[order]
    turn = shuffled.groupby(shuffled.to_numpy()).cumcount().to_numpy()
    return np.sort(order[np.argsort(turn, kind="stable")[:count]])


def rows_of(network: Network, split: str) -> tuple[Reading, pd.DataFrame]:
    """Returns where the images of a run lie, and its manifest's rows of one split.

    Raises:
      ValueError: if the data is not where it was, or one of these images is another now.
    """
    run = network.run
    reading = read_run_data(run.config)
    manifest = read_task_manifest(run.folder.manifest, run.task_labels)
    rows = manifest[manifest["split"] == split].reset_index(drop=True)
    refuse_changed(reading, rows, split, max_pixels=run.config.data.max_pixels)
    return reading, rows


def images_of(
    network: Network, reading: Reading, rows: pd.DataFrame, console: rich.console.Console
) -> Images:
    """Returns rows of a manifest with their squares, by the path that training took.

    Raises:
      ValueError: if an image does not decode any more.
    """
    size = network.preprocessing.image_size
    squares = np.zeros((len(rows), size, size, 1), np.uint8)
    paths = rows["path"].tolist()
    max_pixels = network.run.config.data.max_pixels
    outcomes = squares_of(reading, paths, network.preprocessing, max_pixels=max_pixels)
    with counting_bar(console, "decoding images") as progress:
        for index, outcome in enumerate(outcomes):
            if isinstance(outcome, str):
                raise ValueError(f"{reading.root / paths[index]}: {outcome}")
            squares[index] = outcome[0]
            progress(index + 1, len(paths))
    return Images(reading, rows, squares)
