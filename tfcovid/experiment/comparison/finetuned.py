"""The cells of a comparison that are trained fully: head first, then the whole network.

Each training leaves a folder of its own, and in it the logits that the cell needs: a training
that is finished is not done again.
"""

import dataclasses
import gc
import hashlib
import itertools
import json
import pathlib
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd
import rich.console

from flags import choices, config_json
from flags.compare_config import CompareConfig
from flags.config import Config
from tfcovid.console import say
from tfcovid.experiment.comparison.cells import Cell, cell_result, config_of, fold_result
from tfcovid.experiment.comparison.folder import (
    ComparisonFolder,
    finetuning_settings,
    finished_cell,
    images_digest,
)
from tfcovid.experiment.comparison.frozen_features import System
from tfcovid.experiment.comparison.pool import Part, Pool
from tfcovid.experiment.fitting import train
from tfcovid.experiment.inputs import split_dataset
from tfcovid.experiment.network import build_model
from tfcovid.models.classifier import as_float32
from tfcovid.training.run_record import RunFolder
from tfcovid.training.runtime import configured
from tfcovid.whole_file import whole_file

LOGITS_FILE = "logits.npz"


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a training leaves for its cell.

    Attributes:
      on_validation: logits of the best model, float32 [n_validation, num_outputs].
      on_test: likewise, float32 [n_test, num_outputs].
      record: seed, precision, best phase and epoch, seconds.
    """

    on_validation: np.ndarray
    on_test: np.ndarray
    record: dict[str, Any]


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
    several, results = len(pool.splits) > 1, []
    for fold in range(len(pool.splits)):
        part, found = pool.part(cell.task, cell.setting, fold), []
        for seed in seeds:
            name = f"{cell.name}{f'-fold{fold}' if several else ''}-seed{seed}"
            begin(name)
            found.append(trained(with_seed(config, seed), part, system, folder / name, console))
        results.append(
            fold_result(
                config,
                part,
                on_validation=[one.on_validation for one in found],
                on_test=[one.on_test for one in found],
                trainings=[one.record for one in found],
            )
        )
    record, table = cell_result(config, cell, results, seeds)
    # Not by a clock: an earlier call may have done some of the trainings.
    seconds = sum(one["seconds"] for fold in results for one in fold.trainings)
    return record | {"seconds": round(seconds, 2)}, table


def finetuned_config(config: Config, cell: Cell, system: System) -> Config:
    """Returns the Config of a training run with the values of a cell and its system's network."""
    model = dataclasses.replace(config.model, backbone=choices.Backbone(system.architecture))
    return dataclasses.replace(config_of(config, cell), model=model)


def with_seed(config: Config, seed: int) -> Config:
    """Returns the Config with the seed of one training."""
    return dataclasses.replace(config, run=dataclasses.replace(config.run, seed=seed))


def trained(
    config: Config, part: Part, system: System, path: pathlib.Path, console: rich.console.Console
) -> Trained:
    """Returns what a training gave; trains where the folder does not hold it already.

    Args:
      config: of the training, its seed too.
      part: the images.
      system: what the network starts from.
      path: the training's folder; what an unfinished one left there goes.
      console: for the progress bars.
    """
    key = training_key(config, part, system)
    kept = read_trained(path / LOGITS_FILE, key)
    if kept is not None:
        say(console, f"  kept from before: {path}")
        return kept
    if path.exists():
        shutil.rmtree(path)
    folder, start = RunFolder(path), time.perf_counter()
    folder.create()
    dataset, preprocessing = part.dataset, system.preprocessing
    with configured(seed=config.run.seed, precision=config.training.precision.value) as machine:
        say(console, f"  {machine.precision}: {machine.reason}")
        model = build_model(config, dataset, preprocessing, weights=None)
        system.load(model.get_layer("backbone"))
        best = train(config, model, dataset, preprocessing, machine, folder, console)
    # As a run is scored: by a float32 copy of the best model.
    network = as_float32(keras.models.load_model(folder.best_model, compile=False))
    on_validation, on_test = (
        np.asarray(network.predict(split_dataset(dataset, split, preprocessing), verbose=0))
        for split in ("validation", "test")
    )
    record = {
        "seed": config.run.seed,
        "precision": machine.precision,
        "best_phase": best.best_phase,
        "best_epoch": best.best_epoch + 1,
        "seconds": round(time.perf_counter() - start, 2),
    }
    found = Trained(on_validation, on_test, record)
    write_trained(path / LOGITS_FILE, key, found)
    del model, network, best
    gc.collect()  # a network and its compiled steps hang together in circles
    return found


def training_key(config: Config, part: Part, system: System) -> str:
    """Returns a SHA-256 of everything that was asked and decides a training."""
    frame = part.dataset.frame
    content = {
        "training": finetuning_settings(config),
        "loss": config_json.to_dict(config)["loss"],
        "seed": config.run.seed,
        "weights": system.digest,
        "input": system.preprocessing.to_json(),
        "images": images_digest(frame, (frame["split"],)),
    }
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def write_trained(path: pathlib.Path, key: str, found: Trained) -> None:
    """Writes what a training leaves, whole or not at all."""
    with whole_file(path) as beside:
        np.savez(
            beside,
            on_validation=found.on_validation,
            on_test=found.on_test,
            record=np.array(json.dumps(found.record)),
            key=np.array(key),
        )


def read_trained(path: pathlib.Path, key: str) -> Trained | None:
    """Returns what a finished training left; None where there is none of this key."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            if str(kept["key"]) != key:
                return None
            record = json.loads(str(kept["record"]))
            return Trained(kept["on_validation"], kept["on_test"], record)
    except (FileNotFoundError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None
