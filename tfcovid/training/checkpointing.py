"""Keeps the best model on disk, whole or not at all."""

import pathlib
import shutil
from typing import Any

import keras

from tfcovid.training.snapshots import Snapshots
from tfcovid.whole_file import sha256_of, whole_file

SELECTION_FIGURE = "val_macro_log_loss"


class BestModel(keras.callbacks.Callback):
    """Saves the model whenever the selection figure is the lowest of the run so far.

    One object serves all phases, so that a fine-tuning that only makes things
    worse leaves the model of the phase before. Keras' ModelCheckpoint forgets the
    best value between fits and writes in place, so that a kill while it writes
    leaves a damaged file.

    During the training the file's name carries its SHA-256, and an older one stays for as long as a
    snapshot needs it; `settle` gives it the name that people know.

    Args:
      path: where the model goes at last, `.keras`.
      snapshots: of the training, in the same folder.
      writes: whether this process saves anything; of several that share a training one does.

    Attributes:
      whole: the model that is saved; None saves the one that is trained.
    """

    def __init__(self, path: pathlib.Path, snapshots: Snapshots, *, writes: bool = True):
        super().__init__()
        self.writes = writes
        self.path = path
        self.snapshots = snapshots
        self.file: pathlib.Path | None = None
        self.best = float("inf")
        self.best_phase = ""
        self.best_epoch = -1
        self.phase = ""
        self.whole: keras.Model | None = None

    def on_epoch_end(self, epoch, logs=None):
        """Saves the model if this epoch is the best of the run."""
        value = selection_value(logs)
        if value < self.best:
            self.best, self.best_phase, self.best_epoch = value, self.phase, epoch
            if self.writes:
                self._save()

    def _save(self) -> None:
        written = self.path.with_name("best.keras")
        with whole_file(written) as beside:
            (self.whole or self.model).save(beside)
        self.file = written.replace(self.path.with_name(f"best-{sha256_of(written)}.keras"))
        self.remove_unneeded()

    def remove_all(self) -> None:
        """Removes all files but that at the path."""
        self.file = None
        self.remove_unneeded()

    def remove_unneeded(self) -> None:
        """Removes files of earlier epochs that no snapshot needs."""
        for path in self.path.parent.glob("best*.keras"):
            if path != self.file and path.name not in self.snapshots.needed:
                path.unlink()

    def settle(self) -> None:
        """Puts the best model at its path; the training is over.

        Raises:
          FloatingPointError: if no epoch had a finite selection figure.
        """
        if self.file is None:
            raise FloatingPointError(
                "no epoch had a finite validation log-loss: expected one at least; lower "
                "--learning_rate, or try --precision=float32"
            )
        with whole_file(self.path) as beside:
            shutil.copyfile(self.file, beside)

    def progress(self) -> dict[str, Any]:
        """Returns which epoch was the best, and its file's name."""
        return {
            "value": self.best,
            "phase": self.best_phase,
            "epoch": self.best_epoch,
            "file": self.file and self.file.name,
        }

    def go_on(self, progress: dict[str, Any]) -> None:
        """Takes over which epoch was the best."""
        self.best, self.best_phase = progress["value"], progress["phase"]
        self.best_epoch = progress["epoch"]
        self.file = progress["file"] and self.path.with_name(progress["file"])

    def describe(self) -> str:
        """Returns a line on which epoch is the best."""
        return (
            f"best: epoch {self.best_epoch + 1} of {self.best_phase}, "
            f"validation macro log-loss {self.best:.4f}"
        )


def selection_value(logs: dict | None) -> float:
    """Returns the class-averaged validation log-loss from an epoch's logs.

    Raises:
      KeyError: if the logs do not have it: the model was compiled without the metric.
    """
    return float((logs or {})[SELECTION_FIGURE])
