"""Classifies image files with an exported model, batch by batch, none left out."""

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What the model says of a file, or why it could not say anything.

    Attributes:
      image: the file as it was named.
      probabilities: by class, in the model's order; empty where there is an error.
      decision: a class name, or None where there is an error.
      error: why the file could not be classified, or None.
    """

    image: str
    probabilities: dict[str, float]
    decision: str | None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Returns what a JSON line holds: the error alone, or everything but it."""
        if self.error is not None:
            return {"image": self.image, "error": self.error}
        return {
            "image": self.image,
            "probabilities": self.probabilities,
            "decision": self.decision,
        }


def load_signature(folder: pathlib.Path):
    """Returns the `serving_default` signature of a SavedModel, and keeps the model alive.

    Raises:
      ValueError: if the folder holds no SavedModel of this program.
    """
    try:
        model = tf.saved_model.load(str(folder))
        signature = model.signatures["serving_default"]
    except (OSError, KeyError) as error:
        raise ValueError(
            f"--model={folder}: expected a SavedModel folder such as RUN/saved_model, found none"
        ) from error
    signature._model = model  # without a reference its variables would be freed
    return signature


def predict_files(signature, files: Sequence[str], *, batch_size: int) -> Iterator[Prediction]:
    """Yields a prediction for each file, in order.

    Args:
      signature: from `load_signature`.
      files: paths of images.
      batch_size: files read and classified at a time.
    """
    for start in range(0, len(files), batch_size):
        yield from _predict_batch(signature, files[start : start + batch_size])


def _predict_batch(signature, files: Sequence[str]) -> list[Prediction]:
    contents = {name: _read(name) for name in files}
    readable = [name for name in files if isinstance(contents[name], bytes)]
    try:
        found = dict(zip(readable, _call(signature, readable, contents), strict=True))
    except tf.errors.OpError:
        # One of them does not decode; alone, each of the others still does.
        found = {name: _predict_one(signature, name, contents) for name in readable}
    failed = {
        name: Prediction(name, {}, None, error=str(content))
        for name, content in contents.items()
        if not isinstance(content, bytes)
    }
    return [(found | failed)[name] for name in files]


def _predict_one(signature, name: str, contents: dict[str, Any]) -> Prediction:
    try:
        return _call(signature, [name], contents)[0]
    except tf.errors.OpError:
        return Prediction(name, {}, None, error="expected a JPEG or PNG image, it does not decode")


def _call(signature, names: Sequence[str], contents: dict[str, Any]) -> list[Prediction]:
    if not names:
        return []
    outputs = signature(image_bytes=tf.constant([contents[name] for name in names]))
    labels = [label.decode() for label in outputs["labels"].numpy()]
    return [
        Prediction(
            name, dict(zip(labels, map(float, probs), strict=True)), decision=decision.decode()
        )
        for name, probs, decision in zip(
            names, outputs["probabilities"].numpy(), outputs["decision"].numpy(), strict=True
        )
    ]


def _read(name: str) -> bytes | str:
    try:
        return pathlib.Path(name).read_bytes()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
