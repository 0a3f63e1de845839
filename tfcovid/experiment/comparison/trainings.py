"""The trainings that cells of whole networks stand on: each is done once and kept.

A training leaves a folder of its own, and in it the logits that cells need: one that is finished
is not done again, and cells that ask for the same one share it.
"""

import dataclasses
import gc
import hashlib
import json
import pathlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import rich.console

from flags import config_json
from flags.config import Config
from tfcovid.array_file import read_arrays
from tfcovid.console import say
from tfcovid.data.dataset import Dataset
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.classifiers.asked import Asked
from tfcovid.experiment.classifiers.single import fit_single, logits_of
from tfcovid.experiment.comparison.cells import Cell, cell_result, fold_result
from tfcovid.experiment.comparison.folder import finetuning_settings, images_digest
from tfcovid.experiment.comparison.pool import Pool
from tfcovid.experiment.inputs import choose_preprocessing
from tfcovid.experiment.pretrained import Start
from tfcovid.training.run_record import RunFolder
from tfcovid.training.runtime import configured
from tfcovid.whole_file import whole_file

LOGITS_FILE = "logits.npz"
RANDOM = "random weights"


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a training leaves for its cells.

    Attributes:
      on_validation: logits of the best model, float32 [n_validation, num_outputs].
      on_test: likewise, float32 [n_test, num_outputs].
      record: seed, precision, where the best model is from, parameters, seconds.
    """

    on_validation: np.ndarray
    on_test: np.ndarray
    record: dict[str, Any]


def trained_cell(
    config: Config,
    cell: Cell,
    pool: Pool,
    seeds: Sequence[int],
    train: Callable[[Config, Dataset, str], Trained],
    begin: Callable[[str], None],
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Returns the record and the predictions of a cell whose networks are trained fold by fold.

    Args:
      config: of the cell.
      cell: which.
      pool: the images, as its networks see them.
      seeds: of the trainings of each fold.
      train: gives what a training leaves, from its Config, its images and "-foldN" or "".
      begin: called with a training's name before it begins or is found finished.
    """
    several, results = len(pool.splits) > 1, []
    for fold in range(len(pool.splits)):
        part, of_fold, found = pool.part(cell.task, cell.setting, fold), "", []
        if several:
            of_fold = f"-fold{fold}"
        for seed in seeds:
            begin(f"{cell.name}{of_fold}-seed{seed}")
            found.append(train(with_seed(config, seed), part.dataset, of_fold))
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


def trained(
    config: Config,
    dataset: Dataset,
    start: Start,
    digests: Mapping[str, str],
    path: pathlib.Path,
    console: rich.console.Console,
) -> Trained:
    """Returns what a training gave; trains where the folder does not hold it already.

    Args:
      config: of one classifier, its seed too.
      dataset: the images.
      start: what backbones start from.
      digests: SHA-256 of the weights of each architecture of `start`.
      path: the training's folder; what an unfinished one left there goes.
      console: for the progress bars.
    """
    preprocessing = choose_preprocessing(config, start)
    key = training_key(config, dataset, preprocessing, digests)
    kept = read_trained(path / LOGITS_FILE, key)
    if kept is not None:
        say(console, f"  kept from before: {path}")
        return kept
    if path.exists():
        shutil.rmtree(path)
    folder, begin = RunFolder(path), time.perf_counter()
    folder.create()
    with configured(seed=config.run.seed, precision=config.training.precision.value) as machine:
        say(console, f"  {machine.precision}: {machine.reason}")
        fitted = fit_single(Asked(config, dataset, preprocessing, start, machine), folder, console)
    record = {
        "seed": config.run.seed,
        **fitted.record,
        "parameters": fitted.model.count_params(),
        "seconds": round(time.perf_counter() - begin, 2),
    }
    on_test = logits_of(fitted.model, dataset, "test", preprocessing)
    found = Trained(fitted.on_validation, on_test, record)
    write_trained(path / LOGITS_FILE, key, found)
    del fitted
    gc.collect()  # a network and its compiled steps hang together in circles
    return found


def with_seed(config: Config, seed: int) -> Config:
    """Returns the Config with the seed of one training."""
    return dataclasses.replace(config, run=dataclasses.replace(config.run, seed=seed))


def training_key(
    config: Config, dataset: Dataset, preprocessing: Preprocessing, digests: Mapping[str, str]
) -> str:
    """Returns a SHA-256 of everything that was asked and decides a training."""
    frame, model = dataset.frame, config.model
    content = {
        "network": [model.backbone, model.classifier],
        "training": finetuning_settings(config),
        "loss": config_json.to_dict(config)["loss"],
        "seed": config.run.seed,
        "weights": digests.get(model.backbone, RANDOM),
        "input": preprocessing.to_json(),
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
        kept = read_arrays(path)
        if str(kept["key"]) != key:
            return None
        record = json.loads(str(kept["record"]))
        return Trained(kept["on_validation"], kept["on_test"], record)
    except (FileNotFoundError, ValueError, KeyError, RecursionError):
        return None
