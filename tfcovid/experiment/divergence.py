"""What is told of a training that diverged: where, on which images, and what is left of it."""

import pathlib

from tfcovid.experiment.classifiers.asked import Asked
from tfcovid.experiment.streams import images_of_batch
from tfcovid.training import run_record
from tfcovid.training.checkpointing import BestModel
from tfcovid.training.divergence import DivergedError
from tfcovid.training.snapshots import Snapshots

NAMED = 3


def told(
    error: DivergedError,
    asked: Asked,
    folder: run_record.RunFolder,
    best: BestModel,
    snapshots: Snapshots,
) -> str:
    """Writes diverged.json and returns the line that a user reads.

    Args:
      error: where it was.
      asked: what was trained, on what.
      folder: of the training.
      best: the best model until then.
      snapshots: of the training.
    """
    images = images_of_batch(
        asked.config, asked.dataset, error.first_epoch + error.epoch, error.batch
    )
    newest = snapshots.newest_path()
    record = {
        "reason": error.reason,
        "phase": error.phase,
        "epoch": error.epoch + 1,
        "batch": error.batch + 1,
        "variable": error.variable,
        "images": images,
        "best_model": best.file and best.file.relative_to(folder.path).as_posix(),
        "best_epoch": best.best_epoch + 1 if best.file else None,
        "snapshot": newest and newest.relative_to(folder.path).as_posix(),
    }
    run_record.write_json(folder.diverged, record)
    left = (
        f"the last good model is {best.file}, {best.describe().removeprefix('best: ')}"
        if best.file
        else "no epoch had ended, so that no model is left"
    )
    return (
        f"{error}; its images: {named(images)} (all in {folder.diverged}); {left}; lower "
        f"--learning_rate{other_precision(asked.machine.precision)}"
    )


def named(images: list[str]) -> str:
    """Returns the file names of the first few, and how many more."""
    more = len(images) - NAMED
    first = [pathlib.PurePosixPath(path).name for path in images[:NAMED]]
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")


def other_precision(precision: str) -> str:
    """Returns which precision to try besides; nothing where it is float32 already."""
    return "" if precision == "float32" else ", or try --precision=float32"
