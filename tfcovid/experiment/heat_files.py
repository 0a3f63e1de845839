"""Pictures of what a served model sees in image files: `predict --heatmap_dir`."""

import pathlib

import numpy as np
import tensorflow as tf
from PIL import Image

from tfcovid.data.decode import decode_gray
from tfcovid.data.image_files import encoded_image
from tfcovid.explain.overlays import as_png, overlay
from tfcovid.serving.client import Prediction

ENDING = ".heatmap.png"
LARGEST_PX = 1024


class HeatFiles:
    """Draws predictions into a folder, a picture a file.

    Args:
      folder: exists.
    """

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self._written: set[str] = set()

    def draw(self, prediction: Prediction) -> dict[str, str | None]:
        """Writes NAME.heatmap.png, and returns what the JSON line says of it.

        Where nothing in the image speaks for the class there is no picture, and the line has null.

        The heat lies over the image itself, at most LARGEST_PX a side; where the model crops to the
        lungs, over the square that it saw. A picture of an earlier call is replaced; of two files
        of one name in one call the second gets a number.

        Args:
          prediction: with a heat map.
        """
        heat = prediction.heat_map
        assert heat is not None
        if not heat.values.any():
            return {"heatmap": None, "heatmap_class": heat.of_class}
        if prediction.lungs_found is None:
            film = _film(prediction.image)
            values = _resized(heat.values, film.shape)
        else:
            film, values = heat.square, heat.values
        path = self.folder / self._new_name(pathlib.Path(prediction.image).name)
        path.write_bytes(as_png(overlay(film, values)))
        return {"heatmap": str(path), "heatmap_class": heat.of_class}

    def _new_name(self, name: str) -> str:
        chosen, number = f"{name}{ENDING}", 1
        while chosen in self._written:
            number += 1
            chosen = f"{name}.{number}{ENDING}"
        self._written.add(chosen)
        return chosen


def _film(file: str) -> np.ndarray:
    gray = decode_gray(tf.constant(encoded_image(file))).numpy()[..., 0]
    height, width = gray.shape
    scale = min(1.0, LARGEST_PX / max(height, width))
    if scale == 1:
        return gray
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(gray).resize(size, Image.Resampling.BOX))


def _resized(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    height, width = shape
    image = Image.fromarray(values).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)
