"""Classifies image files with an exported model, batch by batch, none left out."""

import dataclasses
import itertools
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfcovid.data.decode import decode_gray
from tfcovid.data.image_files import HIGHEST_MAX_PIXELS
from tfcovid.data.image_warnings import contrast_warnings
from tfcovid.data.readable import Readable, readable_file

INPUT = "image_bytes"
OUTPUTS = {"probabilities", "labels", "decision"}
HEAT_OUTPUTS = {"heatmaps", "square"}
# What TensorFlow raises for want of memory or of a device, whatever the image.
NOT_THE_IMAGE = (
    tf.errors.ResourceExhaustedError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
)
DEFAULT, EXPLAIN = "serving_default", "explain"


@dataclasses.dataclass(frozen=True)
class HeatMap:
    """Where on an image the evidence for a class lies.

    Attributes:
      of_class: the decided class, or where several findings are decided the likeliest of all.
      values: float32 [size, size] in 0..1.
      square: what the network saw, uint8 [size, size].
    """

    of_class: str
    values: np.ndarray
    square: np.ndarray


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What the model says of a file, or why it could not say anything.

    Attributes:
      image: the file as it was named.
      probabilities: by class, in the model's order; empty where there is an error.
      decision: a class name, or None where there is an error.
      error: why the file could not be classified, or None.
      lungs_found: whether the model found the lungs that it crops to; None of one that crops
        nothing.
      heat_map: where the evidence lies; None where there is an error, or no heat map was asked for.
      warnings: what whoever reads this should know of the image; None where nobody looked.
    """

    image: str
    probabilities: dict[str, float]
    decision: str | None
    error: str | None = None
    lungs_found: bool | None = None
    heat_map: HeatMap | None = None
    warnings: tuple[str, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """Returns what a JSON line holds: the error alone, or everything but it."""
        if self.error is not None:
            return {"image": self.image, "error": self.error}
        fields: dict[str, Any] = {
            "image": self.image,
            "probabilities": self.probabilities,
            "decision": self.decision,
        }
        if self.lungs_found is not None:
            fields["lungs_found"] = self.lungs_found
        if self.warnings is not None:
            fields["warnings"] = list(self.warnings)
        return fields


def load_signature(folder: pathlib.Path, name: str = DEFAULT):
    """Returns a signature of a SavedModel, and keeps the model alive.

    Args:
      folder: the SavedModel's.
      name: DEFAULT, or EXPLAIN for predictions with heat maps.

    Raises:
      ValueError: if the folder holds no SavedModel of this program, or not a whole one, or the
        model has no heat maps and they are asked for.
    """
    if not (folder / "saved_model.pb").is_file():
        inside = folder / "saved_model"
        found = f"found a run; name {inside}" if inside.is_dir() else "found none"
        raise ValueError(
            f"--model={folder}: expected a SavedModel folder such as RUN/saved_model, {found}"
        )
    try:
        model = tf.saved_model.load(str(folder))
    # TensorFlow gives an IndexError for a variables file cut short, a KeyError or ValueError for
    # a graph that is.
    except (OSError, KeyError, IndexError, ValueError, tf.errors.OpError) as error:
        raise ValueError(
            f"--model={folder}: this SavedModel cannot be loaded, it is damaged or incomplete; "
            "copy it once more from its run"
        ) from error
    signatures = getattr(model, "signatures", {})
    if DEFAULT not in signatures or not _is_classifier(signatures[DEFAULT]):
        raise ValueError(
            f"--model={folder}: expected a classifier that this program exported (from {INPUT} to "
            f"{', '.join(sorted(OUTPUTS))}), found another SavedModel; name RUN/saved_model"
        )
    if name not in signatures:
        raise ValueError(
            f"--model={folder}: this model has no heat maps: its run was made with --heat_map=none "
            "or before there were any, or its network has none, as boosted trees and transformers"
        )
    signature = signatures[name]
    signature._model = model  # without a reference its variables would be freed
    return signature


def _is_classifier(signature) -> bool:
    _, inputs = signature.structured_input_signature
    outputs = signature.structured_outputs
    return (
        inputs.keys() == {INPUT}
        and inputs[INPUT].dtype == tf.string
        and isinstance(outputs, dict)
        and outputs.keys() >= OUTPUTS
    )


def takes_radiographs_only(signature) -> bool:
    """Returns whether DICOM files of CT, MR and the like are refused.

    They are not where the model crops to the lungs, as those do that are trained on CT slices.
    """
    return "lungs_found" not in signature.structured_outputs


def predict_files(
    signature,
    files: Sequence[str],
    *,
    batch_size: int,
    max_pixels: int = HIGHEST_MAX_PIXELS,
    new_images: bool = False,
) -> Iterator[Prediction]:
    """Yields a prediction for each file, in order.

    Args:
      signature: from `load_signature`.
      files: paths of images.
      batch_size: files read and classified at a time.
      max_pixels: refuses larger images before anything of them is decoded.
      new_images: whether they are of no data set, whose reader has looked at their modality:
        other DICOM files than radiographs are refused, and predictions have their warnings.
    """
    radiograph = new_images and takes_radiographs_only(signature)
    waiting = iter(files)
    while batch := list(itertools.islice(waiting, batch_size)):
        found = {
            name: readable_file(name, max_pixels=max_pixels, radiograph=radiograph)
            for name in batch
        }
        contents = [(name, _encoded(found[name])) for name in batch]
        for prediction in _predict_batch(signature, contents):
            yield _warned(prediction, found[prediction.image]) if new_images else prediction


def predict_contents(
    signature, contents: Iterable[tuple[str, bytes | str]], *, batch_size: int
) -> Iterator[Prediction]:
    """Yields a prediction for each image that is in memory, in order.

    Args:
      signature: from `load_signature`.
      contents: a name, and the bytes of a JPEG, PNG or GIF file or why there are none.
      batch_size: images classified at a time.
    """
    waiting = iter(contents)
    while batch := list(itertools.islice(waiting, batch_size)):
        yield from _predict_batch(signature, batch)


def _encoded(found: Readable | str) -> bytes | str:
    return found.encoded if isinstance(found, Readable) else found


def _warned(prediction: Prediction, found: Readable | str) -> Prediction:
    """Returns a prediction with what is to be known of its image."""
    if prediction.error is not None or isinstance(found, str):
        return prediction
    gray = decode_gray(tf.constant(found.encoded)).numpy()
    told = (*found.warnings, *contrast_warnings(gray))
    return dataclasses.replace(prediction, warnings=told)


def _predict_batch(signature, batch: Sequence[tuple[str, bytes | str]]) -> list[Prediction]:
    contents = dict(batch)
    readable = [name for name in contents if isinstance(contents[name], bytes)]
    try:
        found = dict(zip(readable, _call(signature, readable, contents), strict=True))
    except NOT_THE_IMAGE:
        raise
    except tf.errors.OpError:
        # One of them does not decode; alone, each of the others still does.
        found = {name: _predict_one(signature, name, contents) for name in readable}
    failed = {
        name: Prediction(name, {}, None, error=str(content))
        for name, content in contents.items()
        if not isinstance(content, bytes)
    }
    return [(found | failed)[name] for name, _ in batch]


def _predict_one(signature, name: str, contents: dict[str, Any]) -> Prediction:
    try:
        return _call(signature, [name], contents)[0]
    except NOT_THE_IMAGE:
        raise
    except tf.errors.OpError:
        return Prediction(name, {}, None, error="damaged: the image does not decode")


def _call(signature, names: Sequence[str], contents: dict[str, Any]) -> list[Prediction]:
    if not names:
        return []
    outputs = signature(image_bytes=tf.constant([contents[name] for name in names]))
    labels = [label.decode() for label in outputs["labels"].numpy()]
    probs, decisions = outputs["probabilities"].numpy(), outputs["decision"].numpy()
    found = outputs["lungs_found"].numpy().tolist() if "lungs_found" in outputs else None
    heat = _heat_maps(outputs, labels) if outputs.keys() >= HEAT_OUTPUTS else [None] * len(names)
    return [
        Prediction(
            name,
            dict(zip(labels, map(float, probs[i]), strict=True)),
            decision=decisions[i].decode(),
            lungs_found=None if found is None else found[i],
            heat_map=heat[i],
        )
        for i, name in enumerate(names)
    ]


def _heat_maps(outputs, labels: list[str]) -> list[HeatMap]:
    likeliest = outputs["probabilities"].numpy().argmax(axis=-1)
    squares, maps = outputs["square"].numpy(), outputs["heatmaps"].numpy()
    found = []
    for i, decision in enumerate(outputs["decision"].numpy()):
        name = decision.decode()
        index = labels.index(name) if name in labels else int(likeliest[i])
        found.append(HeatMap(labels[index], maps[i, index], squares[i]))
    return found
