"""The controls of --controls=full: networks like the run's own that see no lungs, or tell sources.

Each is trained as the run is, on the same images, and leaves its model, its history and its
decision rule in RUN/controls/NAME.
"""

import dataclasses

import keras
import numpy as np
import pandas as pd
import rich.console

from flags import choices
from tfcovid.console import say
from tfcovid.data.blocks import Block
from tfcovid.data.dataset import Dataset
from tfcovid.data.image_store import ImageStore
from tfcovid.data.pipeline import evaluation_dataset
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.best_model import load_best_model
from tfcovid.experiment.classifiers.asked import Asked
from tfcovid.experiment.classifiers.fit import fit_classifier
from tfcovid.experiment.controls.fitting import HIDDEN_VIEWS, hidden_views
from tfcovid.experiment.controls.scores import SOURCE_NETWORK
from tfcovid.experiment.decisions import choose_rule
from tfcovid.experiment.inputs import EVALUATION_BATCH
from tfcovid.metrics.decision import DecisionRule, rule_from_description
from tfcovid.training import run_record
from tfcovid.training.run_record import RunFolder

FEWEST_GROUPS = {"train": 10, "validation": 2}
"""A source of fewer groups is too small for a network that tells it apart."""


def train_control_networks(
    asked: Asked, folder: RunFolder, console: rich.console.Console
) -> dict[str, np.ndarray]:
    """Trains them; returns what each decides on the test split, by its column, names [n].

    Args:
      asked: of the run.
      folder: of the run.
      console: for progress.
    """
    config, dataset = asked.config, asked.dataset
    found = {}
    for view in hidden_views(asked.preprocessing):
        say(console, f"control: a network trained on the view {view}")
        painted = dataclasses.replace(dataset, images=dataset.images.seen_through(view))
        own = RunFolder(folder.controls / f"{view}_network")
        of_view = dataclasses.replace(asked, dataset=painted)
        found[f"{view}_network"] = _train_one(of_view, own, console)
    by_source = told_by_source(dataset)
    if by_source is not None:
        say(console, "control: a network trained to tell the sources apart")
        decision = dataclasses.replace(
            config.decision,
            operating_point=choices.OperatingPoint.AUTO,
            operating_class=None,
        )
        loss = dataclasses.replace(config.loss, focal_alpha=None)  # it was of the task's classes
        config = dataclasses.replace(config, decision=decision, loss=loss)
        own = RunFolder(folder.controls / SOURCE_NETWORK)
        telling = dataclasses.replace(asked, config=config, dataset=by_source)
        told = _train_one(telling, own, console)
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


def _train_one(asked: Asked, folder: RunFolder, console: rich.console.Console) -> np.ndarray:
    dataset = asked.dataset
    folder.create(goes_on=asked.keeping.goes_on)
    fitted = fit_classifier(asked, folder, console)
    chosen = choose_rule(asked.config, dataset, fitted.on_validation)
    run_record.write_json(folder.labels, list(dataset.classes))
    run_record.write_json(folder.decision, chosen.record)
    rows = dataset.rows("test")
    return _decisions(
        fitted.model, chosen.rule, dataset.images, dataset.image_index[rows], asked.preprocessing
    )


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
            model = load_best_model(own.best_model)
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
