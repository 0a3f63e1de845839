"""A training that several devices or processes share: who they are, and what all but one do."""

import contextlib
import hashlib
import json
import os
import pathlib
import tempfile
from collections.abc import Iterator

import rich.console
import tensorflow as tf

from flags import choices
from flags.config import Config
from flags.distribution_flags import Distribute, Sharing
from tfcovid import termination
from tfcovid.console import say
from tfcovid.experiment.classifiers.asked import Asked
from tfcovid.experiment.classifiers.single import build_network
from tfcovid.experiment.fitting import train
from tfcovid.experiment.resumed import flat
from tfcovid.training.distribution import DISTRIBUTIONS, Workers, cluster_of
from tfcovid.training.run_record import RunFolder

# What TensorFlow raises in those that are left when one of the workers is gone.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.InternalError,
    tf.errors.DeadlineExceededError,
)
_DIGEST_DIGITS = 8  # their sum over two million replicas is exact in float64
PLACES = {
    *("workdir", "data_dir", "extra_data_dir", "patients", "patient_key", "table"),
    *("manifest", "lung_masks", "weights", "member_weights"),
}
"""Flags that name files and folders, which may lie elsewhere on another machine."""


class LostWorkerError(OSError):
    """Another of the workers is gone."""


def open_workers(config: Config, sharing: Sharing, console: rich.console.Console) -> Workers:
    """Returns who shares the training; waits for all of them.

    Raises:
      ValueError: if the run is none that is shared, or they are not to be found.
    """
    if sharing.distribute is Distribute.NONE:
        return Workers()
    flag = f"--distribute={sharing.distribute}"
    if config.model.ensemble or config.model.classifier is not choices.Classifier.LINEAR:
        raise ValueError(f"{flag} shares the training of one network: drop --members, --classifier")
    if config.data.every_fold:
        raise ValueError(f"{flag} shares the training of one network: give --fold too")
    if sharing.distribute is Distribute.MULTI_WORKER and config.run.workdir is None:
        raise ValueError(f"{flag}: expected --workdir, a folder on a disk that all workers see")
    if sharing.distribute is Distribute.MULTI_WORKER:
        cluster_of(os.environ)  # what is wrong with it is said before they are waited for
        say(console, "waiting until all workers are there")
    workers = DISTRIBUTIONS[sharing.distribute]()
    if workers.count > 1:
        termination.watch()  # once more: TensorFlow has put a handler of its own in its place
    say(console, f"shared: {workers.in_words()}")
    return workers


def refuse_others(asked: Asked) -> None:
    """Raises ValueError if not all workers were asked the same, of the same images.

    Where a worker finds its files is its own matter.
    """
    workers = asked.workers
    columns = asked.dataset.frame[["path", "label", "split", "sha256"]].astype(str)
    values = flat(asked.config).items()
    flags = {name: value for name, value in values if name not in PLACES}
    told = [flags, asked.machine.precision, asked.sync_batch_norm]
    for what, text in (
        ("images, labels and split", columns.to_csv(index=False)),
        ("flags and precision", json.dumps(told, sort_keys=True)),
    ):
        digest = hashlib.sha256(text.encode()).hexdigest()
        own = float(int(digest[:_DIGEST_DIGITS], 16))
        if workers.total(own) != own * workers.count:
            raise ValueError(
                f"--distribute=multi_worker: not all workers have the same {what}; give all of "
                "them the same command and data"
            )


def help_training(asked: Asked, path: pathlib.Path, console: rich.console.Console) -> None:
    """Trains beside the chief, who writes everything; leaves nothing.

    Args:
      asked: what the chief is asked too.
      path: the run's folder, which is only read.
      console: for what a user needs of this process.
    """
    quiet = rich.console.Console(quiet=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = RunFolder(path)
        folder.tensorboard = pathlib.Path(scratch)
        train(asked, build_network(asked, quiet), folder, quiet)
    say(console, f"{asked.workers.in_words()}: the training is over; waiting for worker 1's scores")


@contextlib.contextmanager
def losing_workers(workers: Workers) -> Iterator[None]:
    """Turns TensorFlow's errors about a worker that is gone into one line.

    Raises:
      LostWorkerError: if another worker was killed, or ended with an error of its own.
    """
    try:
        yield
    except _LOST as error:
        if workers.count == 1:
            raise
        raise LostWorkerError(
            f"{workers.in_words()}: another worker is gone; see what it said, and start all of "
            "them again with --resume: they go on from the last snapshot"
        ) from error
