"""The controls of a finished run on another data set: what they reach there without lungs."""

from typing import Any

import numpy as np
import pandas as pd
import rich.console

from flags.config import Config
from tfcovid.console import counting_bar
from tfcovid.data.image_store import ImageStore
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.sources.readers import cache_folder
from tfcovid.data.squares import squares_of
from tfcovid.experiment.best_model import load_best_model
from tfcovid.experiment.controls.fitting import FittedControls
from tfcovid.experiment.controls.networks import decided_by_networks
from tfcovid.experiment.controls.scores import control_entries, decide_controls, source_entries
from tfcovid.experiment.targets import Target
from tfcovid.metrics.decision import positive_class
from tfcovid.training import run_record


def controls_on(
    folder: run_record.RunFolder,
    target: Target,
    predictions: pd.DataFrame,
    *,
    config: Config,
    console: rich.console.Console,
) -> tuple[dict[str, Any], pd.DataFrame | None]:
    """Returns entries of metrics.json, and what the controls decide; nothing without controls.

    The probes and networks are those that the run fitted to its own training split.

    Args:
      folder: of the finished run.
      target: what is scored.
      predictions: of the run's model, a row an image of the target, as in predictions.csv.
      config: of the run.
      console: for the progress bar.

    Returns:
      `controls` and `sources_told_apart`; the rows of control_predictions.csv.

    Raises:
      ValueError: if the files of the controls are damaged.
    """
    if refuse_without_probes(folder):
        return {}, None
    classes = run_record.read_json(folder.labels)
    preprocessing = Preprocessing.from_json(run_record.read_json(folder.preprocessing))
    images = images_of(target, preprocessing, console)
    index = np.arange(len(target.frame))
    model = load_best_model(folder.best_model)
    fitted = FittedControls.load(folder.probes)
    table = decide_controls(fitted, model, images, index, target.frame, preprocessing, classes)
    networks = decided_by_networks(folder, images, index, preprocessing)
    table = pd.concat([table, networks], axis=1)
    positive = positive_class(classes, config.decision.operating_class)
    seed = config.run.seed
    entries = {
        "controls": control_entries(table, predictions, classes, positive=positive, seed=seed),
        "sources_told_apart": source_entries(table, seed=seed),
    }
    return entries, table


def refuse_without_probes(folder: run_record.RunFolder) -> bool:
    """Returns whether a run has no controls.

    Raises:
      ValueError: if it had some and their file is gone.
    """
    if folder.probes.is_file():
        return False
    if run_record.read_json(folder.metrics)["controls"]:
        raise ValueError(f"{folder.probes}: expected the controls of the run, found none")
    return True


def images_of(
    target: Target, preprocessing: Preprocessing, console: rich.console.Console
) -> ImageStore:
    """Returns the squares of a target's images, in the order of its frame.

    Raises:
      ValueError: if an image does not decode.
    """
    paths = target.frame["path"].tolist()
    with counting_bar(console, "decoding images for the controls") as progress:
        images, failures = ImageStore.load(
            [target.reading.root / path for path in paths],
            preprocessing,
            folder=cache_folder() / "images",
            outcomes=squares_of(target.reading, paths, preprocessing),
            progress=progress,
        )
    if failures:
        first = next(iter(failures))
        raise ValueError(f"{paths[first]}: {failures[first]}; it could be read a moment ago")
    return images
