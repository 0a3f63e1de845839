"""The cells of a comparison that are published methods, each trained as its preset says.

What a preset says of data, split and image size has no part: all cells are trained and tested on
the images of the comparison. An ensemble is its members' trainings, put together; a member that
another cell trains in the same way is trained once.
"""

import dataclasses
import itertools
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd
import rich.console

from flags import choices
from flags.compare_config import CompareConfig
from flags.config import Config
from tfcovid.console import say
from tfcovid.data.dataset import Dataset
from tfcovid.experiment.classifiers.ensemble import check_combinable, combine, member_config
from tfcovid.experiment.comparison.cells import Cell, PresetConfigs
from tfcovid.experiment.comparison.folder import ComparisonFolder, finished_cell
from tfcovid.experiment.comparison.frozen_features import System
from tfcovid.experiment.comparison.pool import Pool
from tfcovid.experiment.comparison.seen_through import pool_through
from tfcovid.experiment.comparison.trainings import (
    RANDOM,
    Trained,
    trained,
    trained_cell,
    training_key,
)
from tfcovid.experiment.inputs import choose_preprocessing
from tfcovid.experiment.pretrained import Start

# Trainings that differ in what a name does not say have folders of their own.
KEY_SHOWN = 10


@dataclasses.dataclass(frozen=True)
class Starts:
    """What the networks of presets start from.

    Attributes:
      start: by architecture.
      digests: SHA-256 of the weights, by architecture.
      names: what the weights are called, by architecture.
    """

    start: Start
    digests: Mapping[str, str]
    names: Mapping[str, str]


def starts_of(systems: Sequence[System], presets: PresetConfigs) -> Starts:
    """Returns what the networks of presets start from.

    Raises:
      ValueError: if two systems are of one architecture that a preset uses, or trees of a preset
        would stand on random features.
    """
    used = {backbone for config in presets.values() for backbone in config.model.backbones}
    found: dict[str, System] = {}
    for system in systems:
        if system.architecture in used and system.architecture in found:
            raise ValueError(
                f"--weights_files: {found[system.architecture].name} and {system.name} are both "
                f"{system.architecture}: with --systems, which start from these, expected one of "
                "each architecture"
            )
        found[system.architecture] = system
    for (name, _), config in presets.items():
        for backbone in tree_backbones(config):
            if backbone not in found:
                raise ValueError(
                    f"--systems={name}: its boosted trees stand on features of {backbone}; name "
                    "weights of this architecture in --weights_files"
                )
    return Starts(
        start={name: system.start for name, system in found.items()},
        digests={name: system.digest for name, system in found.items()},
        names={name: system.name for name, system in found.items()},
    )


def tree_backbones(config: Config) -> list[str]:
    """Returns the backbones whose features boosted trees stand on."""
    model = config.model
    kinds = [(m.backbone, m.classifier) for m in model.ensemble] or [
        (model.backbone, model.classifier)
    ]
    return [backbone for backbone, kind in kinds if kind is choices.Classifier.BOOSTED_TREES]


def run_preset_cells(
    config: Config,
    comparison: CompareConfig,
    presets: PresetConfigs,
    cells: Sequence[Cell],
    starts: Starts,
    pool: Pool,
    folder: ComparisonFolder,
    console: rich.console.Console,
) -> dict[str, tuple[dict[str, Any], pd.DataFrame]]:
    """Returns record and predictions of each cell, by its name; what is finished stays.

    Args:
      config: of the comparison.
      comparison: says how many seeds.
      presets: what each asks for.
      cells: those of presets.
      starts: what their networks start from.
      pool: the images.
      folder: of the comparison.
      console: says which training goes on.
    """
    seeds = [config.run.seed + offset for offset in range(comparison.finetune_seeds)]
    trainings = len(pool.splits) * len(seeds)
    chains = dict.fromkeys(presets[c.system, c.task].data.preprocessing.value for c in cells)
    pools = {chain: pool_through(config, pool, chain, console) for chain in chains}
    found = {}
    for number, cell in enumerate(cells):
        numbers = itertools.count(number * trainings + 1)

        def begin(name: str, numbers: Iterator[int] = numbers) -> None:
            say(console, f"method {next(numbers)} of {len(cells) * trainings}: {name}")

        def make(cell=cell, begin=begin):
            asked = cell_config(config, presets[cell.system, cell.task])
            place = f"{cell.task}-{cell.setting}"

            def train(seeded: Config, dataset: Dataset, of_fold: str) -> Trained:
                return run_method(
                    seeded, dataset, starts, folder.finetuned, f"{place}{of_fold}", console
                )

            seen = pools[asked.data.preprocessing]
            record, table = trained_cell(asked, cell, seen, seeds, train, begin)
            first = record["folds"][0]["trainings"][0]
            return record | {
                "parameters": first["parameters"],
                "start": start_words(asked, starts),
            }, table

        found[cell.name] = finished_cell(folder.cells, cell.name, make)
    return found


