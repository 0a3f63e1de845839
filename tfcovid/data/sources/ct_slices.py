"""Reads CT slices that lie by class and patient: a folder for each patient.

Every other reader sets CT aside; this one keeps it, because its user named it.
"""

import os

import pandas as pd

from tfcovid.data.sources.finding_names import class_findings
from tfcovid.data.sources.image_tree import (
    NO_CLASS_FOLDER,
    checked_root,
    files_beside,
    images_below,
    joined,
    not_images,
    subfolders,
    unique_ids,
)
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.patients import fill_patients
from tfcovid.data.sources.reading import TEXT, Reading, listing

VIEW = "CT slice"
NO_PATIENT_FOLDER = "in no patient's folder"


def recognise(root: str | os.PathLike[str]) -> bool:
    """Returns False: a folder of slices looks like class folders of X-rays and must be named."""
    del root
    return False


def read(root: str | os.PathLike[str], options: SourceOptions) -> Reading:
    """Returns the slices in the folders of patients.

    Args:
      root: the folder with `CLASS/PATIENT/**`.
      options: `label_names` is read.

    Returns:
      The reading; the source is the name of the root folder, a patient is named
      `ROOT:CLASS/PATIENT`, the view is "CT slice". Files elsewhere, and such that are no images
      by their name, are rejected.

    Raises:
      ValueError: if the folder is not there; if the name of a class folder says no finding; if
        there is no slice in a patient's folder.
    """
    root = checked_root(root)
    classes = subfolders(root)
    names = [folder.name for folder in classes]
    findings = class_findings(names, options, f"{root}: class folders")
    source = root.resolve().name
    parts, rejected = [], [not_images(files_beside(root, root, NO_CLASS_FOLDER))]
    patients: list[str] = []
    for folder in classes:
        rejected.append(not_images(files_beside(folder, root, NO_PATIENT_FOLDER)))
        for patient in subfolders(folder):
            paths, others = images_below(patient, root)
            rejected.append(others)
            if paths:
                patients.append(patient.name)
            parts.append(
                pd.DataFrame(
                    {
                        "path": paths,
                        "finding": findings[folder.name],
                        "patient_id": f"{source}:{folder.name}/{patient.name}",
                        "view": VIEW,
                    },
                    dtype=TEXT,
                )
            )
    if not patients:
        raise ValueError(
            f"{root}: expected CT slices as CLASS/PATIENT/IMAGE, found no image in a patient's "
            "folder; slices without patients can be read with --data=folders."
        )
    rows = pd.concat(parts, ignore_index=True)
    rows["image"] = unique_ids(rows["path"])
    rows, _ = fill_patients(rows, None, source=source)
    return Reading(rows=rows, rejected=joined(rejected), notes=_notes(rows, patients), root=root)


def _notes(rows: pd.DataFrame, patients: list[str]) -> tuple[str, ...]:
    notes = [f"{len(rows)} CT slices of {len(patients)} patients, by the names of their folders."]
    shared = sorted({name for name in patients if patients.count(name) > 1})
    if shared:
        notes.append(
            f"{len(shared)} folders of patients have one name in several classes and count as "
            f"different patients: {listing(shared)}."
        )
    return tuple(notes)
