"""What an evaluation scores: a run's own test split, or another data set without what is known."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rich.console

from flags.config import Config
from tfcovid.console import counting_bar
from tfcovid.data.blocks import label_matrix
from tfcovid.data.copies.merging import linked_rows, merge_copies
from tfcovid.data.copies.search import find_copies
from tfcovid.data.dataset import without_undecoded
from tfcovid.data.groups import assign_groups
from tfcovid.data.image_files import scan_files
from tfcovid.data.manifest import Manifest, build_manifest, read_manifest
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.readers import read_sources
from tfcovid.data.sources.reading import TEXT, Category, Reading, aside, listing, no_rejected
from tfcovid.data.splitter import read_task_manifest
from tfcovid.data.squares import thumbnails_of
from tfcovid.data.tasks import TaskLabels
from tfcovid.experiment.inputs import source_options
from tfcovid.training import run_record


@dataclasses.dataclass(frozen=True)
class Target:
    """What is scored.

    Attributes:
      name: what the terminal and metrics.json call it.
      reading: where its images lie.
      frame: rows with the manifest's columns.
      rejected: images left out, columns REJECTED_COLUMNS.
      notes: lines that a user should read before believing a score on it.
      controls: the entries `controls` and `sources_told_apart` of metrics.json, as far as known.
    """

    name: str
    reading: Reading
    frame: pd.DataFrame
    rejected: pd.DataFrame
    notes: tuple[str, ...]
    controls: dict[str, Any]

    def without(
        self, rows: np.ndarray, category: Category, reasons: Sequence[str], note: str
    ) -> "Target":
        """Returns the target without some rows, those listed with their reasons and noted.

        Args:
          rows: which rows go, bool [n].
          category: what is wrong with all of them.
          reasons: why, one for each row that goes.
          note: a line that says so.

        Raises:
          ValueError: if no row stays.
        """
        if not rows.any():
            return self
        if rows.all():
            root = self.reading.root
            raise ValueError(f"{root}: expected an image to score, none is left: {note}")
        gone = self.frame.loc[rows]
        table = aside(gone, category, pd.Series(list(reasons), gone.index, dtype=TEXT))
        return dataclasses.replace(
            self,
            frame=self.frame[~rows].reset_index(drop=True),
            rejected=pd.concat([self.rejected, table], ignore_index=True),
            notes=(*self.notes, note),
        )


@dataclasses.dataclass(frozen=True)
class OtherData:
    """Another data set to score a run on, as a user names it.

    Attributes:
      data_dir: its folder.
      kind: of the data set, or None to recognise it.
      options: what else is said of it.
      keep_laterals: whether images known to be lateral views stay.
      by_content: whether what looks like an image that the run has seen is left out, or only
        equal files.
      max_pixels: refuses larger images.
    """

    data_dir: Path
    kind: str | None
    options: SourceOptions
    keep_laterals: bool
    by_content: bool
    max_pixels: int


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a run was trained or chosen on.

    Attributes:
      frame: the rows of its manifest outside the test split.
      reading: where these images lie, or None where the run's data is not there any more.
    """

    frame: pd.DataFrame
    reading: Reading | None


def read_run_data(config: Config) -> Reading:
    """Returns the reading of a run's own data; raises ValueError if it is not there."""
    sources = config.sources
    _, reading = read_sources(
        sources.data, sources.data_dir, sources.places(), options=source_options(config)
    )
    return reading


def own_test_split(folder: run_record.RunFolder, config: Config, task_labels: TaskLabels) -> Target:
    """Returns the test split of a run, with the notes and controls of the run.

    Raises:
      ValueError: if the run's records are missing, or its data has moved or changed.
    """
    reading = read_run_data(config)
    manifest = read_task_manifest(folder.manifest, task_labels)
    test = manifest[manifest["split"] == "test"].reset_index(drop=True)
    refuse_changed(reading, test, "test", max_pixels=config.data.max_pixels)
    with run_record.as_a_run_writes(folder.metrics):
        run = run_record.read_json(folder.metrics)
        beside = {key: run.get(key, {}) for key in ("controls", "sources_told_apart")}
        notes = tuple(run["notes"])
        complete = all("above" in control for control in beside["controls"].values())
    if not complete:
        beside["controls"] = {}
        notes = (*notes, "The controls of this run are of an earlier version and are left out.")
    return Target("test", reading, test, no_rejected(), notes, beside)


def refuse_changed(reading: Reading, rows: pd.DataFrame, split: str, *, max_pixels: int) -> None:
    """Raises ValueError if images of a run are missing, bad, or not those that it saw.

    Args:
      reading: of the run's own data.
      rows: of its manifest, index 0 … n-1.
      split: what they are, for the message.
      max_pixels: refuses larger images.
    """
    if reading.facts is None:
        facts, _ = scan_files(rows, reading.root, max_pixels=max_pixels)
        digests = facts["sha256"].reindex(rows.index)
    else:
        digests = rows["image"].map(reading.facts["sha256"].set_axis(reading.rows["image"]))
    changed = rows[~(digests == rows["sha256"]).fillna(False).astype(bool)]
    if len(changed):
        raise ValueError(
            f"{reading.root}: {len(changed)} of {len(rows)} {split} images are missing, bad or not "
            f"those that the run scored: {listing(changed['image'])}"
        )


