"""What travels in a SavedModel beside its graph: the model's card, and in it the rule in words."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

ASSETS = "assets.extra"
"""The folder beside the graph that TensorFlow Serving leaves to others' files."""


def model_card(folder: pathlib.Path) -> Mapping[str, Any] | None:
    """Returns the card that travels with a model, or None if it was exported without one.

    Args:
      folder: the SavedModel's.

    Raises:
      ValueError: if the card is no JSON object.
    """
    path = folder / ASSETS / "model_card.json"
    if not path.is_file():
        return None
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON; copy the model once more: {error}") from error
    if not isinstance(card, dict):
        raise ValueError(f"{path}: expected a JSON object; copy the model once more")
    return card


def decision_rule(card: Mapping[str, Any] | None) -> str | None:
    """Returns the rule that decides, in the words of the card, or None where it has none.

    Args:
      card: from `model_card`.
    """
    items = (card or {}).get("card")
    rule = items.get("Decision") if isinstance(items, dict) else None
    return rule if isinstance(rule, str) else None
