"""A run's flags.cfg: a Config as a flag file."""

import pathlib
from typing import Any

from flags.config import Config
from flags.dependent_flags import acts

# What these flags call no value; other flags without a value cannot be written.
_NONE_IS_A_VALUE = ("weights", "focal_alpha")


def flag_file_lines(asked: Config) -> list[str]:
    """Returns the lines of a flag file that asks for this config, defaults included.

    Given back by --flagfile, it makes a Config equal but for `workdir`. Other flags
    override it when they stand behind it. A flag without a value, or turned off by
    another, is a comment; so is --workdir, whose folder holds the run by then.

    Args:
      asked: what was asked of the run.
    """
    return [_line(name, value, asked) for name, value in asked.by_flag_name().items()]


def _line(name: str, value: Any, asked: Config) -> str:
    if name == "workdir":
        return "# --workdir is not repeated: each run has a folder of its own"
    if not acts(name, asked):
        return f"# --{name} does not act here"
    if (value is None or value == ()) and name not in _NONE_IS_A_VALUE:
        return f"# --{name} is not set"
    return f"--{name}={_text(value)}"


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(str(number) for number in value)
    if isinstance(value, pathlib.Path):
        return value.as_posix()
    return str(value)
