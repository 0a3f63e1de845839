"""Which cells a comparison has: a frozen, checked dataclass."""

import dataclasses
import pathlib
from collections.abc import Sequence

from flags import choices
from flags.interval import Interval, RangeChecked, within

WEIGHTS_ENDING = ".weights.h5"

# The grid of the paper, Bolhassani, arXiv 2105.08382: two tasks, two losses.
DEFAULT_TASKS = (choices.Task.BINARY, choices.Task.MULTICLASS)
DEFAULT_LOSSES = (choices.Loss.FOCAL, choices.Loss.CE)
DEFAULT_IMBALANCES = (choices.Imbalance.CLASS_WEIGHT,)
DEFAULT_SEEDS = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareConfig(RangeChecked):
    """The grid: every task with every loss, imbalance mechanism, system and setting.

    Attributes:
      tasks: what is told apart.
      losses: losses of the heads.
      imbalances: mechanisms against unequal class sizes.
      weights_files: the systems, each a *.weights.h5 file with its contract, or a run's folder.
      settings: without and with the images of the further data sets.
      seeds: trainings of each cell; their probabilities are averaged.
    """

    tasks: tuple[choices.Task, ...] = DEFAULT_TASKS
    losses: tuple[choices.Loss, ...] = DEFAULT_LOSSES
    imbalances: tuple[choices.Imbalance, ...] = DEFAULT_IMBALANCES
    weights_files: tuple[pathlib.Path, ...] = ()
    settings: tuple[choices.Setting, ...] = (choices.Setting.WITHOUT,)
    seeds: int = within(Interval(1, 100), DEFAULT_SEEDS)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("tasks", "losses", "imbalances", "weights_files", "settings"):
            values = getattr(self, name)
            if not values:
                raise ValueError(f"--{name}: expected at least one, found nothing")
            if len(set(values)) < len(values):
                raise ValueError(f"--{name}={','.join(map(str, values))}: expected each once")
        if choices.Task.SOURCE in self.tasks:
            raise ValueError(
                "--tasks=source: expected tasks of findings; audit tells sources apart"
            )
        names = self.system_names
        if len(set(names)) < len(names):
            raise ValueError(
                f"--weights_files: two systems would both be called {_repeated(names)}: expected "
                "names of their own; rename a file, its contract with it"
            )

    @property
    def system_names(self) -> tuple[str, ...]:
        """What each system is called: its file without the ending, or its run's folder."""
        return tuple(path.name.removesuffix(WEIGHTS_ENDING) for path in self.weights_files)


def _repeated(names: Sequence[str]) -> str:
    return next(name for name in names if list(names).count(name) > 1)
