"""The preset files: where they lie, what they must name, how --system finds one."""

import copy
import pathlib
from collections.abc import Sequence

from absl import flags as absl_flags

PRESETS_FOLDER = pathlib.Path(__file__).parent / "presets"
SYSTEMS_FOLDER = PRESETS_FOLDER / "systems"

PRESET_FLAGS = (
    "task",
    "loss",
    "label_smoothing",
    "imbalance",
    "data",
    "split",
    "test_fraction",
    "validation_fraction",
    "image_size",
    "view",
    "rotation_degrees",
    "translation",
    "zoom",
    "move_share",
    "brightness",
    "contrast",
    "horizontal_flip",
    "backbone",
    "batch_norm",
    "dropout",
    "epochs",
    "batch_size",
    "learning_rate",
    "head_learning_rate",
    "weight_decay",
    "schedule",
    "warmup_epochs",
    "patience",
    "precision",
    "calibration",
    "operating_point",
    "seed",
    "controls",
)
"""What every preset names, because it decides the result of a run."""

FOCAL_PRESET_FLAGS = ("focal_gamma", "focal_alpha")
"""What a preset with --loss=focal names besides."""


def system_names() -> list[str]:
    """Returns the names that --system takes, sorted."""
    return sorted(path.stem for path in SYSTEMS_FOLDER.glob("*.cfg"))


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
      ValueError: if --system names no preset or is given twice with different names.
      absl.flags.Error: if a flag file cannot be read.
    """
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
