"""The manifest: one image a row, with its label, its split, its group and the facts of its file."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfcovid.data.blocks import label_matrix
from tfcovid.data.groups import assign_groups, connected_rows
from tfcovid.data.image_files import DEFAULT_MAX_PIXELS, scan_files
from tfcovid.data.sources.reading import (
    REJECTED_COLUMNS,
    TEXT,
    Reading,
    listing,
    no_rejected,
    read_table,
)
from tfcovid.data.tasks import TaskLabels, label_rows
from tfcovid.whole_file import whole_file

# The columns and their types; a run's folder has them in this order (the published contract).
COLUMN_TYPES: dict[str, Any] = {
    "image": TEXT,
    "path": TEXT,
    "label": TEXT,
    "split": TEXT,
    "fold": pd.Int64Dtype(),
    "patient_id": TEXT,
    "group_id": TEXT,
    "source": TEXT,
    "view": TEXT,
    "sex": TEXT,
    "age": np.dtype("float64"),
    "sha256": TEXT,
    "width": pd.Int64Dtype(),
    "height": pd.Int64Dtype(),
    "mode": TEXT,
}
MANIFEST_COLUMNS = tuple(COLUMN_TYPES)
NEVER_EMPTY = ("image", "path", "label", "split", "group_id")
# Beyond it a number of the file is not the one that float64 keeps.
HIGHEST_NUMBER = 2**53
SPLITS = ("train", "validation", "test")

# From here on a class and its source are as good as one.
SHARE_OF_ONE_SOURCE = 0.95


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The usable images of a data set for one task.

    Attributes:
      frame: columns MANIFEST_COLUMNS with the types COLUMN_TYPES, index 0 … n-1; `split` and
        `fold` are missing until a split fills them.
      official: the publisher's split of each image, "TRAIN" or "TEST", missing where there is
        none; indexed like `frame`.
      formats: what each file is, "JPEG", "PNG", "GIF" or "DICOM"; indexed like `frame`.
      rejected: the images left out, columns REJECTED_COLUMNS.
      notes: lines that a user should read before believing a score on this data.
    """

    frame: pd.DataFrame
    official: pd.Series
    formats: pd.Series
    rejected: pd.DataFrame
    notes: tuple[str, ...]

    def renumbered(self) -> "Manifest":
        """Returns the manifest with the index 0 … n-1, after some images were left out."""
        return dataclasses.replace(
            self,
            frame=self.frame.reset_index(drop=True),
            official=self.official.reset_index(drop=True),
            formats=self.formats.reset_index(drop=True),
        )