def seen_by_the_run(folder: run_record.RunFolder, config: Config) -> Seen:
    """Returns what a run was trained or chosen on, with its images where they still are there."""
    manifest = read_manifest(folder.manifest, every_label=not config.data.task.has_findings)
    frame = manifest[manifest["split"] != "test"].reset_index(drop=True)
    try:
        reading = read_run_data(config)
    except ValueError:
        return Seen(frame, None)
    if reading.facts is None and not all((reading.root / path).is_file() for path in frame["path"]):
        return Seen(frame, None)
    return Seen(frame, reading)


def other_data(
    asked: OtherData,
    task_labels: TaskLabels,
    *,
    seen: Seen,
    on_bad_image: str,
    console: rich.console.Console,
) -> Target:
    """Returns the images of another data set that the run has not seen, each picture once.

    Args:
      asked: the data set.
      task_labels: the task of the run.
      seen: what the run was trained or chosen on.
      on_bad_image: 'fail' or 'set_aside'.
      console: for the progress bars.

    Raises:
      ValueError: if the data cannot be read, an image is bad and on_bad_image is 'fail', or
        nothing is left to score.
    """
    _, reading = read_sources(asked.kind, asked.data_dir, options=asked.options)
    manifest = build_manifest(
        reading,
        task_labels,
        on_bad_image=on_bad_image,
        max_pixels=asked.max_pixels,
        every_class=False,
    )
    thumbnails = None
    if asked.by_content:
        manifest, thumbnails = with_thumbnails(manifest, reading, on_bad_image, console)
    pairs, known = compare(manifest.frame, thumbnails, seen, console)
    manifest = merge_copies(manifest, pairs, keep_laterals=asked.keep_laterals)
    known = known[manifest.frame.index]
    there = (label_matrix(manifest.frame["label"], task_labels.blocks) == 1).any(axis=0)
    absent = [name for name, has in zip(task_labels.classes, there, strict=True) if not has]
    notes = [*manifest.notes]
    if absent:
        notes.append(f"No image of {', '.join(absent)}: figures over all classes leave it out.")
    if asked.by_content and seen.reading is None:
        notes.append(
            "The images of the run are not where they were: only equal files and patients of the "
            "same id were left out, not copies in another size, codec or crop."
        )
    target = Target(
        name=f"all of {asked.data_dir.resolve().name}",
        reading=reading,
        frame=manifest.frame.reset_index(drop=True),
        rejected=manifest.rejected,
        notes=tuple(notes),
        controls={"controls": {}},
    )
    note = (
        f"{known.sum()} of {len(known)} images left out: the run was trained, or its threshold "
        "chosen, on them, on a copy, or on other images of these patients."
    )
    reason = "the run has seen this image, a copy of it, or this patient"
    return target.without(known, Category.LEFT_OUT, [reason] * int(known.sum()), note)


def with_thumbnails(
    manifest: Manifest, reading: Reading, on_bad_image: str, console: rich.console.Console
) -> tuple[Manifest, np.ndarray]:
    """Returns the manifest without images that do not decode, and thumbnails of the others."""
    with counting_bar(console, "decoding images") as progress:
        thumbnails, failures = thumbnails_of(
            reading, manifest.frame["path"].tolist(), progress=progress
        )
    if failures:
        manifest = without_undecoded(manifest, failures, reading.root, on_bad_image)
    return manifest.renumbered(), thumbnails[manifest.frame.index]


def compare(
    frame: pd.DataFrame,
    thumbnails: np.ndarray | None,
    seen: Seen,
    console: rich.console.Console,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Returns the copies in a data set, and which of its images a run has seen in any form.

    Args:
      frame: rows with the manifest's columns, index 0 … n-1.
      thumbnails: of these images, uint8 [n, 96, 96]; None compares files by their bytes.
      seen: what the run was trained or chosen on.
      console: for the progress bars.

    Returns:
      Pairs as of `find_copies`, and bool [n]: one image or patient of a group was seen.
    """
    digests = frame["sha256"]
    if thumbnails is not None and seen.reading is not None:
        with counting_bar(console, "decoding the run's images") as progress:
            theirs, _ = thumbnails_of(seen.reading, seen.frame["path"].tolist(), progress=progress)
        thumbnails = np.concatenate([thumbnails, theirs])
        digests = pd.concat([digests, seen.frame["sha256"]], ignore_index=True)
    with counting_bar(console, "looking for copies") as progress:
        pairs = find_copies(digests, thumbnails, progress=progress)
    n = len(frame)
    known = (
        frame["sha256"].isin(seen.frame["sha256"])
        | frame["patient_id"].isin(seen.frame["patient_id"].dropna())
    ).to_numpy(bool, copy=True)
    known[pairs.loc[(pairs["first"] < n) & (pairs["second"] >= n), "first"]] = True
    pairs = pairs[pairs["second"] < n].reset_index(drop=True)
    groups = assign_groups(frame["patient_id"], digests[:n], linked_rows(n, pairs))
    return pairs, groups.isin(groups[known]).to_numpy(bool)
