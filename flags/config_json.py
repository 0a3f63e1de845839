"""Config to JSON and back, for a run's config.json."""

import dataclasses
import enum
import json
import pathlib
import types
import typing
from typing import Any

from flags.config import Config

ADDED_LATER: dict[str, dict[str, Any]] = {
    "data": {"preprocessing": "plain"},
    "model": {
        "classifier": "linear",
        "members": [],
        "combine": "soft_vote",
        "member_weights": [],
    },
    "training": {"schedule": "cosine", "head_augment": True},
    "run": {"heat_map": "grad_cam"},
}
"""Fields that runs made before have not, and what those runs were made with."""


def to_dict(config: Config) -> dict[str, dict[str, Any]]:
    """Returns the config as nested dicts of JSON values, one dict for each concern."""
    return {
        concern.name: {
            field.name: _plain(getattr(getattr(config, concern.name), field.name))
            for field in dataclasses.fields(getattr(config, concern.name))
        }
        for concern in dataclasses.fields(config)
    }


def to_json(config: Config) -> str:
    """Returns the config as indented JSON that ends in a newline."""
    return json.dumps(to_dict(config), indent=2) + "\n"


def from_dict(values: dict[str, dict[str, Any]]) -> Config:
    """Returns the Config that `to_dict` turned into `values`.

    Raises:
      ValueError: if a field is missing, unknown, of another type, or fails the
        Config's own checks.
    """
    hints = typing.get_type_hints(Config)
    _check_names("config", values, hints)
    return Config(**{name: _section(kind, name, values[name]) for name, kind in hints.items()})


def from_json(text: str) -> Config:
    """Returns the Config that `to_json` turned into `text`.

    Raises:
      ValueError: if the text is not JSON, or for the reasons of `from_dict`.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"config: expected JSON: {error}") from error
    return from_dict(values)


def _plain(value: Any) -> Any:
    if isinstance(value, enum.StrEnum):
        return value.value
    if isinstance(value, pathlib.Path):
        return value.as_posix()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _check_names(where: str, values: Any, expected: typing.Iterable[str]) -> None:
    if not isinstance(values, dict):
        raise ValueError(f"{where}: expected an object, got {values!r}")
    missing = sorted(set(expected) - set(values))
    unknown = sorted(set(values) - set(expected))
    if missing or unknown:
        raise ValueError(
            f"{where}: missing fields {missing or 'none'}, unknown fields {unknown or 'none'}"
        )


def _section(kind: type, where: str, values: Any) -> Any:
    hints = typing.get_type_hints(kind)
    if isinstance(values, dict):
        values = ADDED_LATER.get(where, {}) | values
    _check_names(where, values, hints)
    return kind(
        **{name: _typed(hint, f"{where}.{name}", values[name]) for name, hint in hints.items()}
    )


def _typed(hint: Any, where: str, value: Any) -> Any:
    """Returns the value as the first of the hint's alternatives that takes it."""
    alternatives = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for kind in alternatives:
        if kind is types.NoneType:
            if value is None:
                return None
        elif kind in (bool, int, str):
            if type(value) is kind:
                return value
        elif kind is float:
            if type(value) in (int, float):
                return float(value)
        elif typing.get_origin(kind) is tuple:
            if isinstance(value, list):
                return tuple(_typed(typing.get_args(kind)[0], where, item) for item in value)
        elif isinstance(value, str) and _is_word_of(kind, value):
            return kind(value)
    raise ValueError(f"{where}: expected {_words(alternatives)}, got {value!r}")


def _is_word_of(kind: type, value: str) -> bool:
    """Returns whether an enum has this value; every path is one."""
    return not issubclass(kind, enum.StrEnum) or value in list(kind)


def _words(alternatives: typing.Iterable[Any]) -> str:
    return " or ".join(getattr(kind, "__name__", str(kind)) for kind in alternatives)
