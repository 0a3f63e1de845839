"""The controls of --controls=full: networks like the run's own that see no lungs, or tell sources.

Each is trained as the run is, on the same images, and leaves its model, its history and its
decision rule in RUN/controls/NAME.
"""

import dataclasses
import pathlib

import keras
import numpy as np
import pandas as pd
import rich.console

from flags import choices
from flags.config import Config
from tfcovid.console import say
from tfcovid.data.blocks import Block
from tfcovid.data.dataset import Dataset
from tfcovid.data.image_store import ImageStore
from tfcovid.data.pipeline import evaluation_dataset
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.controls.fitting import HIDDEN_VIEWS
from tfcovid.experiment.controls.scores import SOURCE_NETWORK
from tfcovid.experiment.decisions import choose_rule
from tfcovid.experiment.fitting import train
from tfcovid.experiment.inputs import EVALUATION_BATCH
from tfcovid.experiment.network import build_model
from tfcovid.metrics.decision import DecisionRule, rule_from_description
from tfcovid.models.classifier import as_float32
from tfcovid.training import run_record, runtime
from tfcovid.training.run_record import RunFolder

FEWEST_GROUPS = {"train": 10, "validation": 2}
"""A source of fewer groups is too small for a network that tells it apart."""


def train_control_networks(
    config: Config,
    dataset: Dataset,
    preprocessing: Preprocessing,
    weights: pathlib.Path | None,
    machine: runtime.Runtime,
    folder: RunFolder,
    console: rich.console.Console,
) -> dict[str, np.ndarray]:
    """Trains them; returns what each decides on the test split, by its column, names [n].

    Args:
      config: of the run.
      dataset: of the run.
      preprocessing: of the run.
      weights: what the run starts from, or None.
      machine: precision and devices.
      folder: of the run.
      console: for progress.
    """
    found = {}
    for view in HIDDEN_VIEWS:
        say(console, f"control: a network trained on the view {view}")
        painted = dataclasses.replace(dataset, images=dataset.images.seen_through(view))
        own = RunFolder(folder.controls / f"{view}_network")
        found[f"{view}_network"] = _train_one(
            config, painted, preprocessing, weights, machine, own, console
        )
    by_source = told_by_source(dataset)
    if by_source is not None:
        say(console, "control: a network trained to tell the sources apart")
        decision = dataclasses.replace(
            config.decision,
            operating_point=choices.OperatingPoint.AUTO,
            operating_class=None,
        )
        loss = dataclasses.replace(config.loss, focal_alpha=None)  # it was of the task's classes
        asked = dataclasses.replace(config, decision=decision, loss=loss)
        own = RunFolder(folder.controls / SOURCE_NETWORK)
        told = _train_one(asked, by_source, preprocessing, weights, machine, own, console)
        sources = by_source.frame["source"].iloc[by_source.rows("test")]
        known = sources.isin(by_source.classes).to_numpy()
        told[~known] = None  # of another source it cannot be right
        found[SOURCE_NETWORK] = told
    return found


def told_by_source(dataset: Dataset) -> Dataset | None:
    """Returns the images with their sources as classes; None where there are not two to tell."""
    frame = dataset.frame
    enough: set[str] = set(frame["source"].dropna())
    for part, fewest in FEWEST_GROUPS.items():
        groups = frame[frame["split"] == part].groupby("source")["group_id"].nunique()
        enough &= set(groups.index[groups >= fewest])
    sources = tuple(sorted(enough))
    if len(sources) < 2:
        return None
    numbers = frame["source"].map({name: i for i, name in enumerate(sources)})
    split = frame["split"].where(numbers.notna() | (frame["split"] == "test"))
    return dataclasses.replace(
        dataset,
        classes=sources,
        blocks=(Block("source", sources, True),),
        frame=frame.assign(split=split),
        labels=numbers.fillna(0).to_numpy(np.int32),
    )


def _train_one(
    config: Config,
    dataset: Dataset,
    preprocessing: Preprocessing,
    weights: pathlib.Path | None,
    machine: runtime.Runtime,
    folder: RunFolder,
    console: rich.console.Console,
) -> np.ndarray:
    folder.create()
    train(
        config,
        build_model(config, dataset, preprocessing, weights),
        dataset,
        preprocessing,
        machine,
        folder,
        console,
    )
    best = as_float32(keras.models.load_model(folder.best_model, compile=False))
    chosen = choose_rule(config, best, dataset, preprocessing)
    run_record.write_json(folder.labels, list(dataset.classes))
    run_record.write_json(folder.decision, chosen.record)
    rows = dataset.rows("test")
    return _decisions(best, chosen.rule, dataset.images, dataset.image_index[rows], preprocessing)


def decided_by_networks(
    folder: RunFolder,
    images: ImageStore,
    index: np.ndarray,
    preprocessing: Preprocessing,
) -> pd.DataFrame:
    """Returns what the trained controls of a finished run decide on other images.

    Args:
      folder: of the run; without --controls=full there are none.
      images: holds the squares, of the full view.
      index: where the images lie in it, int64 [n].
      preprocessing: of the run.

    Returns:
      A column a control, n rows.
    """
    found = {}
    for view in HIDDEN_VIEWS:
        own = RunFolder(folder.controls / f"{view}_network")
        if own.decision.is_file():
            model = as_float32(keras.models.load_model(own.best_model, compile=False))
            rule = rule_from_description(
                run_record.read_json(own.labels), run_record.read_json(own.decision)
            )
            found[f"{view}_network"] = _decisions(
                model, rule, images.seen_through(view), index, preprocessing
            )
    return pd.DataFrame(found, index=range(len(index)))


def _decisions(
    model: keras.Model,
    rule: DecisionRule,
    images: ImageStore,
    index: np.ndarray,
    preprocessing: Preprocessing,
) -> np.ndarray:
    batches = evaluation_dataset(
        images,
        index,
        np.zeros(len(index), np.int32),
        preprocessing=preprocessing,
        batch_size=EVALUATION_BATCH,
    )
    probs = rule.probabilities(model.predict(batches, verbose=0))
    return np.asarray(rule.classes, object)[rule.decide(probs)]
