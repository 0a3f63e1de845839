"""What stands beside the cells of a comparison: models that see no lungs, or hardly any."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import rich.console

from flags.compare_config import CompareConfig
from flags.config import Config
from tfcovid.console import counting_bar
from tfcovid.controls.probes import (
    balanced_accuracy,
    chance_level,
    class_of_each_source,
    probe_decisions,
)
from tfcovid.data.dataset import Dataset
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.tasks import TASK_LABELS
from tfcovid.experiment.comparison.cells import FACTORS, predictions_of
from tfcovid.experiment.comparison.folder import ComparisonFolder, finished_cell
from tfcovid.experiment.comparison.frozen_features import System, features_of
from tfcovid.experiment.comparison.pool import Part, Pool
from tfcovid.experiment.controls.fitting import (
    SIGHTS,
    SOURCE_ALONE,
    hidden_views,
    pixel_controls,
    pixel_features,
)
from tfcovid.experiment.controls.scores import above
from tfcovid.metrics.intervals import balanced_accuracy_interval

COMPARED = ("border_only", "thumbnail_32")
"""The controls of pixels that are compared."""


@dataclasses.dataclass(frozen=True)
class Blind:
    """A control of a comparison.

    Attributes:
      name: of its files and its rows.
      sees: for the reader, in one phrase.
      model: what looks at it.
      lungs: whether it sees them.
      decide: from the images of one task, setting and fold to class indices of the test images.
    """

    name: str
    sees: str
    model: str
    lungs: bool
    decide: Callable[[Part], np.ndarray]


def run_controls(
    config: Config,
    comparison: CompareConfig,
    systems: list[System],
    pool: Pool,
    folder: ComparisonFolder,
    console: rich.console.Console,
) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """Returns what the controls score and decide, for each task and setting.

    What is finished in the folder stays as it is.
    """
    found: list[tuple[dict[str, Any], pd.DataFrame]] = []
    blind = [
        *_of_pixels(config, pool),
        *_of_features(config, systems, pool, folder, console),
        *_of_sources(pool),
    ]
    total = len(blind) * len(comparison.tasks) * len(comparison.settings)
    with counting_bar(console, "controls") as progress:
        for control in blind:
            for task in comparison.tasks:
                for setting in comparison.settings:
                    progress(len(found), total)

                    def make(control=control, task=task.value, setting=setting.value):
                        return score_control(control, pool, task, setting, seed=config.run.seed)

                    name = f"{task.value}-{setting.value}-{control.name}"
                    found.append(finished_cell(folder.controls, name, make))
    return found


def _of_pixels(config: Config, pool: Pool) -> list[Blind]:
    """Returns probes of the squares, which are the same for every system."""
    data = config.data
    seen = Preprocessing(data.image_size, view=data.view.value, chain=data.preprocessing.value)
    return [
        Blind(
            control.name,
            control.sees,
            SIGHTS[control.name].model,
            SIGHTS[control.name].lungs,
            _probe(
                pixel_features(control.features, pool.dataset.images, pool.dataset.image_index),
                config.run.seed,
            ),
        )
        for control in pixel_controls(seen)
        if control.name in COMPARED
    ]


def _of_features(
    config: Config,
    systems: list[System],
    pool: Pool,
    folder: ComparisonFolder,
    console: rich.console.Console,
) -> list[Blind]:
    """Returns probes of each system's features of images whose lungs are painted over."""
    # None where the comparison is such a control itself, or of crops.
    return [
        Blind(
            f"{view}_features-{system.name}",
            f"{sees}, by the features of {system.name}",
            "probe",
            False,
            _probe(_painted_features(system, view, pool.dataset, folder, console), config.run.seed),
        )
        for system in systems
        for view, sees in hidden_views(system.preprocessing).items()
    ]


def _painted_features(
    system: System,
    view: str,
    dataset: Dataset,
    folder: ComparisonFolder,
    console: rich.console.Console,
) -> np.ndarray:
    painted = dataclasses.replace(dataset, images=dataset.images.seen_through(view))
    seeing = dataclasses.replace(
        system,
        name=f"{system.name}-{view}",
        preprocessing=dataclasses.replace(system.preprocessing, view=view),
    )
    return features_of(seeing, painted, folder.features, console)


