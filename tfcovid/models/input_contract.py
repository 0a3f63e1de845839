"""What a set of converted weights expects to see: the contract that travels beside them."""

import dataclasses
import hashlib
import json
import math
import pathlib
import re
from typing import Any

from tfcovid.models.backbones import BACKBONES


@dataclasses.dataclass(frozen=True)
class InputContract:
    """The input a backbone was trained on, and where its weights come from.

    A gray value x in 0..255 reaches the network as
    (low + x / 255 * (high - low) - mean) / std, per channel.

    Args:
      architecture: a key of `backbones.BACKBONES`.
      channels: number of input channels.
      low: network value of black before mean and std.
      high: network value of white before mean and std; above low.
      mean: subtracted per channel, [channels].
      std: divided by per channel, [channels], positive.
      image_size: side of the square training image, px.
      head_outputs: logits of the head that the weights file holds besides the
        backbone; 0 for none.
      class_names: names of the head's outputs, in order; empty where they are
        not known or there is no head.
      source_sha256: SHA-256 of the file the weights were read from, lower-case hex.
      proof: what the conversion showed, as JSON values; for the reader.
      weights_sha256: SHA-256 of the weights file this contract stands beside;
        filled in by `weights_file.save_backbone_weights`.

    Raises:
      ValueError: if a field has a wrong type, length or range.
    """

    architecture: str
    channels: int
    low: float
    high: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_size: int
    head_outputs: int
    class_names: tuple[str, ...]
    source_sha256: str
    proof: dict[str, Any]
    weights_sha256: str = ""

    def __post_init__(self):
        _require(self.architecture in BACKBONES, "architecture", _one_of(BACKBONES), self)
        _require(_is_count(self.channels), "channels", "a whole number of at least 1", self)
        _require(_are_finite((self.low, self.high)), "low", "finite, as high", self)
        _require(self.low < self.high, "high", f"above low, which is {self.low}", self)
        for field in ("mean", "std"):
            values = getattr(self, field)
            fits = isinstance(values, tuple) and len(values) == self.channels
            finite = fits and _are_finite(values)
            _require(finite, field, f"{self.channels} finite numbers, one for each channel", self)
        _require(min(self.std) > 0, "std", "positive", self)
        _require(_is_count(self.image_size), "image_size", "a whole number of at least 1", self)
        outputs = self.head_outputs
        _require(outputs == 0 or _is_count(outputs), "head_outputs", "a whole number", self)
        _require(_are_distinct_names(self.class_names), "class_names", "distinct strings", self)
        fits = len(self.class_names) in (0, outputs)
        _require(fits, "class_names", f"{outputs} names, one for each output, or none", self)
        _require(_is_sha256(self.source_sha256), "source_sha256", "64 hexadecimal digits", self)
        _require(isinstance(self.proof, dict), "proof", "a mapping", self)
        known = self.weights_sha256 == "" or _is_sha256(self.weights_sha256)
        _require(known, "weights_sha256", "64 hexadecimal digits or empty", self)

    def to_json(self):
        """Returns the contract as JSON text.

        Raises:
          ValueError: if the proof holds a number that is not finite.
        """
        return json.dumps(dataclasses.asdict(self), indent=2, allow_nan=False) + "\n"

    def digest(self):
        """Returns the SHA-256 of what the contract says, apart from which file it stands beside."""
        text = dataclasses.replace(self, weights_sha256="").to_json()
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def from_json(cls, text):
        """Returns the contract that `to_json` wrote.

        Args:
          text: JSON text.

        Raises:
          ValueError: if the text is not JSON, a field is missing or unknown, or
            has a wrong value.
        """
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"The input contract is not JSON: {error}.") from error
        known = {field.name: field for field in dataclasses.fields(cls)}
        if not isinstance(fields, dict):
            raise ValueError("The input contract is not a JSON object; convert the weights again.")
        missing = sorted(set(known) - set(fields) - {"weights_sha256"})
        if missing or set(fields) - set(known):
            raise ValueError(
                f"The input contract lacks {missing} and has the unknown fields "
                f"{sorted(set(fields) - set(known))}; convert the weights again."
            )
        lists = {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
        return cls(**{**fields, **lists})


def contract_path(weights_path):
    """Returns the path of the contract beside a weights file: X.weights.h5 -> X.contract.json.

    Args:
      weights_path: path that ends in .weights.h5.

    Raises:
      ValueError: if it does not.
    """
    path = pathlib.Path(weights_path)
    if not path.name.endswith(".weights.h5"):
        raise ValueError(f"A weights file must be called X.weights.h5. Received: {path}")
    return path.with_name(path.name.removesuffix(".weights.h5") + ".contract.json")


def read_contract(weights_path):
    """Returns the contract beside a weights file.

    Args:
      weights_path: path that ends in .weights.h5.

    Raises:
      ValueError: if there is no contract, or it is not valid.
    """
    path = contract_path(weights_path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: expected the input contract of {weights_path}, cannot read it; keep "
            "X.contract.json beside X.weights.h5"
        ) from error
    try:
        return InputContract.from_json(text)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise ValueError(f"{path}: {error}") from error


def _require(condition, field, expected, contract):
    if not condition:
        raise ValueError(
            f"Input contract: {field} must be {expected}. "
            f"Received: {field}={getattr(contract, field)!r}"
        )


def _one_of(names):
    return f"one of {', '.join(names)}"


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _are_finite(values):
    return all(
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        for value in values
    )


def _are_distinct_names(names):
    strings = isinstance(names, tuple) and all(isinstance(name, str) for name in names)
    return strings and len(set(names)) == len(names)


def _is_sha256(value):
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None
