"""What lets a training go on, after a kill, exactly where its last snapshot was.

All numbers that a step changes are variables of the model, its optimizer and its metrics; what
callbacks have seen is theirs to tell; the order and augmentation of the images are functions of
epoch and batch. An epoch is one call of `fit`, whether the training was interrupted or not, because
`fit` itself cannot begin inside an epoch and forgets its callbacks' state.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import keras
import numpy as np

from tfcovid.training.distribution import Workers
from tfcovid.training.snapshots import Snapshots

History = dict[str, list[float]]


class Remembering(Protocol):
    """A callback that has seen something that later epochs depend on."""

    def progress(self) -> dict[str, Any]:
        """Returns what it has seen, as JSON takes it; "file" names one that it needs."""

    def go_on(self, progress: dict[str, Any]) -> None:
        """Takes over what was seen before."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a training stands.

    Attributes:
      phase: number of the phase.
      epoch: number of the epoch in its phase.
      batch: number of the next batch in its epoch.
    """

    phase: int
    epoch: int
    batch: int


@dataclasses.dataclass(frozen=True)
class Kept:
    """A snapshot as it was read.

    Attributes:
      place: where it was taken.
      histories: the epochs that had ended, a name and its figures a phase, the current one last.
      callbacks: what each had seen, by name.
      variables: the values of all of them, in the order of `state_variables`.
    """

    place: Place
    histories: list[tuple[str, History]]
    callbacks: dict[str, dict[str, Any]]
    variables: list[np.ndarray]

    def in_words(self) -> str:
        """Returns where it was taken."""
        epoch, batch = self.place.epoch, self.place.batch
        return f"{self.histories[-1][0]}, {epoch} epochs and {batch} steps done"


def read_kept(snapshots: Snapshots, tell: Callable[[str], None]) -> Kept | None:
    """Returns the newest snapshot that is whole, or None; `tell` hears of each that is not."""
    found = snapshots.newest(tell)
    if found is None:
        return None
    progress, arrays = found
    return Kept(
        place=Place(**progress["place"]),
        histories=[(name, history) for name, history in progress["histories"]],
        callbacks=progress["callbacks"],
        variables=[arrays[f"{index:05d}"] for index in range(len(arrays))],
    )


def read_together(
    snapshots: Snapshots, workers: Workers, tell: Callable[[str], None]
) -> Kept | None:
    """Returns what `read_kept` does, in every one of several workers.

    Raises:
      ValueError: if not all of them find it.
    """
    kept = read_kept(snapshots, tell) if workers.is_chief else None
    workers.any_says(False)  # until the chief has removed what is damaged
    if not workers.is_chief:
        kept = read_kept(snapshots, lambda _: None)
    found, missing = workers.any_says(kept is not None), workers.any_says(kept is None)
    if found and missing:
        raise ValueError(
            f"{snapshots.folder}: expected a folder that all workers see, found snapshots on some "
            "only; name a --workdir on a disk that they share"
        )
    return kept


def state_variables(model: keras.Model) -> list[keras.Variable]:
    """Returns every variable that a step may change, each once: of the model with the generators of
    its random numbers, of its optimizer, of its metrics."""
    every = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    return list({id(variable): variable for variable in every}.values())


def put_back(model: keras.Model, values: list[np.ndarray], workers: Workers) -> None:
    """Sets every variable, on all replicas of the workers.

    Raises:
      ValueError: if the values are not those of this model.
    """
    variables = state_variables(model)
    ours = [(tuple(one.shape), str(one.dtype)) for one in variables]
    theirs = [(one.shape, str(one.dtype)) for one in values]
    if ours != theirs:
        raise ValueError(
            f"expected a snapshot of this network with {len(ours)} variables, found one of "
            f"{len(theirs)}, or of other shapes: it was made by another version; begin anew in "
            "another --workdir"
        )
    for variable, value in zip(variables, values, strict=True):
        workers.set_value(variable, value)


class PutBack(keras.callbacks.Callback):
    """Sets the variables of a snapshot once the first epoch has begun.

    Not before: `fit` sets the metrics back at the beginning of each epoch, and what they had summed
    up inside this one has to stay. One that was taken between epochs has the sums of the last one.

    Args:
      kept: the snapshot; None does nothing.
      workers: who share the training.
    """

    def __init__(self, kept: Kept | None, workers: Workers):
        super().__init__()
        self.kept = kept
        self.workers = workers

    def on_epoch_begin(self, epoch, logs=None):
        """Sets them, the first time."""
        if self.kept is not None:
            put_back(self.model, self.kept.variables, self.workers)
            if not self.kept.place.batch:
                self.model.reset_metrics()
            self.kept = None


class Keeper(keras.callbacks.Callback):
    """Takes a snapshot from time to time, inside epochs and between them, and before a stop.

    One serves all phases of a training. It stands last among the callbacks, so that the others have
    seen the same step.

    Args:
      snapshots: where they go.
      steps: batches of an epoch.
      every_s: seconds between two, >= 0.
      stop_is_asked: whether the process has been told to end.
      workers: who share the training; they agree on when, and the chief writes.
      clock: gives seconds.

    Raises:
      StoppedTrainingError: from inside `fit`, once a snapshot is there after a stop was asked for.
    """

    def __init__(
        self,
        snapshots: Snapshots,
        *,
        steps: int,
        every_s: float,
        stop_is_asked: Callable[[], bool],
        workers: Workers | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        super().__init__()
        self.snapshots = snapshots
        self.steps = steps
        self.every_s = every_s
        self.stop_is_asked = stop_is_asked
        self.workers = workers or Workers()
        self.clock = clock
        self.histories: list[tuple[str, History]] = []
        self.remembering: Mapping[str, Remembering] = {}
        self.phase = -1
        self.first_batch = 0
        self.last_s = clock()

    def begin(self, phase: str, remembering: Mapping[str, Remembering], kept: Kept | None) -> Place:
        """Begins a phase, or goes on with the one of a snapshot; returns where.

        Args:
          phase: its name.
          remembering: its callbacks whose progress is kept, by name.
          kept: the snapshot, or None.
        """
        self.remembering = remembering
        if kept is None:
            self.phase += 1
            self.histories.append((phase, {}))
            return Place(self.phase, 0, 0)
        self.phase, self.histories = kept.place.phase, kept.histories
        for name, one in remembering.items():
            one.go_on(kept.callbacks[name])
        return kept.place

    def on_epoch_begin(self, epoch, logs=None):
        """Notes which epoch it is."""
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Takes one where it is time; the last batch leaves it to the end of the epoch."""
        done = self.first_batch + batch + 1
        if done < self.steps and self._is_time():
            self._take(Place(self.phase, self.epoch, done))

    def on_epoch_end(self, epoch, logs=None):
        """Adds the epoch to the history, and takes one where it is time."""
        history = self.histories[-1][1]
        for name, value in (logs or {}).items():
            history.setdefault(name, []).append(float(value))
        if self._is_time():
            self._take(Place(self.phase, epoch + 1, 0))

    def _is_time(self) -> bool:
        return self.workers.any_says(
            self.stop_is_asked() or self.clock() - self.last_s >= self.every_s
        )

    def _take(self, place: Place) -> None:
        arrays = {
            f"{index:05d}": keras.ops.convert_to_numpy(variable)
            for index, variable in enumerate(state_variables(self.model))
        }
        callbacks = {name: one.progress() for name, one in self.remembering.items()}
        progress = {
            "place": dataclasses.asdict(place),
            "histories": self.histories,
            "callbacks": callbacks,
        }
        needs = [seen["file"] for seen in callbacks.values() if seen.get("file")]
        if self.workers.is_chief:
            self.snapshots.write(progress, arrays, needs=needs)
        self.last_s = self.clock()
        if self.workers.any_says(self.stop_is_asked()):
            raise StoppedTrainingError


class StoppedTrainingError(Exception):
    """The process was told to end, and everything that it needs to go on is on the disk."""
