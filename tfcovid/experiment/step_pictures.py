"""Pictures of what preprocessing makes of images, by the functions that training calls."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from flags.config import DataConfig
from tfcovid.data.decode import decode_gray
from tfcovid.data.decode_files import why_undecoded
from tfcovid.data.lung_crop.chain import MASK_PX, lung_crop_steps
from tfcovid.data.preprocess import plain_square
from tfcovid.data.readable import readable_file
from tfcovid.report.panels import Panel, panels_figure, save_png

ENDING = ".steps.png"


@dataclasses.dataclass(frozen=True)
class Drawn:
    """What became of a file.

    Attributes:
      line: for the user: which picture was written, or why there is none.
      failed: whether there is none.
    """

    line: str
    failed: bool = False


def draw_files(files: Sequence[str], folder: pathlib.Path, asked: DataConfig) -> Iterator[Drawn]:
    """Draws each file into the folder as NAME.steps.png, and yields what became of it, in order.

    A picture that an earlier call left is replaced, and the line says so. Of two files of one name
    the second is not drawn.

    Args:
      files: images; DICOM too.
      folder: exists.
      asked: preprocessing, image size and the largest number of pixels.
    """
    written: dict[pathlib.Path, str] = {}
    for file in files:
        path = folder / (pathlib.Path(file).name + ENDING)
        if path in written:
            yield Drawn(f"{file}: {path} is the picture of {written[path]}; draw it apart", True)
            continue
        found = readable_file(file, max_pixels=asked.max_pixels)
        if isinstance(found, str):
            yield Drawn(f"{file}: {found}", True)
            continue
        try:
            panels = PANELS[asked.preprocessing.value](decode_gray(found.encoded), asked.image_size)
        except tf.errors.OpError as error:
            yield Drawn(f"{file}: {why_undecoded(error)}", True)
            continue
        replaced = " (replaced)" if path.exists() else ""
        save_png(panels_figure(panels, title=pathlib.Path(file).name), path)
        written[path] = file
        yield Drawn(f"{file}: {path}{replaced}")


def plain_panels(gray, image_size: int) -> list[Panel]:
    """Returns the image and the square that the network sees of it."""
    square, _ = plain_square(gray, image_size)
    return [Panel("original", gray.numpy()), Panel("result", square.numpy())]


def lung_crop_panels(gray, image_size: int) -> list[Panel]:
    """Returns every step of the crop to the lungs, see `lung_crop.chain.Steps`."""
    steps = lung_crop_steps(gray, image_size)
    box = tuple(steps.box.numpy().tolist())
    found = bool(steps.found)
    return [
        Panel("original", steps.original.numpy()),
        Panel("normalised", steps.normalised.numpy()),
        Panel("sharpened", steps.sharpened.numpy()),
        Panel("median", steps.filtered.numpy()),
        Panel("dark", as_gray(steps.dark)),
        Panel("lungs", as_gray(steps.lungs)),
        Panel("box" if found else "no lungs found", steps.filtered.numpy(), box if found else None),
        Panel("result" if found else "result: kept whole", steps.result.numpy()),
    ]


PANELS: dict[str, Callable[..., list[Panel]]] = {
    "plain": plain_panels,
    "lung_crop": lung_crop_panels,
}
"""The panels of an image, by the name of the chain."""


def as_gray(mask) -> np.ndarray:
    """Returns a mask, bool [MASK_PX, MASK_PX], as a picture, uint8 [MASK_PX, MASK_PX, 1]."""
    return np.where(np.reshape(mask, (MASK_PX, MASK_PX, 1)), 255, 0).astype(np.uint8)
