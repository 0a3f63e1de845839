"""The cells of a comparison that are trained fully: head first, then the whole network."""

import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd
import rich.console

from flags import choices
from flags.compare_config import CompareConfig
from flags.config import Config
from tfcovid.console import say
from tfcovid.data.dataset import Dataset
from tfcovid.experiment.comparison.cells import Cell, config_of
from tfcovid.experiment.comparison.folder import ComparisonFolder, finished_cell
from tfcovid.experiment.comparison.frozen_features import System
from tfcovid.experiment.comparison.pool import Pool
from tfcovid.experiment.comparison.trainings import Trained, trained, trained_cell


def run_finetuned_cells(
    config: Config,
    comparison: CompareConfig,
    cells: Sequence[Cell],
    systems: Sequence[System],
    pool: Pool,
    folder: ComparisonFolder,
    console: rich.console.Console,
) -> dict[str, tuple[dict[str, Any], pd.DataFrame]]:
    """Returns record and predictions of each cell, by its name; what is finished stays.

    Args:
      config: of the comparison.
      comparison: says how many seeds.
      cells: those that are trained fully.
      systems: what the networks start from.
      pool: the images.
      folder: of the comparison.
      console: says which training goes on.
    """
    by_name = {system.name: system for system in systems}
    seeds = [config.run.seed + offset for offset in range(comparison.finetune_seeds)]
    trainings = len(pool.splits) * len(seeds)
    found = {}
    for number, cell in enumerate(cells):
        numbers = itertools.count(number * trainings + 1)

        def begin(name: str, numbers: Iterator[int] = numbers) -> None:
            say(console, f"fine-tuning {next(numbers)} of {len(cells) * trainings}: {name}")

        def make(cell=cell, begin=begin):
            system = by_name[cell.system]
            return run_finetuned_cell(
                config, cell, pool, system, seeds, folder.finetuned, console, begin
            )

        found[cell.name] = finished_cell(folder.cells, cell.name, make)
    return found


def run_finetuned_cell(
    config: Config,
    cell: Cell,
    pool: Pool,
    system: System,
    seeds: list[int],
    folder: pathlib.Path,
    console: rich.console.Console,
    begin: Callable[[str], None],
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Returns the record and the predictions of a cell of whole networks.

    Args:
      config: of the comparison.
      cell: which.
      pool: the images.
      system: what the networks start from.
      seeds: of the trainings of each fold.
      folder: each training gets a folder in it.
      console: for the progress bars.
      begin: called with a training's name before it begins or is found finished.
    """
    config = finetuned_config(config, cell, system)
    start, digests = {system.architecture: system.start}, {system.architecture: system.digest}

    def train(seeded: Config, dataset: Dataset, of_fold: str) -> Trained:
        name = f"{cell.name}{of_fold}-seed{seeded.run.seed}"
        return trained(seeded, dataset, start, digests, folder / name, console)

    return trained_cell(config, cell, pool, seeds, train, begin)


def finetuned_config(config: Config, cell: Cell, system: System) -> Config:
    """Returns the Config of a training run with the values of a cell and its system's network."""
    model = dataclasses.replace(config.model, backbone=choices.Backbone(system.architecture))
    return dataclasses.replace(config_of(config, cell), model=model)
