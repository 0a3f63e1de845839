"""The folder of a run: the names of its files, and how they are written."""

import contextlib
import importlib.metadata
import json
import os
import pathlib
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfcovid.cpu import computes_by
from tfcovid.training.runtime import Runtime
from tfcovid.whole_file import write_text_whole

# What decides the figures of a run, besides its flags.
RECORDED_PACKAGES = ("tensorflow", "keras", "numpy", "pandas", "scikit-learn", "scipy", "pillow")


class RunFolder:
    """Where each file of a run lies; a contract that people and scripts rely on.

    Args:
      path: the folder; made by `create`.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.flags = path / "flags.cfg"
        self.config = path / "config.json"
        self.environment = path / "environment.json"
        self.labels = path / "labels.json"
        self.manifest = path / "manifest.csv"
        self.rejected = path / "rejected.csv"
        self.best_model = path / "checkpoints" / "model.keras"
        self.trained = path / "checkpoints" / "trained.json"
        self.diverged = path / "diverged.json"
        self.tensorboard = path / "tensorboard"
        self.test_board = self.tensorboard / "test"
        self.history = path / "history.csv"
        self.preprocessing = path / "preprocessing.json"
        self.weights_contract = path / "weights_contract.json"
        self.decision = path / "decision.json"
        self.predictions = path / "predictions.csv"
        self.member_predictions = path / "member_predictions.csv"
        self.control_predictions = path / "control_predictions.csv"
        self.controls = path / "controls"
        self.probes = self.controls / "probes.npz"
        self.metrics = path / "metrics.json"
        self.report = path / "report.html"
        self.heatmaps = path / "heatmaps"
        self.saved_model = path / "saved_model"
        self.finished = path / "finished.json"

    def clear_results(self) -> None:
        """Removes what follows a training and cannot be written over: of a run that goes on."""
        for path in (self.saved_model, self.heatmaps, self.test_board):
            shutil.rmtree(path, ignore_errors=True)

    def refuse_if_used(self) -> None:
        """Raises ValueError if the folder already holds something."""
        if self.path.is_dir() and any(self.path.iterdir()):
            begun = "; a run was begun there: --resume goes on with it" * self.config.is_file()
            raise ValueError(
                f"--workdir={self.path}: expected a new or empty folder, found one that holds "
                f"files; name another one, or leave --workdir out{begun}"
            )
        for place in (self.path, *self.path.parents):
            if place.exists():
                if not place.is_dir():
                    raise ValueError(f"--workdir={self.path}: expected a folder, {place} is a file")
                if not os.access(place, os.W_OK | os.X_OK):
                    raise ValueError(f"--workdir={self.path}: no right to write in {place}")
                return

    def create(self, *, goes_on: bool = False) -> None:
        """Makes the folder, which is then this run's alone, and the checkpoints folder in it.

        Args:
          goes_on: whether it may be that of a run that was begun.

        Raises:
          ValueError: if the folder was filled since `refuse_if_used`.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if goes_on:
            self.best_model.parent.mkdir(exist_ok=True)
            return
        self.refuse_if_used()
        try:
            self.best_model.parent.mkdir()
        except FileExistsError as error:  # another run was quicker by a moment
            raise ValueError(f"--workdir={self.path}: another run has just begun there") from error


def write_json(path: pathlib.Path, content: Any) -> None:
    """Writes JSON whole or not at all; NaN is an error, not a silent `NaN` token."""
    write_text_whole(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: pathlib.Path) -> Any:
    """Returns the content of a JSON file.

    Raises:
      ValueError: if it is missing, no JSON, or holds a number that is none, as `write_json` does
        not write it.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError as error:
        raise ValueError(f"{path}: expected a file of a finished run, found none") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON, found something else ({error})") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


@contextlib.contextmanager
def as_a_run_writes(path: pathlib.Path) -> Iterator[None]:
    """Has whatever goes wrong with the content of a run's file be one line that names the file.

    Args:
      path: of the file whose content is looked at inside.

    Raises:
      ValueError: in place of what a value of another type or range makes its reader raise.
    """
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        if str(path) in str(error):
            raise
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{path}: not as a run writes it ({type(error).__name__}: {reason}); take the run's "
            "own file"
        ) from error


def describe_environment(runtime: Runtime, command: str) -> dict[str, Any]:
    """Returns what the run stood on: versions, machine, precision, command, commit."""
    return {
        "command": command,
        "commit": current_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: importlib.metadata.version(name) for name in RECORDED_PACKAGES},
        "devices": list(runtime.devices),
        "precision": runtime.precision,
        "precision_reason": runtime.reason,
        "jit_compile": runtime.jit_compile,
        "cpu_instructions": list(computes_by()),
        # None is TensorFlow's own choice, by the CPU. On a CPU the last digits depend on it.
        "tf_enable_onednn_opts": os.environ.get("TF_ENABLE_ONEDNN_OPTS"),
    }


def current_commit() -> str | None:
    """Returns the commit of this code, marked when files differ from it; None outside git."""
    here = pathlib.Path(__file__).parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()


def prediction_table(
    manifest: pd.DataFrame, classes: tuple[str, ...], probs: np.ndarray, decisions: np.ndarray
) -> pd.DataFrame:
    """Returns predictions.csv: a row an image of the manifest's rows, in their order.

    Args:
      manifest: the rows that were scored, with the manifest's columns.
      classes: names in the order of the probabilities.
      probs: float [n, num_classes].
      decisions: class indices int [n].
    """
    return named_prediction_table(manifest, classes, probs, np.asarray(classes)[decisions])


def named_prediction_table(
    manifest: pd.DataFrame, classes: Sequence[str], probs: np.ndarray, decided: np.ndarray
) -> pd.DataFrame:
    """Returns predictions.csv, as `prediction_table`, from decisions in words.

    Args:
      manifest: the rows that were scored, with the manifest's columns.
      classes: names in the order of the probabilities.
      probs: float [n, num_outputs].
      decided: what was decided of each image, as its label is written, [n].
    """
    identity = ["image", "path", "patient_id", "group_id", "source", "label"]
    table = manifest[identity].reset_index(drop=True)
    table["decision"] = decided
    for index, name in enumerate(classes):
        table[f"prob_{name}"] = probs[:, index]
    return table


def command_line(module: str) -> str:
    """Returns the command of this process as a user typed it."""
    return shlex.join(["python", "-m", module, *sys.argv[1:]])
