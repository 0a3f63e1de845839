"""Pictures of a run's heat maps: RUN/heatmaps, and what its page and TensorBoard show of them."""

import csv
import re
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pandas as pd
from PIL import Image

from flags.config import Config
from tfcovid.data.blocks import label_matrix
from tfcovid.data.dataset import Dataset
from tfcovid.data.manifest import write_csv
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.error_analysis import pictured
from tfcovid.experiment.heat import draw, method_of
from tfcovid.experiment.scoring import Predicted
from tfcovid.explain.overlays import as_png, overlay
from tfcovid.report.pages import png_address
from tfcovid.training import run_record

SHOWN_OF_A_CLASS = 4
PAGE_PX = 128
LIST = "heatmaps.csv"
TYPICAL, ERRORS = "typical", "errors"


def write_heat_maps(
    config: Config,
    model: keras.Model,
    predicted: Predicted,
    metrics: Mapping[str, Any],
    dataset: Dataset,
    preprocessing: Preprocessing,
    folder: run_record.RunFolder,
) -> None:
    """Draws the surest right images of each class, and those that the page has among the errors.

    Writes RUN/heatmaps: a PNG file a picture, and heatmaps.csv with file, image, path, class (whose
    heat it is: the decided one), role (TYPICAL or ERRORS) and probability.

    Args:
      config: of the run.
      model: the fitted classifier.
      predicted: of the test split.
      metrics: the content of metrics.json.
      dataset: the images and their split.
      preprocessing: the network's input.
      folder: of the run.
    """
    method = method_of(config, model)
    if method is None:
        return
    chosen = pd.DataFrame(_chosen(predicted, metrics, dataset))
    folder.heatmaps.mkdir()
    indices = dataset.image_index[dataset.rows("test")][chosen["position"].to_numpy()]
    columns = chosen["class"].map(list(dataset.classes).index).to_numpy()
    start = 0
    for squares, maps in draw(model, dataset, indices, preprocessing, method):
        for offset, (square, heat_maps) in enumerate(zip(squares, maps, strict=True)):
            picture = overlay(square, heat_maps[columns[start + offset]])
            (folder.heatmaps / chosen["file"].iloc[start + offset]).write_bytes(as_png(picture))
        start += len(squares)
    write_csv(chosen.drop(columns="position"), folder.heatmaps / LIST)


def _chosen(
    predicted: Predicted, metrics: Mapping[str, Any], dataset: Dataset
) -> list[dict[str, Any]]:
    """Returns position in the test split, file, image, path, class, role, probability of each."""
    part, probs = predicted.part, predicted.probs
    has = label_matrix(part["label"], dataset.blocks) == 1
    decided = _as_matrix(predicted.decisions, len(dataset.classes))
    found = []
    for index in range(len(dataset.classes)):
        right = np.flatnonzero(has[:, index] & decided[:, index])
        surest = right[np.argsort(-probs[right, index], kind="stable")]
        one_a_patient = ~part["group_id"].iloc[surest].duplicated().to_numpy()
        found += [(at, index, TYPICAL) for at in surest[one_a_patient][:SHOWN_OF_A_CLASS]]
    place = {image: at for at, image in enumerate(part["image"])}
    for image in pictured(metrics["errors"]) if "errors" in metrics else ():
        at = place[image]
        found.append((at, int(np.flatnonzero(decided[at])[0]), ERRORS))
    return [
        {
            "position": at,
            "file": f"{number:03d}-{_slug(part['image'].iloc[at])}-{_slug(dataset.classes[c])}.png",
            "image": part["image"].iloc[at],
            "path": part["path"].iloc[at],
            "class": dataset.classes[c],
            "role": role,
            "probability": float(probs[at, c]),
        }
        for number, (at, c, role) in enumerate(found)
    ]


def _as_matrix(decisions: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns bool [n, num_classes] of class indices, or of a matrix that findings have."""
    return decisions == 1 if decisions.ndim == 2 else np.eye(num_classes, dtype=bool)[decisions]


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "_", name)[:60]


def typical_pictures(folder: run_record.RunFolder) -> dict[str, list[dict[str, Any]]]:
    """Returns by class the surest right images: picture (an address), image, probability, more."""
    return {
        name: [{**entry, "picture": png_address(_of_page(folder, entry["file"]))} for entry in part]
        for name, part in _typical_by_class(folder).items()
    }


def error_heat(folder: run_record.RunFolder) -> dict[str, bytes]:
    """Returns pictures of those among the errors with what was decided's heat, PNG by image id."""
    shown = [entry for entry in read_pictures(folder) if entry["role"] == ERRORS]
    return {entry["image"]: _of_page(folder, entry["file"]) for entry in shown}


def board_pictures(folder: run_record.RunFolder) -> dict[str, np.ndarray]:
    """Returns for each class its typical images side by side, uint8 [side, width, 3], by title."""
    return {
        f"heat of {name}": np.concatenate([_pixels(folder, e["file"]) for e in part], axis=1)
        for name, part in _typical_by_class(folder).items()
    }


def read_pictures(folder: run_record.RunFolder) -> list[dict[str, Any]]:
    """Returns the rows of a run's heatmaps.csv; none where it has no such file."""
    path = folder.heatmaps / LIST
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [{**row, "probability": float(row["probability"])} for row in csv.DictReader(file)]


def _typical_by_class(folder: run_record.RunFolder) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in read_pictures(folder):
        if entry["role"] == TYPICAL:
            found.setdefault(entry["class"], []).append(entry)
    return found


def _of_page(folder: run_record.RunFolder, file: str) -> bytes:
    return as_png(_pixels(folder, file), side=PAGE_PX)


def _pixels(folder: run_record.RunFolder, file: str) -> np.ndarray:
    with Image.open(folder.heatmaps / file) as image:
        return np.asarray(image)
