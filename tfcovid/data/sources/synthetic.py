"""The embedded default data set: drawn chest phantoms in CoronaHack's own layout.

It stands in for real films where none are given. Each image depends on the seed and its own
number only (Philox, keyed per image), so neither order nor parallelism can change it. COVID-19
films have names, format and anatomy like all others: the lungs alone tell.
"""

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tfcovid.data.sources.phantom import Anatomy, Pose, draw_chest
from tfcovid.data.sources.phantom_film import expose
from tfcovid.data.sources.phantom_findings import FINDINGS

DRAWING_VERSION = 1  # raise it whenever a pixel or a name changes: it is part of the folder's name

_METADATA = "Chest_xray_Corona_Metadata.csv"
_IMAGES = Path("Coronahack-Chest-XRay-Dataset", "Coronahack-Chest-XRay-Dataset")
_JPEG_QUALITY = 92

# Shares of the patients. A fifth of the smallest class must leave 30 patients in a test split.
_SHARES = {"Normal": 0.255, "Bacterial": 0.39, "Viral": 0.269, "COVID-19": 0.086}
_IMAGES_PER_PATIENT = (0.45, 0.35, 0.15, 0.05)  # chances of 1, 2, 3, 4
_TEST_SHARE = 0.12  # Dataset_type TEST; as in the original it has no COVID-19
_FEWEST_PATIENTS = 12  # three of each finding can be split into three parts

# Finding -> Label, Label_2_Virus_category, Label_1_Virus_category, spelled as the original does.
_CSV_LABELS = {
    "Normal": ("Normal", "", ""),
    "Bacterial": ("Pnemonia", "", "bacteria"),
    "Viral": ("Pnemonia", "", "Virus"),
    "COVID-19": ("Pnemonia", "COVID-19", "Virus"),
}

# Streams of random numbers that must not meet.
_PLAN, _PATIENT, _IMAGE = range(3)


@dataclasses.dataclass(frozen=True)
class _Patient:
    number: int  # counts all patients; says nothing of the finding
    finding: str
    number_in_name: int  # counts the patients of one name pattern
    images: int
    test: bool
    view: str
    sex: str
    age: int


@dataclasses.dataclass(frozen=True)
class _Film:
    number: int
    name: str
    patient: _Patient

    @property
    def folder(self) -> str:
        return "test" if self.patient.test else "train"


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
      patients: number of patients, >= 12; each has 1 to 4 images, 1.8 on average.
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
        ("patients", patients, _FEWEST_PATIENTS),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}. Received: {name}={value}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        films = _plan_films(_plan_patients(patients, seed), seed)
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


def _generator(seed: int, stream: int, number: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, stream, number))))


def _plan_patients(patients: int, seed: int) -> list[_Patient]:
    """Says who the patients are. Only the finding, the name and TEST depend on each other."""
    rng = _generator(seed, _PLAN)
    counts = {finding: max(3, round(share * patients)) for finding, share in _SHARES.items()}
    findings = [finding for finding, count in counts.items() for _ in range(count)]
    rng.shuffle(findings)
    numbers_in_name: dict[str, int] = {}
    plan = []
    for number, finding in enumerate(findings, start=1):
        pattern = "virus" if finding in ("Viral", "COVID-19") else finding
        numbers_in_name[pattern] = numbers_in_name.get(pattern, 0) + 1
        images = 1 + int(rng.choice(len(_IMAGES_PER_PATIENT), p=_IMAGES_PER_PATIENT))
        test = bool(rng.random() < _TEST_SHARE) and finding != "COVID-19"
        view = "PA" if rng.random() < 0.6 else "AP"
        sex = "F" if rng.random() < 0.5 else "M"
        age = int(rng.integers(18, 90))
        in_name = numbers_in_name[pattern]
        plan.append(_Patient(number, finding, in_name, images, test, view, sex, age))
    return plan


def _plan_films(patients: list[_Patient], seed: int) -> list[_Film]:
    """Names the films after Kermany's patterns, TRAIN before TEST."""
    films: list[_Film] = []
    films_of_pattern: dict[str, int] = {}
    for patient in sorted(patients, key=lambda patient: (patient.test, patient.number)):
        for image in range(1, patient.images + 1):
            pattern = {"Normal": "IM", "Bacterial": "bacteria"}.get(patient.finding, "virus")
            running = films_of_pattern[pattern] = films_of_pattern.get(pattern, 0) + 1
            if pattern == "IM":
                prefix = "NORMAL2-IM" if patient.number_in_name % 2 else "IM"
                name = f"{prefix}-{patient.number_in_name:04d}-{image:04d}.jpeg"
            else:
                name = f"person{patient.number_in_name}_{pattern}_{running}.jpeg"
            films.append(_Film(len(films), name, patient))
    return films


def _draw(film: _Film, seed: int, image_size: int) -> np.ndarray:
    """Draws one film, uint8 [image_size, image_size]."""
    patient_rng = _generator(seed, _PATIENT, film.patient.number)
    image_rng = _generator(seed, _IMAGE, film.number)
    anatomy = Anatomy.draw(patient_rng, sex=film.patient.sex)
    chest = draw_chest(anatomy, Pose.draw(image_rng, view=film.patient.view), image_size)
    opacity = FINDINGS[film.patient.finding](chest, patient_rng, image_rng)
    return expose(chest, opacity, image_rng)


def _write_images(
    films: list[_Film],
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


def _write_tables(films: list[_Film], folder: Path) -> None:
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
    )
    patients.to_csv(folder / "patients.csv", index=False)
