"""Reads the COVID-19 Radiography Database: class folders with images and lung masks.

It lists no patients, and its classes come from different collections.

Source: Kaggle, tawsifurrahman/covid19-radiography-database, in its old and new layouts.
"""

import os
import pathlib

import pandas as pd

from tfcovid.data.sources.image_tree import (
    NO_CLASS_FOLDER,
    NO_IMAGE,
    checked_root,
    files_below,
    files_beside,
    is_image,
    joined,
    not_images,
    subfolders,
    unique_ids,
)
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.patients import fill_patients
from tfcovid.data.sources.reading import TEXT, Finding, Reading

SOURCE = "radiography"
DECLARED = (
    "collected from other data sets, different ones for the classes: COVID-19 from PadChest and "
    "the web, lung opacity and most of the normal from RSNA, viral pneumonia and the other normal "
    "from Kermany's children"
)
# In lower case: the releases differ in it.
FINDING_OF = {
    "covid": Finding.COVID19,
    "covid-19": Finding.COVID19,
    "lung_opacity": Finding.LUNG_OPACITY,
    "normal": Finding.NORMAL,
    "viral pneumonia": Finding.VIRAL,
}
IMAGES, MASKS = "images", "masks"
# What the archives unpack to.
ARCHIVES = ("COVID-19_Radiography_Dataset", "COVID-19 Radiography Database")


def recognise(root: str | os.PathLike[str]) -> bool:
    """Returns whether a folder holds this data set, by the names of its class folders."""
    root = pathlib.Path(root)
    if not root.is_dir():
        return False
    names = [folder.name.lower() for folder in subfolders(_base(root))]
    # Written with a space and beside COVID-19; other collections write it otherwise.
    return "viral pneumonia" in names and any(name.startswith("covid") for name in names)


def read(root: str | os.PathLike[str], options: SourceOptions) -> Reading:
    """Returns the images of the class folders; masks of lungs are never read as images.

    Args:
      root: the folder with `COVID/`, `Lung_Opacity/`, `Normal/` and `Viral Pneumonia/`, or the one
        above it; images lie in `images/` in each of them or, in the first releases, directly.
      options: `patients` is read.

    Returns:
      The reading; the source is "radiography" unless the patients table names others. Patients are
      unknown without such a table.

    Raises:
      ValueError: if the folder, every class folder or every image is missing.
    """
    root = checked_root(root)
    base = _base(root)
    classes = {folder: FINDING_OF.get(folder.name.lower()) for folder in subfolders(base)}
    images: dict[str, str] = {}
    # The tables and texts beside the class folders are no data; an image there would be.
    beside = files_beside(base, root, NO_CLASS_FOLDER)
    others = {path: why for path, why in beside.items() if is_image(path)}
    num_masks = 0
    for folder, finding in classes.items():
        inner = folder / IMAGES if (folder / IMAGES).is_dir() else folder
        masks, start = folder / MASKS, inner.relative_to(root).as_posix() + "/"
        for path, why in _files(folder, inner, root).items():
            if (root / path).is_relative_to(masks):
                num_masks += 1
            elif finding is None or not path.startswith(start):
                others[path] = why or NO_CLASS_FOLDER
            elif why or not is_image(path):
                others[path] = why or NO_IMAGE
            else:
                images[path] = str(finding)
    if not images:
        raise ValueError(
            f"{root}: expected images in the class folders COVID/, Lung_Opacity/, Normal/ or Viral "
            f"Pneumonia/, or in {IMAGES}/ in them, found none."
        )
    rows = pd.DataFrame({"path": list(images), "finding": list(images.values())}, dtype=TEXT)
    rows["image"] = unique_ids(rows["path"])
    rows, notes = fill_patients(rows, options.patients, source=SOURCE)
    if num_masks:
        notes = (*notes, f"{num_masks} files in {MASKS}/ are not read: they are masks of lungs.")
    return Reading(
        rows=rows,
        rejected=joined([not_images(others)]),
        notes=notes,
        root=root,
        declared={SOURCE: DECLARED},
    )


def _base(root: pathlib.Path) -> pathlib.Path:
    """Returns the folder with the class folders: `root`, or what the archive unpacked to in it."""
    for name in ARCHIVES:
        if (root / name).is_dir():
            return root / name
    return root


def _files(folder: pathlib.Path, inner: pathlib.Path, root: pathlib.Path) -> dict[str, str | None]:
    """Returns the files of a class folder, also where its images/ is a link."""
    files = files_below(folder, root)
    if inner.is_symlink():
        files.pop(inner.relative_to(root).as_posix(), None)
        files |= files_below(inner, root)
    return files
