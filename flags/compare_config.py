"""Which cells a comparison has: a frozen, checked dataclass."""

import dataclasses
import fnmatch
import itertools
import pathlib
from collections.abc import Sequence

from flags import choices, compare_choices
from flags.interval import Interval, RangeChecked, within
from flags.learning_config import WEIGHTS_ENDING

# The grid of the paper, Bolhassani, arXiv 2105.08382: two tasks, two losses.
DEFAULT_TASKS = (choices.Task.BINARY, choices.Task.MULTICLASS)
DEFAULT_LOSSES = (choices.Loss.FOCAL, choices.Loss.CE)
DEFAULT_IMBALANCES = (choices.Imbalance.CLASS_WEIGHT,)
DEFAULT_SEEDS = 5
DEFAULT_FINETUNE_SEEDS = 1

# As a pattern of --finetune: every cell.
ALL = "all"
# So many cell names stand in the message on a pattern that names none.
SHOWN_NAMES = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareConfig(RangeChecked):
    """The grid: every task with every loss, imbalance mechanism, system and setting.

    Attributes:
      tasks: what is told apart.
      losses: losses of the heads.
      imbalances: mechanisms against unequal class sizes.
      weights_files: the systems of probes, each a *.weights.h5 file with its contract, or a run's
        folder; with presets also what their backbones start from.
      presets: published methods, each trained as its preset says.
      settings: without and with the images of the further data sets.
      seeds: trainings of each cell; their probabilities are averaged.
      finetune: patterns of the names of the cells that are trained fully too, beside their
        probes; "all" is every cell.
      finetune_seeds: trainings of each of those cells; their probabilities are averaged.
    """

    tasks: tuple[choices.Task, ...] = DEFAULT_TASKS
    losses: tuple[choices.Loss, ...] = DEFAULT_LOSSES
    imbalances: tuple[choices.Imbalance, ...] = DEFAULT_IMBALANCES
    weights_files: tuple[pathlib.Path, ...] = ()
    presets: tuple[str, ...] = ()
    settings: tuple[compare_choices.Setting, ...] = (compare_choices.Setting.WITHOUT,)
    seeds: int = within(Interval(1, 100), DEFAULT_SEEDS)
    finetune: tuple[str, ...] = ()
    finetune_seeds: int = within(Interval(1, 100), DEFAULT_FINETUNE_SEEDS)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.weights_files and not self.presets:
            raise ValueError(
                "--weights_files: expected at least one, found nothing; name weights, or published "
                "methods in --systems"
            )
        if self.finetune and not self.weights_files:
            raise ValueError("--finetune without --weights_files: it names cells of these; drop it")
        for name in ("tasks", "losses", "imbalances", "weights_files", "settings"):
            values = getattr(self, name)
            if not values and name != "weights_files":
                raise ValueError(f"--{name}: expected at least one, found nothing")
            if len(set(values)) < len(values):
                raise ValueError(f"--{name}={','.join(map(str, values))}: expected each once")
        if choices.Task.SOURCE in self.tasks:
            raise ValueError(
                "--tasks=source: expected tasks of findings; audit tells sources apart"
            )
        several = [task for task in self.tasks if task.has_findings]
        if several:
            raise ValueError(
                f"--tasks={several[0]}: expected tasks of one class an image; a comparison has no "
                "figures of several findings"
            )
        names = (*self.system_names, *self.presets)
        if len(set(names)) < len(names):
            raise ValueError(
                f"--weights_files: two systems would both be called {_repeated(names)}: expected "
                "names of their own; rename a file, its contract with it"
            )
        for pattern in self.finetune:
            cells = [name_of(place) for place in self.places]
            if not any(_matches(name, pattern) for name in cells):
                raise ValueError(
                    f"--finetune={pattern}: expected {ALL} or a pattern of the names of cells, "
                    f"such as {', '.join(cells[:SHOWN_NAMES])}"
                )

    @property
    def places(self) -> list[tuple[str, ...]]:
        """Task, setting, system, loss and imbalance of every cell, in the order of the tables."""
        return list(
            itertools.product(
                [task.value for task in self.tasks],
                [setting.value for setting in self.settings],
                self.system_names,
                [loss.value for loss in self.losses],
                [imbalance.value for imbalance in self.imbalances],
            )
        )

    def is_finetuned(self, place: Sequence[str]) -> bool:
        """Returns whether the cell at a place is trained fully too."""
        return any(_matches(name_of(place), pattern) for pattern in self.finetune)

    @property
    def system_names(self) -> tuple[str, ...]:
        """What each system is called: its file without the ending, or its run's folder."""
        return tuple(path.name.removesuffix(WEIGHTS_ENDING) for path in self.weights_files)


def name_of(place: Sequence[str]) -> str:
    """Returns what the cell at a place is called."""
    return "-".join(place)


def _matches(name: str, pattern: str) -> bool:
    return pattern == ALL or fnmatch.fnmatchcase(name, pattern)


def _repeated(names: Sequence[str]) -> str:
    return next(name for name in names if list(names).count(name) > 1)