def _of_sources(pool: Pool) -> list[Blind]:
    """Returns the table that knows the data set of an image, where there are several."""
    if pool.dataset.frame["source"].nunique() < 2:
        return []
    sight = SIGHTS[SOURCE_ALONE]
    return [Blind(SOURCE_ALONE, sight.sees, sight.model, sight.lungs, _decide_by_source)]


def _probe(features: np.ndarray, seed: int) -> Callable[[Part], np.ndarray]:
    def decide(part: Part) -> np.ndarray:
        own, dataset = features[part.rows], part.dataset
        train, test = dataset.rows("train"), dataset.rows("test")
        return probe_decisions(own[train], dataset.labels[train], own[test], seed=seed)

    return decide


def _decide_by_source(part: Part) -> np.ndarray:
    dataset = part.dataset
    train, test = dataset.rows("train"), dataset.rows("test")
    sources = dataset.frame["source"].fillna("").to_numpy(str)
    decided = class_of_each_source(
        dataset.labels[train], sources[train], num_classes=len(dataset.classes)
    )
    return np.array([decided.get(name, 0) for name in sources[test]])


def score_control(
    control: Blind, pool: Pool, task: str, setting: str, *, seed: int
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Returns what a control scores on the images that the cells are tested on, and decides.

    Args:
      control: the control.
      pool: the images.
      task: what is told apart.
      setting: whether it is trained with the further data sets.
      seed: of the bootstrap.
    """
    parts = [pool.part(task, setting, fold) for fold in range(len(pool.splits))]
    tested = [part.dataset.rows("test") for part in parts]
    frame = pd.concat(
        [part.dataset.frame.iloc[rows] for part, rows in zip(parts, tested, strict=True)],
        ignore_index=True,
    )
    classes = TASK_LABELS[task].classes
    labels = frame["label"].map(classes.index).to_numpy(np.int64)
    decisions = np.concatenate([control.decide(part) for part in parts])
    num_classes = len(classes)
    record = {
        "task": task,
        "setting": setting,
        "name": control.name,
        "sees": control.sees,
        "model": control.model,
        "lungs": control.lungs,
        "chance": chance_level(num_classes),
        "balanced_accuracy": balanced_accuracy(labels, decisions),
        "interval": balanced_accuracy_interval(
            labels, decisions, frame["group_id"].to_numpy(), num_classes=num_classes, seed=seed
        ),
    }
    table = frame[["image", "group_id", "label"]]
    return record, table.assign(decision=np.asarray(classes, object)[decisions])


def left_over(
    records: Sequence[dict[str, Any]],
    tables: Mapping[str, pd.DataFrame],
    controls: Sequence[tuple[dict[str, Any], pd.DataFrame]],
    *,
    seed: int,
) -> list[dict[str, Any]]:
    """Returns what the best control without lungs leaves of the best cell, a task and setting each.

    Args:
      records: of the cells.
      tables: predictions of each cell, by name, in the order of the records.
      controls: of `run_controls`.
      seed: of the bootstrap.

    Returns:
      task, setting; cell, its factors and balanced_accuracy; control, its record and `above`.
    """
    found = []
    named = list(zip(records, tables.values(), strict=True))
    for task, setting in dict.fromkeys((r["task"], r["setting"]) for r in records):
        here = [pair for pair in named if (pair[0]["task"], pair[0]["setting"]) == (task, setting)]
        blind = [
            pair
            for pair in controls
            if (pair[0]["task"], pair[0]["setting"], pair[0]["lungs"]) == (task, setting, False)
        ]
        if not blind:
            continue
        cell, table = max(here, key=lambda pair: pair[0]["metrics"]["balanced_accuracy"])
        control, decided = max(blind, key=lambda pair: pair[0]["balanced_accuracy"])
        classes = TASK_LABELS[task].classes
        labels, _, decisions, groups = predictions_of(table, classes)
        theirs = decided.set_index("image")["decision"][table["image"]].map(classes.index)
        left = above(labels, decisions, theirs.to_numpy(np.int64), groups, classes, seed)
        found.append(
            {
                "task": task,
                "setting": setting,
                "cell": {factor: cell[factor] for factor in FACTORS},
                "balanced_accuracy": cell["metrics"]["balanced_accuracy"],
                "control": control | {"above": left},
            }
        )
    return found