def cell_config(config: Config, preset: Config) -> Config:
    """Returns what a preset asks for, on the images and by the decision of a comparison."""
    return dataclasses.replace(
        preset,
        sources=config.sources,
        data=dataclasses.replace(
            config.data, task=preset.data.task, preprocessing=preset.data.preprocessing
        ),
        decision=config.decision,
        run=config.run,
    )


def run_method(
    config: Config,
    dataset: Dataset,
    starts: Starts,
    folder: pathlib.Path,
    place: str,
    console: rich.console.Console,
) -> Trained:
    """Returns what a method makes of one split: a training, or those of all members put together.

    Args:
      config: of the cell, its seed too.
      dataset: the images.
      starts: what networks start from.
      folder: each training gets a folder in it.
      place: what their names begin with.
      console: for progress.
    """
    members = config.model.ensemble
    if not members:
        return train_one(config, dataset, starts, folder, place, console)
    check_combinable(config, dataset)
    found = []
    for member in members:
        say(console, f"  member {member.name}")
        of_member = member_config(config, member, pretrained=member.backbone in starts.start)
        found.append(train_one(of_member, dataset, starts, folder, place, console))
    on_validation, on_test = (
        np.stack([getattr(one, name) for one in found], axis=1)
        for name in ("on_validation", "on_test")
    )
    combined = combine(config, dataset, on_validation)
    return Trained(
        on_validation=combined.on_validation,
        on_test=keras.ops.convert_to_numpy(combined.layer(on_test)),
        record={
            "seed": config.run.seed,
            "precision": found[0].record["precision"],
            "members": [
                {"name": member.name, **one.record}
                for member, one in zip(members, found, strict=True)
            ],
            "parameters": combined.layer.count_params()
            + sum(one.record["parameters"] for one in found),
            "seconds": sum(one.record["seconds"] for one in found),
        },
    )


def train_one(
    config: Config,
    dataset: Dataset,
    starts: Starts,
    folder: pathlib.Path,
    place: str,
    console: rich.console.Console,
) -> Trained:
    """Returns what one classifier of a method gave, trained in a folder named after all it is."""
    model, loss, training = config.model, config.loss, config.training
    pretrained = model.backbone in starts.start
    config = dataclasses.replace(
        config,
        model=dataclasses.replace(
            model,
            weights=choices.SystemWeights.SYSTEM if pretrained else None,
            batch_norm=model.batch_norm if pretrained else choices.BatchNorm.AUTO,
        ),
        training=training
        if pretrained
        else dataclasses.replace(training, head_epochs=0, head_augment=True),
    )
    decides = "" if model.classifier is choices.Classifier.LINEAR else f"-{model.classifier}"
    key = training_key(config, dataset, choose_preprocessing(config, starts.start), starts.digests)
    name = f"{place}-{model.backbone}{decides}-{loss.loss}-seed{config.run.seed}-{key[:KEY_SHOWN]}"
    return trained(config, dataset, starts.start, starts.digests, folder / name, console)


def start_words(config: Config, starts: Starts) -> str:
    """Returns what the networks of a method start from, for the table."""
    found = [starts.names.get(backbone, RANDOM) for backbone in config.model.backbones]
    return ", ".join(dict.fromkeys(found))
