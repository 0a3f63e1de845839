"""A run that goes on in its folder: the same one, on the same images, and alone there."""

import contextlib
import errno
import fcntl
import pathlib
from collections.abc import Iterator
from typing import Any

import pandas as pd

from flags import config_json
from flags.config import Config
from tfcovid.data.dataset import Dataset
from tfcovid.experiment.exporting.network import digest_of
from tfcovid.training import run_record
from tfcovid.training.run_record import RunFolder

LOCK = ".lock"
FIRST_FILES = {LOCK, "checkpoints", "flags.cfg", ".part-flags.cfg", ".part-config.json"}
"""What a run makes before it has written what is asked of it."""
SAME_RESULT = {"workdir", "num_parallel_calls"}
"""Flags that may be others when a run goes on: the result is the same for every value of theirs."""
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


def is_begun(path: pathlib.Path) -> bool:
    """Returns whether a folder holds a run, be it one that was killed while it made the folder."""
    folder = RunFolder(path)
    if folder.config.is_file():
        return True
    found = {inside.name for inside in path.iterdir()} if path.is_dir() else set()
    checkpoints = folder.best_model.parent
    trained = checkpoints.is_dir() and any(checkpoints.iterdir())
    return "checkpoints" in found and found <= FIRST_FILES and not trained


def refuse_other(config: Config, folder: RunFolder) -> None:
    """Raises ValueError if a folder's run was begun with other flags; the message names them.

    One that was killed before it wrote its flags takes any.
    """
    if not folder.config.is_file():
        return
    before = flat(config_json.from_dict(run_record.read_json(folder.config)))
    now = flat(config)
    other = [name for name in now if name not in SAME_RESULT and before[name] != now[name]]
    if other:
        changes = ", ".join(f"--{name}={now[name]} was {before[name]}" for name in other)
        raise ValueError(
            f"--resume: {folder.path} was begun with other flags ({changes}); give those, or begin "
            "a new run in another --workdir"
        )


def flat(config: Config) -> dict[str, Any]:
    """Returns every value by the name of its flag, as config.json writes it."""
    return {
        name: value
        for values in config_json.to_dict(config).values()
        for name, value in values.items()
    }


def refuse_other_images(dataset: Dataset, folder: RunFolder, *, split: bool) -> None:
    """Raises ValueError if images, labels or groups are not those that the folder lists.

    Args:
      dataset: what was read now.
      folder: of the run; killed before it listed its images it takes any.
      split: whether the split has to be the same too; that of several folds is none.
    """
    if not folder.manifest.is_file():
        return
    columns = ["image", "label", "group_id", "sha256", *(["split"] if split else [])]
    before = pd.read_csv(folder.manifest, usecols=columns, dtype=str, keep_default_na=False)
    now = dataset.frame[columns].astype(str).reset_index(drop=True)
    if not now.equals(before[columns]):
        changed = len(now.merge(before, how="outer", indicator=True).query("_merge != 'both'"))
        raise ValueError(
            f"--resume: the images, their labels or their split are not those that {folder.path} "
            f"was begun with: {changed} rows of its manifest.csv differ; begin a new run"
        )


@contextlib.contextmanager
def alone_in(path: pathlib.Path) -> Iterator[None]:
    """Holds a run's folder; a process that is killed holds it no longer.

    Raises:
      ValueError: if another process holds it.
    """
    with (path / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"--workdir={path}: another process is at work on this run; wait for it, or end it"
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:  # a file system without locks
                raise
        yield


def write_finished(folder: RunFolder) -> None:
    """Writes that a run has all its files, and the SHA-256 of those that its figures stand on."""
    files = (folder.best_model, folder.predictions, folder.metrics, folder.decision)
    digests = {
        file.relative_to(folder.path).as_posix(): digest_of(file)
        for file in files
        if file.is_file()
    }
    run_record.write_json(folder.finished, digests)
