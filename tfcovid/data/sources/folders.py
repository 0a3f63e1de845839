"""Reads class folders."""

import os
import pathlib

import pandas as pd

from tfcovid.data.sources.finding_names import class_findings, finding_of
from tfcovid.data.sources.image_tree import (
    IMAGE_SUFFIXES,
    NO_CLASS_FOLDER,
    checked_root,
    files_beside,
    images_below,
    joined,
    not_images,
    refuse_dicom,
    subfolders,
    unique_ids,
)
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.patients import fill_patients
from tfcovid.data.sources.reading import TEXT, Reading, listing

SPLITS = {
    "train": "TRAIN",
    "val": "TRAIN",
    "valid": "TRAIN",
    "validation": "TRAIN",
    "test": "TEST",
}


def recognise(root: str | os.PathLike[str]) -> bool:
    """Returns whether a folder holds two class folders or more whose names say a finding."""
    root = pathlib.Path(root)
    if not root.is_dir():
        return False
    folders = subfolders(root)
    inner = [path for folder in folders if _split_of(folder) for path in subfolders(folder)]
    return len({path.name for path in inner or folders if finding_of(path.name, {})}) >= 2


def read(root: str | os.PathLike[str], options: SourceOptions) -> Reading:
    """Returns the images of class folders.

    Args:
      root: the folder with `CLASS/**`, or with `train/CLASS/**`, `val/CLASS/**` (or `valid`,
        `validation`) and `test/CLASS/**`.
      options: `label_names` and `patients` are read.

    Returns:
      The reading; the source is the name of the root folder unless the patients table names
      others. Files that are no images by their name, or lie in no class folder, are rejected.

    Raises:
      ValueError: if the folder is not there; if it holds other folders beside train/, val/ and
        test/; if the name of a class folder says no finding; if there is no image.
    """
    root = checked_root(root)
    folders = subfolders(root)
    splits = [folder for folder in folders if _split_of(folder)]
    if splits and len(splits) < len(folders):
        others = [folder.name for folder in folders if folder not in splits]
        raise ValueError(
            f"{root}: expected either class folders or nothing but train/, val/ and test/. "
            f"Received beside {splits[0].name}/: {listing(others)}."
        )
    classes = [path for folder in splits for path in subfolders(folder)] or folders
    names = {path.name for path in classes}
    if splits and names & set(SPLITS):
        raise ValueError(f"{root}: expected class folders in train/, val/ and test/.")
    findings = class_findings(names, options, f"{root}: class folders")

    parents = dict.fromkeys([root, *splits])
    parts = []
    rejected = [not_images(files_beside(parent, root, NO_CLASS_FOLDER)) for parent in parents]
    for folder in classes:
        paths, no_images = images_below(folder, root)
        split = _split_of(folder.parent) if splits else None
        rejected.append(no_images)
        parts.append(
            pd.DataFrame(
                {"path": paths, "finding": findings[folder.name], "official_split": split},
                dtype=TEXT,
            )
        )
    if not sum(map(len, parts)):
        raise ValueError(
            f"{root}: expected images (*{', *'.join(IMAGE_SUFFIXES)}) in class folders, found none."
        )
    rows = pd.concat(parts, ignore_index=True)
    refuse_dicom(rows["path"], root)
    rows["image"] = unique_ids(rows["path"])
    rows, notes = fill_patients(rows, options.patients, source=root.resolve().name)
    kept_in_train = [f.name for f in splits if SPLITS[f.name.lower()] == "TRAIN"]
    if len(kept_in_train) > 1:
        notes = (
            *notes,
            f"{'/, '.join(kept_in_train)}/ are one, the official training part: none of them is "
            "kept apart for validation.",
        )
    return Reading(rows=rows, rejected=joined(rejected), notes=notes, root=root)


def _split_of(folder: pathlib.Path) -> str | None:
    return SPLITS.get(folder.name.lower())
