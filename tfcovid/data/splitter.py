"""Which split a run uses: one made here, or one made earlier."""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tfcovid.data.blocks import label_matrix
from tfcovid.data.label_split import (
    kfold_split_by_labels,
    official_split_by_labels,
    source_split_by_labels,
    split_by_labels,
)
from tfcovid.data.manifest import Manifest, read_manifest
from tfcovid.data.sources.reading import listing
from tfcovid.data.split import kfold_split, official_split, source_split, split_by_group
from tfcovid.data.tasks import TaskLabels

# What an earlier manifest decides, and what must be as it was.
TAKEN = ("split", "fold", "patient_id", "group_id", "view", "sex", "age")
COMPARED = ("sha256", "label")

# Why an image is in no split.
NOT_IN_MANIFEST = "not in --manifest"
TIED_TO_HELD_OUT = "shares a patient or a picture with --held_out_source"


def splitter(
    split: str,
    task_labels: TaskLabels,
    *,
    manifest_file: pathlib.Path | None,
    test_fraction: float,
    validation_fraction: float,
    folds: int,
    fold: int,
    held_out_source: str | None,
    seed: int,
) -> Callable[[Manifest], pd.DataFrame]:
    """Returns the function that fills the split of a manifest.

    Args:
      split: 'patient', 'official', 'kfold' or 'leave_one_source_out'; read where manifest_file
        is None.
      task_labels: the task.
      manifest_file: a manifest.csv whose split is taken over, or None.
      test_fraction: share of the patients, for 'patient'.
      validation_fraction: share of the patients.
      folds: number of folds, for 'kfold'.
      fold: the fold that is the test split, for 'kfold'.
      held_out_source: the source that is the test split, for 'leave_one_source_out'.
      seed: another seed gives another split.
    """
    if manifest_file is not None:
        return lambda manifest: take_split(manifest.frame, manifest_file, task_labels)
    options: dict[str, dict[str, Any]] = {
        "patient": {
            "test_fraction": test_fraction,
            "validation_fraction": validation_fraction,
        },
        "official": {"validation_fraction": validation_fraction},
        "kfold": {"folds": folds, "fold": fold, "validation_fraction": validation_fraction},
        "leave_one_source_out": {
            "held_out": str(held_out_source),
            "validation_fraction": validation_fraction,
        },
    }
    how = BY_LABELS if task_labels.findings else BY_CLASS
    return lambda manifest: manifest.frame.assign(
        **columns_of(how[split](manifest, task_labels, seed=seed, **options[split]))
    )


def fold_split(
    frame: pd.DataFrame,
    task_labels: TaskLabels,
    *,
    folds: int,
    fold: int,
    validation_fraction: float,
    seed: int,
) -> pd.DataFrame:
    """Returns split and fold of every image, one fold being the test split.

    Args:
      frame: columns label, source and group_id.
      task_labels: the task.
      folds: how many.
      fold: the one that is tested.
      validation_fraction: share of the other patients.
      seed: another seed gives other folds.
    """
    options: dict[str, Any] = {
        "folds": folds,
        "fold": fold,
        "validation_fraction": validation_fraction,
        "seed": seed,
    }
    if task_labels.findings:
        targets = label_matrix(frame["label"], task_labels.blocks)
        return kfold_split_by_labels(frame, targets, **options)
    return kfold_split(frame, **options)


def columns_of(split: pd.Series | pd.DataFrame) -> dict[str, pd.Series]:
    """Returns the columns that a split fills: split, and fold where there are folds."""
    return {str(name): column for name, column in pd.DataFrame(split).items()}


def _targets(manifest: Manifest, task_labels: TaskLabels) -> np.ndarray:
    return label_matrix(manifest.frame["label"], task_labels.blocks)


BY_CLASS: dict[str, Callable[..., pd.Series | pd.DataFrame]] = {
    "patient": lambda manifest, _, **options: split_by_group(manifest.frame, **options),
    "official": lambda manifest, task_labels, **options: official_split(
        manifest.frame, manifest.official, classes=task_labels.classes, **options
    ),
    "kfold": lambda manifest, _, **options: kfold_split(manifest.frame, **options),
    "leave_one_source_out": lambda manifest, _, **options: source_split(manifest.frame, **options),
}
BY_LABELS: dict[str, Callable[..., pd.Series | pd.DataFrame]] = {
    "patient": lambda manifest, task_labels, **options: split_by_labels(
        manifest.frame, _targets(manifest, task_labels), **options
    ),
    "official": lambda manifest, task_labels, **options: official_split_by_labels(
        manifest.frame, _targets(manifest, task_labels), manifest.official, **options
    ),
    "kfold": lambda manifest, task_labels, **options: fold_split(
        manifest.frame, task_labels, **options
    ),
    "leave_one_source_out": lambda manifest, task_labels, **options: source_split_by_labels(
        manifest.frame, _targets(manifest, task_labels), **options
    ),
}
"""How the images are divided, by --split: of tasks of one class an image, and of several labels."""


def take_split(frame: pd.DataFrame, path: pathlib.Path, task_labels: TaskLabels) -> pd.DataFrame:
    """Returns the frame with the split, fold, patients and groups of an earlier manifest.

    An image that the earlier manifest does not have keeps a missing split.

    Args:
      frame: a manifest's frame.
      path: the earlier manifest.csv.
      task_labels: the task.

    Raises:
      ValueError: if the file is no manifest of this task, names an image that
        is not in the data, or an image whose path, label or bytes differ there, or tears
        apart what belongs together in the data.
    """
    earlier = read_task_manifest(path, task_labels).set_index("image")
    absent = earlier.index.difference(pd.Index(frame["image"]))
    if len(absent):
        raise ValueError(
            f"--manifest={path}: {len(absent)} of its images are not in the data, or are left out "
            f"of it as copies or laterals (--copies, --lateral_views): {listing(absent)}"
        )
    mine = earlier.reindex(frame["image"]).set_index(frame.index)
    for column in COMPARED:
        differs = mine["split"].notna() & (mine[column].fillna("") != frame[column])
        if differs.any():
            raise ValueError(
                f"--manifest={path}: {differs.sum()} images have another {column} in the data: "
                f"{listing(frame.loc[differs, 'image'])}"
            )
    splits = mine["split"].groupby(frame["group_id"]).nunique()
    torn = splits.index[splits > 1]
    if len(torn):
        raise ValueError(
            f"--manifest={path}: {len(torn)} patients stand in two splits, as the data has them "
            f"and their copies: {listing(torn)}; make a new split"
        )
    return frame.assign(**{column: mine[column] for column in TAKEN})


def read_task_manifest(path: pathlib.Path, task_labels: TaskLabels) -> pd.DataFrame:
    """Returns a manifest file of a task, checked; see `manifest.read_manifest`.

    Args:
      path: a CSV file.
      task_labels: the task.

    Raises:
      ValueError: as `read_manifest`, or if a label is none of the task's.
    """
    if not task_labels.findings:
        return read_manifest(path, classes=task_labels.classes)
    table = read_manifest(path, every_label=False)
    try:
        label_matrix(table["label"], task_labels.blocks)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return table


def why_no_split(frame: pd.DataFrame) -> pd.Series:
    """Returns why images are in no split, text indexed like `frame`.

    Args:
      frame: the rows without a split of what a function of `splitter` returned.
    """
    # `take_split` takes the group over as well, so that only its images can be without one.
    not_taken = frame["group_id"].isna()
    reasons = pd.Series(TIED_TO_HELD_OUT, frame.index, dtype=object)
    return reasons.mask(not_taken, NOT_IN_MANIFEST)
