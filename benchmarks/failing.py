"""How a benchmark ends that cannot go on: one line on stderr, exit code 1, no traceback."""

import pathlib
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from typing import Any, NoReturn

from tfcovid.printable import one_line

# absl's flag: its name, and its value, a path, a list of them, or None.
Flag = Any
IMAGE_ENDINGS = (".jpeg", ".jpg", ".png")


def fail(message: str) -> NoReturn:
    """Ends the process with that line."""
    sys.exit(f"error: {one_line(message)}")


def check_paths(
    *, folders: Sequence[Flag] = (), files: Sequence[Flag] = (), programs: Sequence[Flag] = ()
) -> None:
    """Ends the process with a line that names each flag whose path leads nowhere.

    Args:
      folders: flags of folders; one that was not given is none to check.
      files: flags of files, likewise.
      programs: flags of programs, by a path or by a name that the shell would find.
    """
    wrong = []
    for kind, flags, is_there in (
        ("folder", folders, lambda path: pathlib.Path(path).is_dir()),
        ("file", files, lambda path: pathlib.Path(path).is_file()),
        ("program", programs, shutil.which),
    ):
        for flag in flags:
            paths = flag.value if isinstance(flag.value, list) else [flag.value]
            lost = [path for path in paths if path is not None and not is_there(path)]
            wrong += [f"--{flag.name}: expected a {kind}, there is no {path}" for path in lost]
    if wrong:
        fail("; ".join(wrong))


def check_names(flag: Flag, known: Collection[str]) -> None:
    """Ends the process with a line that names each entry of a list that is none of those known."""
    unknown = [name for name in flag.value or () if name not in known]
    if unknown:
        fail(f"--{flag.name}: expected some of {', '.join(known)}. Received: {', '.join(unknown)}.")


def images_below(flag: Flag) -> list[pathlib.Path]:
    """Returns the images in the folder of a flag, to its bottom; ends the process at none."""
    check_paths(folders=[flag])
    root = pathlib.Path(flag.value)
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS)
    if not found:
        fail(f"--{flag.name}={root}: expected {', '.join(IMAGE_ENDINGS)} files, there are none")
    return found


def last_words(said: str) -> str:
    """Returns the line of a text that says why a process failed, "" of an empty one.

    The last that a command of ours ended with, else the last of all: the end of a traceback.
    TensorFlow may say something after either.
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    return (errors or lines or [""])[-1].removeprefix("error: ")


def command_failed(name: str, code: int, said: str) -> NoReturn:
    """Ends the process with the last words of a command that failed.

    Args:
      name: of the command.
      code: its exit code.
      said: its stderr.
    """
    fail(f"{name}: exit code {code}: {last_words(said) or 'it said nothing'}")


def output_of(name: str, command: Sequence[str], **options: Any) -> str:
    """Returns what a command prints; ends the process with its last words if it fails.

    Args:
      name: of the command, for that line.
      command: its words.
      **options: of `subprocess.run`.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        command_failed(name, done.returncode, done.stderr)
    return done.stdout
