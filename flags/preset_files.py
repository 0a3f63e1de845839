"""The preset files: where they lie, what they must name, how --system finds one."""

import copy
import itertools
import pathlib
from collections.abc import Mapping, Sequence

from absl import flags as absl_flags

from flags import choices
from flags.dependent_flags import OF_TRAINING
from flags.flag_files_read import refuse_unreadable

PRESETS_FOLDER = pathlib.Path(__file__).parent / "presets"
SYSTEMS_FOLDER = PRESETS_FOLDER / "systems"

_EVERY_PRESET = (
    "task",
    "loss",
    "imbalance",
    "data",
    "split",
    "validation_fraction",
    "image_size",
    "preprocessing",
    "view",
    "precision",
    "calibration",
    "operating_point",
    "seed",
    "controls",
)
_OF_PATIENT_SPLIT = ("test_fraction",)
_OF_FOCAL = ("focal_gamma", "focal_alpha")
_OF_NETWORK = ("backbone", "classifier")
_OF_ENSEMBLE = ("members", "combine")
# Phase 1 follows from --weights, which are the user's.
_OF_TRAINING = tuple(name for name in OF_TRAINING if name not in ("head_epochs", "head_augment"))

DECIDING_FLAGS = (
    *_EVERY_PRESET,
    *_OF_PATIENT_SPLIT,
    *_OF_FOCAL,
    *_OF_NETWORK,
    *_OF_ENSEMBLE,
    *_OF_TRAINING,
)
"""Every flag that decides the result of a run, and that some preset therefore names."""


def named_flags(given: Mapping[str, str]) -> set[str]:
    """Returns the flags that a preset names: each that decides its result and acts in it.

    Args:
      given: what it gives, flag to text.
    """
    names = {*_EVERY_PRESET, *(_OF_ENSEMBLE if "members" in given else _OF_NETWORK)}
    if given.get("split") == choices.Split.PATIENT:
        names |= {*_OF_PATIENT_SPLIT}
    if given.get("loss") == choices.Loss.FOCAL:
        names |= {*_OF_FOCAL}
    if given.get("classifier") != choices.Classifier.BOOSTED_TREES:
        names |= {*_OF_TRAINING}
    return names


def system_names() -> list[str]:
    """Returns the names that --system takes, sorted."""
    return sorted(path.stem for path in SYSTEMS_FOLDER.glob("*.cfg"))


def preset_values(name: str) -> dict[str, str]:
    """Returns what a preset gives, flag to text, in its order."""
    lines = (SYSTEMS_FOLDER / f"{name}.cfg").read_text("utf-8").splitlines()
    flags = (line.removeprefix("--").partition("=") for line in lines if line.startswith("--"))
    return {flag: value for flag, _, value in flags}


def preset_about(name: str) -> str:
    """Returns what a preset says of itself: its first comment, up to its command."""
    lines = (SYSTEMS_FOLDER / f"{name}.cfg").read_text("utf-8").splitlines()
    head = itertools.takewhile(lambda line: line.startswith("# "), lines)
    return " ".join(
        line.removeprefix("# ")
        for line in itertools.takewhile(lambda line: not line.startswith("#   "), head)
    )


def expand_system(
    argv: Sequence[str], flag_values: absl_flags.FlagValues = absl_flags.FLAGS
) -> list[str]:
    """Returns argv with the preset of --system placed first.

    Flag files are read here, so that --system is found inside them too, and so that
    a run's own flags.cfg can be given back. Everything keeps its order behind the
    preset: the last value of a flag wins.

    Args:
      argv: the program's name and its arguments.
      flag_values: the flags that are defined.

    Returns:
      The program's name and its arguments, without flag files other than the preset.

    Raises:
      ValueError: if --system names no preset or is given twice with different names; if a flag
        file is no text.
      absl.flags.Error: if a flag file cannot be read.
    """
    refuse_unreadable(argv[1:])
    arguments = flag_values.read_flags_from_files(list(argv[1:]), force_gnu=False)
    names = set(_given_systems(arguments))
    if not names:
        return [argv[0], *arguments]
    if len(names) > 1:
        raise ValueError(f"--system is given more than once: {', '.join(sorted(names))}; keep one")
    name = names.pop()
    if name not in system_names():
        raise ValueError(f"--system={name}: expected one of {', '.join(system_names())}")
    return [argv[0], f"--flagfile={SYSTEMS_FOLDER / name}.cfg", *arguments]


def directly_given(argv: Sequence[str], flag_values: absl_flags.FlagValues) -> set[str]:
    """Returns the names of the flags on the command line itself, not in flag files.

    Args:
      argv: the program's name and its arguments, which parse without error.
      flag_values: the flags that are defined; they stay as they are.
    """
    direct = copy.deepcopy(flag_values)
    direct.unparse_flags()
    for name in direct:
        direct[name].present = 0
    direct(_without_flag_files(argv))
    return {name for name in direct if direct[name].present}


def _without_flag_files(argv: Sequence[str]) -> list[str]:
    kept: list[str] = []
    rest = iter(argv)
    for argument in rest:
        if argument == "--":
            return [*kept, argument, *rest]
        if argument in ("--flagfile", "-flagfile"):
            next(rest, None)
        elif not argument.startswith(("--flagfile=", "-flagfile=")):
            kept.append(argument)
    return kept


def _given_systems(arguments: Sequence[str]) -> list[str]:
    names: list[str] = []
    for position, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument in ("--system", "-system"):
            names += arguments[position + 1 : position + 2]
        elif argument.startswith(("--system=", "-system=")):
            names.append(argument.split("=", 1)[1])
    return names
