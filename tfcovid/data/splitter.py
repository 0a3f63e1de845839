"""Which split a run uses: one made here, or one made earlier."""

import pathlib
from collections.abc import Callable

import pandas as pd

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
        return lambda manifest: take_split(manifest.frame, manifest_file, task_labels.classes)

    def by_patient(manifest: Manifest) -> pd.DataFrame:
        return manifest.frame.assign(
            split=split_by_group(
                manifest.frame,
                test_fraction=test_fraction,
                validation_fraction=validation_fraction,
                seed=seed,
            )
        )

    def official(manifest: Manifest) -> pd.DataFrame:
        return manifest.frame.assign(
            split=official_split(
                manifest.frame,
                manifest.official,
                validation_fraction=validation_fraction,
                seed=seed,
                classes=task_labels.classes,
            )
        )

    def by_fold(manifest: Manifest) -> pd.DataFrame:
        return manifest.frame.assign(
            **kfold_split(
                manifest.frame,
                folds=folds,
                fold=fold,
                validation_fraction=validation_fraction,
                seed=seed,
            )
        )

    def by_source(manifest: Manifest) -> pd.DataFrame:
        return manifest.frame.assign(
            split=source_split(
                manifest.frame,
                held_out=str(held_out_source),
                validation_fraction=validation_fraction,
                seed=seed,
            )
        )

    return {
        "patient": by_patient,
        "official": official,
        "kfold": by_fold,
        "leave_one_source_out": by_source,
    }[split]


def take_split(frame: pd.DataFrame, path: pathlib.Path, classes: tuple[str, ...]) -> pd.DataFrame:
    """Returns the frame with the split, fold, patients and groups of an earlier manifest.

    An image that the earlier manifest does not have keeps a missing split.

    Args:
      frame: a manifest's frame.
      path: the earlier manifest.csv.
      classes: of the task.

    Raises:
      ValueError: if the file is no manifest of this task, names an image that
        is not in the data, or an image whose path, label or bytes differ there, or tears
        apart what belongs together in the data.
    """
    earlier = read_manifest(path, classes=classes).set_index("image")
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


def why_no_split(frame: pd.DataFrame) -> pd.Series:
    """Returns why images are in no split, text indexed like `frame`.

    Args:
      frame: the rows without a split of what a function of `splitter` returned.
    """
    # `take_split` takes the group over as well, so that only its images can be without one.
    not_taken = frame["group_id"].isna()
    reasons = pd.Series(TIED_TO_HELD_OUT, frame.index, dtype=object)
    return reasons.mask(not_taken, NOT_IN_MANIFEST)
