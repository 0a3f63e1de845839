"""What a run that goes on was begun with, where that computes otherwise."""

import pathlib
from typing import Any

from tfcovid.training import run_record

EARLIER = "earlier_parts"
"""Key of environment.json: name -> what it was in parts of the run before, oldest first."""
DAMAGED = "unknown: environment.json was damaged"
_COMPUTES = (
    *("commit", "python", "devices", "cpu_instructions", "precision", "jit_compile"),
    "tf_enable_onednn_opts",
)


def with_earlier_parts(
    environment: dict[str, Any], path: pathlib.Path
) -> tuple[dict[str, Any], str | None]:
    """Returns an environment.json that keeps what the one it replaces had otherwise.

    On software and devices the last digits depend; on who shares a training, more.

    Args:
      environment: of this part of the run.
      path: of the environment.json of the part before; it need not be there.

    Returns:
      `environment`, under EARLIER with what parts before were begun with, if any was begun with
      anything else; and a line on what is otherwise than in the part before, None where nothing is.
    """
    if not path.is_file():
        return environment, None
    try:
        before = run_record.read_json(path)
        with run_record.as_a_run_writes(path):
            earlier = {name: list(values) for name, values in before.get(EARLIER, {}).items()}
            was, now = _what_computes(before), _what_computes(environment)
    except ValueError:  # no figure depends on it
        return {**environment, EARLIER: {"environment": [DAMAGED]}}, _line([DAMAGED])
    other = [name for name in now if name in was and was[name] != now[name]]
    for name in other:
        earlier.setdefault(name, []).append(was[name])
    if earlier:
        environment = {**environment, EARLIER: earlier}
    return environment, _line([f"{name} was {was[name]}" for name in other])


def _line(changes):
    otherwise = "goes on otherwise than it was begun, so results may differ"
    return f"{otherwise}: {'; '.join(changes)}" if changes else None


def _what_computes(environment):
    # As text, because JSON has lists where there were tuples. A record of older code may lack some.
    found = {name: _text(environment[name]) for name in _COMPUTES if name in environment}
    found["shared"] = _text(environment.get("shared"))
    return found | {name: str(version) for name, version in environment["packages"].items()}


def _text(value):
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)