def build_manifest(
    reading: Reading,
    task_labels: TaskLabels,
    *,
    on_bad_image: str = "fail",
    max_pixels: int = DEFAULT_MAX_PIXELS,
    every_class: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Returns the images of a reading that a task can use, labelled, scanned and grouped.

    Args:
      reading: what a reader found.
      task_labels: the task; a finding that it has no class for is set aside, with the reason.
      on_bad_image: "fail" raises when a file is no readable image, "set_aside" lists it.
      max_pixels: the largest width × height of an image; of records, preparation decided it.
      every_class: whether a class without an image is an error, as it is for training.
      progress: called with (files done, files in all) now and then; None for silence.

    Returns:
      The manifest, its split and fold still missing.

    Raises:
      ValueError: if on_bad_image is neither; if it is "fail" and a file is bad; if a class of the
        task has no image.
    """
    if on_bad_image not in ("fail", "set_aside"):
        raise ValueError(f"on_bad_image: expected fail or set_aside. Received: {on_bad_image}.")
    rows, without_class = label_rows(reading.rows, task_labels)
    if reading.facts is None:
        facts, bad = scan_files(rows, reading.root, max_pixels=max_pixels, progress=progress)
    else:
        facts, bad = reading.facts, no_rejected()
    if len(bad) and on_bad_image == "fail":
        first = bad.iloc[0]
        raise ValueError(
            f"{reading.root / first['path']}: {first['reason']} ({len(bad)} bad of {len(rows)} "
            "images); repair it, or leave such images out with --on_bad_image=set_aside."
        )
    frame = rows.join(facts, how="inner").reset_index(drop=True)
    if every_class or frame.empty:
        check_classes(frame["label"], task_labels, reading.root)
    official, formats = frame["official_split"].rename("official"), frame["format"]
    frame["group_id"] = assign_groups(frame["patient_id"], frame["sha256"])
    frame = frame.reindex(columns=list(MANIFEST_COLUMNS)).astype(COLUMN_TYPES)
    rejected = pd.concat([reading.rejected, without_class, bad], ignore_index=True)
    return Manifest(
        frame=frame,
        official=official,
        formats=formats,
        rejected=rejected[list(REJECTED_COLUMNS)].astype(TEXT),
        notes=(*reading.notes, *_aside_notes(without_class, bad)),
    )


def source_notes(frame: pd.DataFrame) -> list[str]:
    """Returns a line for each class that is as good as told by which source an image is from.

    Args:
      frame: columns label and source.

    Returns:
      A line for each class of which at least SHARE_OF_ONE_SOURCE comes from one source and at
      least that share of the other images does not.
    """
    notes = []
    for label, part in frame.groupby("label")["source"]:
        others = frame["source"][frame["label"] != label]
        if part.isna().all() or others.empty:
            continue
        source = part.mode().iloc[0]
        inside, outside = (part == source), (others == source)
        if inside.mean() >= SHARE_OF_ONE_SOURCE and 1 - outside.mean() >= SHARE_OF_ONE_SOURCE:
            notes.append(
                f"CLASS EQUALS SOURCE: {inside.sum()} of {len(part)} {label} images come from "
                f"{source}, and {outside.sum()} of {len(others)} others do. A score on {label} is "
                "partly a score at telling the sources apart."
            )
    return notes


def write_csv(frame: pd.DataFrame, path: pathlib.Path) -> None:
    """Writes a table as UTF-8 CSV, whole or not at all; a missing value is an empty cell.

    Args:
      frame: the table; its index is not written.
      path: the file to make or replace; its folder exists.
    """
    with whole_file(path) as beside:
        frame.to_csv(beside, index=False, encoding="utf-8", lineterminator="\n")


def read_manifest(
    path: pathlib.Path, *, classes: Sequence[str] | None = None, every_label: bool = True
) -> pd.DataFrame:
    """Returns a manifest file, checked.

    Args:
      path: a CSV file with the columns MANIFEST_COLUMNS, such as a run's manifest.csv.
      classes: the classes of the task; None takes any labels.
      every_label: whether every label must be in every split; those of several findings are many.

    Returns:
      The manifest with the types COLUMN_TYPES, index 0 … n-1.

    Raises:
      ValueError: if the file cannot be read, lacks a column, or has a value that cannot stand
        there: an empty or repeated image id, an empty label or group, a path that leaves the data
        folder, a label that is no class, a split other than train, validation, test, a number
        that is none, a digest that is no SHA-256; if a group stands in two splits; if a split, or
        a class of a split, has no image.
    """
    table = read_table(path, required=MANIFEST_COLUMNS)[list(MANIFEST_COLUMNS)]
    for column in NEVER_EMPTY:
        _refuse(table[column].isna(), table, column, "a value", path)
    _refuse(table["image"].duplicated(), table, "image", "every image once", path)
    inside = ~table["path"].str.contains(r"^[/\\]|^\w:|\\|(?:^|/)\.\.(?:/|$)")
    _refuse(~inside, table, "path", "a path inside the data folder, with /", path)
    _refuse(~table["split"].isin(SPLITS), table, "split", f"one of {', '.join(SPLITS)}", path)
    if classes is not None:
        wanted = f"one of the classes {', '.join(classes)}"
        _refuse(~table["label"].isin(classes), table, "label", wanted, path)
    digest = table["sha256"].str.fullmatch("[0-9a-f]{64}") | table["sha256"].isna()
    _refuse(~digest, table, "sha256", "64 hexadecimal digits, or nothing", path)
    for column in ("fold", "width", "height", "age"):
        numbers = pd.to_numeric(table[column], errors="coerce")
        wrong = table[column].notna() & ~numbers.between(0, HIGHEST_NUMBER)
        if column != "age":
            wrong |= numbers.notna() & (numbers % 1 != 0)
        _refuse(wrong, table, column, f"a number from 0 to {HIGHEST_NUMBER}, or nothing", path)
        table[column] = numbers.astype("float64")
    table = table.astype(COLUMN_TYPES)
    _check_splits(table, (classes or sorted(table["label"].unique())) if every_label else (), path)
    return table


def _refuse(
    wrong: pd.Series, table: pd.DataFrame, column: str, expected: str, path: pathlib.Path
) -> None:
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise ValueError(
            f"{path}: column {column}, row {row + 1}: expected {expected}. "
            f"Received: {table[column].fillna('(empty)').iloc[row]}."
        )


def _check_splits(table: pd.DataFrame, classes: Sequence[str], path: pathlib.Path) -> None:
    # The file's own group ids may have been edited: patients and bytes count as well.
    component = connected_rows(table["group_id"], table["patient_id"], table["sha256"])
    torn = table.groupby(component)["split"].transform("nunique") > 1
    if torn.any():
        groups = table.loc[torn, "group_id"].unique()
        raise ValueError(
            f"{path}: expected every patient, and every copy of a file, in one split; "
            f"{len(groups)} groups hang together over several: {listing(groups)}."
        )
    for split in SPLITS:
        here = set(table["label"][table["split"] == split])
        if not here and not classes:
            raise ValueError(f"{path}: expected images in every split; {split} has none.")
        absent = [label for label in classes if label not in here]
        if absent:
            raise ValueError(
                f"{path}: expected every class in every split; {split} has no {', '.join(absent)}."
            )


def check_classes(labels: pd.Series, task_labels: TaskLabels, root: pathlib.Path) -> None:
    """Raises ValueError if a class of the task, or a finding or its absence, has no image.

    Args:
      labels: the column `label` of a manifest, [n].
      task_labels: the task.
      root: the data folder, for the message.
    """
    targets = label_matrix(labels, task_labels.blocks)
    has = dict(zip(task_labels.classes, (targets == 1).sum(axis=0).tolist(), strict=True))
    absent = [name for name, count in has.items() if not count]
    if absent:
        counted = sorted(has.items(), key=lambda pair: -pair[1])
        found = ", ".join(f"{name} {count}" for name, count in counted if count) or "none"
        raise ValueError(
            f"{root}: the task {task_labels.name} has no image of {', '.join(absent)}; found: "
            f"{found}. Choose another --task or another data set."
        )
    without = dict(zip(task_labels.classes, (targets == 0).sum(axis=0).tolist(), strict=True))
    always = [name for name in task_labels.findings if not without[name]]
    if always:
        raise ValueError(
            f"{root}: the task {task_labels.name} has no image that is known to be without "
            f"{', '.join(always)}; add a data set that has some with --extra_data_dir."
        )


def _aside_notes(without_class: pd.DataFrame, bad: pd.DataFrame) -> list[str]:
    counts = without_class["reason"].value_counts()
    notes = [f"{count} images set aside: {reason}." for reason, count in counts.items()]
    if len(bad):
        reasons = [f"{row.path}: {row.reason}" for row in bad.itertuples()]
        notes.append(f"{len(bad)} images set aside as bad files: {listing(reasons)}.")
    return notes
