"""The folder of a comparison: what is finished stays, and only the same comparison continues."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Callable
from typing import Any

import pandas as pd

from flags import config_json
from flags.compare_config import CompareConfig
from flags.config import Config
from tfcovid.data.manifest import write_csv
from tfcovid.data.sources.reading import TEXT
from tfcovid.experiment.comparison.cells import PresetConfigs
from tfcovid.training.run_record import RunFolder, read_json, write_json

# Neither changes a figure.
FREE_FLAGS = ("workdir", "num_parallel_calls", "cache", "cache_budget_mib")

# The entry of how networks are trained fully: null where no cell is, so that a comparison of
# probes may go on with some.
FINETUNING = "finetuning"

BEFORE = {"preprocessing": "plain"}
"""What comparisons were made with whose settings do not name it yet."""


class ComparisonFolder:
    """Where each file of a comparison lies.

    Args:
      path: the folder.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.settings = path / "settings.json"
        self.environment = path / "environment.json"
        self.features = path / "features"
        self.cells = path / "cells"
        self.finetuned = path / "finetuned"
        self.controls = path / "controls"
        self.differences = path / "differences"
        self.rejected = path / "rejected.csv"
        self.page = path / "compare.html"
        self.figures = path / "compare.csv"
        self.difference_table = path / "differences.csv"
        self.latex = path / "compare.tex"
        self.content = path / "compare.json"

    def manifest(self, task: str, fold: int | None) -> pathlib.Path:
        """Returns where the split of a task lies, one file a fold; None where there are none."""
        return self.path / f"manifest-{task}{'' if fold is None else f'-fold{fold}'}.csv"

    def refuse_other(self, settings: dict[str, Any]) -> None:
        """Raises ValueError if the folder holds something else than the same comparison.

        Args:
          settings: what is asked for now; an entry that the folder has and these lack is not
            looked at.
        """
        if not self.settings.is_file():
            RunFolder(self.path).refuse_if_used()
            return
        held, asked = read_json(self.settings), settings
        if held.get(FINETUNING) and asked.get(FINETUNING):
            held, asked = held | held[FINETUNING], asked | asked[FINETUNING]
        for name, now in asked.items():
            before = held.get(name, BEFORE.get(name))
            if name != FINETUNING and before != now:
                raise ValueError(
                    f"--workdir={self.path}: expected the comparison that it holds, {name} was "
                    f"{_shown(before)} and is {_shown(now)} now; repeat the old command, or name "
                    "another folder"
                )

    def claim(self, settings: dict[str, Any]) -> None:
        """Makes the folder and writes what was asked, or checks that it is the same.

        Raises:
          ValueError: as `refuse_other`.
        """
        self.refuse_other(settings)
        held = read_json(self.settings) if self.settings.is_file() else None
        if held is None or (settings[FINETUNING] and not held.get(FINETUNING)):
            self.path.mkdir(parents=True, exist_ok=True)
            write_json(self.settings, settings)
        for folder in (self.cells, self.controls, self.differences):
            folder.mkdir(exist_ok=True)


def asked_settings(
    config: Config, comparison: CompareConfig, digests: dict[str, str], presets: PresetConfigs
) -> dict[str, Any]:
    """Returns everything that was asked and decides a figure, by flag, as JSON values.

    Args:
      config: settled, so that its paths are absolute.
      comparison: the grid.
      digests: SHA-256 of the weights of each system, by name: the content counts, not the place.
      presets: what each published method asks for.
    """
    sections = config_json.to_dict(config)
    read = ("sources", "data", "loss", "run")
    flags = {flag: value for name in read for flag, value in sections[name].items()}
    grid = dataclasses.asdict(comparison) | {"weights_files": digests}
    # Which cells are trained fully changes nothing in any of them.
    del grid["finetune"]
    finetuning = finetuning_settings(config) | {"finetune_seeds": grid.pop("finetune_seeds")}
    grid[FINETUNING] = finetuning if comparison.finetune else None
    grid["presets"] = {
        f"{name} for {task}": finetuning_settings(asked) | config_json.to_dict(asked)["loss"]
        for (name, task), asked in presets.items()
    }
    if presets:
        grid["finetune_seeds"] = comparison.finetune_seeds
    values = {k: v for k, v in flags.items() if k not in FREE_FLAGS} | grid
    # The grid's flags stand for these of a single run.
    for single in ("task", "loss", "imbalance"):
        del values[single]
    return json.loads(json.dumps(values))


def finetuning_settings(config: Config) -> dict[str, Any]:
    """Returns what decides how a network is trained, besides loss and system, by flag."""
    sections = config_json.to_dict(config)
    model = {name: sections["model"][name] for name in ("batch_norm", "dropout")}
    return sections["augmentation"] | model | sections["training"]


def images_digest(frame: pd.DataFrame, splits: tuple[pd.Series, ...]) -> str:
    """Returns a SHA-256 of the images, their labels and groups, and their splits."""
    columns = [frame[name].fillna("").tolist() for name in ("image", "sha256", "label", "group_id")]
    content = [*columns, *(split.tolist() for split in splits)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def finished(path: pathlib.Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Returns what a JSON file holds; makes it first where there is none."""
    if not path.is_file():
        write_json(path, make())
    return read_json(path)


def finished_cell(
    folder: pathlib.Path, name: str, make: Callable[[], tuple[dict[str, Any], pd.DataFrame]]
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Returns a cell's record and predictions from its two files; makes them first if need be.

    The record is written last: where it is there the cell is finished.
    """
    record_path, table_path = folder / f"{name}.json", folder / f"{name}.csv"
    if not (record_path.is_file() and table_path.is_file()):
        record, table = make()
        write_csv(table, table_path)
        write_json(record_path, record)
    identity = dict.fromkeys(("image", "patient_id", "group_id", "label", "decision"), TEXT)
    table = pd.read_csv(table_path, dtype=identity, keep_default_na=False, na_values=[""])
    return read_json(record_path), table


def _shown(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else str(value)
