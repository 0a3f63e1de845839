"""The embedded default data set: drawn chest phantoms in CoronaHack's own layout.

It stands in for real films where none are given. Each image depends on the seed and its own
number only (Philox, keyed per image), so neither order nor parallelism can change it. COVID-19
films have names, format and anatomy like all others: the lungs alone tell.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from tfcovid.data.sources.phantom import Anatomy, Pose, draw_chest
from tfcovid.data.sources.phantom_film import expose
from tfcovid.data.sources.phantom_findings import FINDINGS
from tfcovid.data.sources.synthetic_plan import FEWEST_PATIENTS, Film, Stream, generator, plan_films

SOURCE = "synthetic"
DRAWING_VERSION = 2  # raise it whenever a pixel, name or table changes: the folder's name has it

_METADATA = "Chest_xray_Corona_Metadata.csv"
_IMAGES = Path("Coronahack-Chest-XRay-Dataset", "Coronahack-Chest-XRay-Dataset")
_JPEG_QUALITY = 92

# Finding -> Label, Label_2_Virus_category, Label_1_Virus_category, spelled as the original does.
_CSV_LABELS = {
    "Normal": ("Normal", "", ""),
    "Bacterial": ("Pnemonia", "", "bacteria"),
    "Viral": ("Pnemonia", "", "Virus"),
    "COVID-19": ("Pnemonia", "COVID-19", "Virus"),
}


def write_synthetic(
    folder: str | os.PathLike,
    *,
    seed: int = 0,
    image_size: int = 96,
    patients: int = 2000,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes the data set into a new folder, whole or not at all.

    Args:
      folder: where to write; must not exist yet. Its parents are made.
      seed: >= 0; another seed gives other patients.
      image_size: side of the square images in pixels, >= 32.
      patients: number of patients, >= 12, to within the rounding of the findings' shares; each
        finding has three at least. A patient has 1 to 4 images, 1.8 on average.
      progress: called as progress(images_done, images) after each image.

    Raises:
      ValueError: if the folder exists, or a number is out of its range.
    """
    folder = Path(folder)
    if folder.exists():
        raise ValueError(f"The synthetic data set needs a new folder, but {folder} exists.")
    for name, value, least in (
        ("seed", seed, 0),
        ("image_size", image_size, 32),
        ("patients", patients, FEWEST_PATIENTS),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}. Received: {name}={value}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        films = plan_films(patients, seed=seed)
        _write_images(films, beside / _IMAGES, seed, image_size, progress)
        _write_tables(films, beside)
        beside.chmod(0o755)  # mkdtemp makes it private
        beside.rename(folder)
    except BaseException:  # also when interrupted: leave nothing half written
        shutil.rmtree(beside, ignore_errors=True)
        raise


def synthetic_folder(
    cache_dir: str | os.PathLike,
    *,
    seed: int = 0,
    image_size: int = 96,
    patients: int = 2000,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Returns the folder of the data set in a cache, which it writes on the first call only.

    Args:
      cache_dir: folder that holds the data sets; made where it does not exist.
      seed: as in write_synthetic, and so are image_size, patients and progress.

    Raises:
      ValueError: if a number is out of its range.
    """
    name = f"synthetic-v{DRAWING_VERSION}-seed{seed}-{patients}x{image_size}px"
    folder = Path(cache_dir) / name
    if folder.is_dir():
        return folder
    try:
        write_synthetic(
            folder, seed=seed, image_size=image_size, patients=patients, progress=progress
        )
    except (OSError, ValueError):
        if not folder.is_dir():  # else another process finished the same folder first
            raise
    return folder


def _draw(film: Film, seed: int, image_size: int) -> NDArray[np.uint8]:
    """Draws one film, uint8 [image_size, image_size]."""
    patient = film.patient
    film_rng = generator(seed, Stream.FILM, film.number)
    anatomy = Anatomy.draw(generator(seed, Stream.ANATOMY, patient.number), sex=patient.sex)
    chest = draw_chest(anatomy, Pose.draw(film_rng, view=patient.view), image_size)
    opacity = FINDINGS[patient.finding](
        chest,
        generator(seed, Stream.LESION_SITE, patient.number),
        generator(seed, Stream.LESION_GROWTH, film.number),
    )
    return expose(chest, opacity, film_rng)


def _write_images(
    films: list[Film],
    folder: Path,
    seed: int,
    image_size: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    for part in ("train", "test"):
        (folder / part).mkdir(parents=True)
    for done, film in enumerate(films, start=1):
        pixels = _draw(film, seed, image_size)
        Image.fromarray(pixels).save(folder / film.folder / film.name, quality=_JPEG_QUALITY)
        if progress is not None:
            progress(done, len(films))


def _write_tables(films: list[Film], folder: Path) -> None:
    labels = [_CSV_LABELS[film.patient.finding] for film in films]
    metadata = pd.DataFrame(
        {
            "X_ray_image_name": [film.name for film in films],
            "Label": [label for label, _, _ in labels],
            "Dataset_type": ["TEST" if film.patient.test else "TRAIN" for film in films],
            "Label_2_Virus_category": [virus for _, virus, _ in labels],
            "Label_1_Virus_category": [kind for _, _, kind in labels],
        }
    )
    metadata.to_csv(folder / _METADATA)
    patients = pd.DataFrame(
        [
            (
                film.name,
                f"S{film.patient.number:05d}",
                film.patient.view,
                film.patient.sex,
                film.patient.age,
            )
            for film in films
        ],
        columns=["image", "patient_id", "view", "sex", "age"],
    ).assign(source=SOURCE)
    patients.to_csv(folder / "patients.csv", index=False)
