"""A data set ready to train on: read, checked, decoded once, and split by patient."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from tfcovid.data.blocks import Block, is_single_label, label_matrix
from tfcovid.data.copies.merging import merge_copies
from tfcovid.data.copies.search import find_copies
from tfcovid.data.finding_labels import check_trainable, finding_source_notes
from tfcovid.data.image_store import ImageStore
from tfcovid.data.lung_masks import LungMasks
from tfcovid.data.manifest import Manifest, build_manifest, check_classes, source_notes
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.records_in_place import RecordsInPlace
from tfcovid.data.sources.reading import BROKEN, TEXT, Category, Reading, aside
from tfcovid.data.splitter import why_no_split
from tfcovid.data.squares import records_of, squares_of
from tfcovid.data.tasks import TaskLabels
from tfcovid.data.uncropped import uncropped_by_class, uncropped_notes

Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The images of a run.

    Attributes:
      root: the data folder that paths are relative to.
      classes: names in the order of the network's outputs.
      blocks: which of them exclude each other.
      frame: the manifest, an image a row, index 0 … n-1; `split` is filled.
      labels: what the loss is given, in the frame's order: class indices int32 [n]; of several
        findings, or these beside classes, the label matrix int32 [n, num_outputs], -1 unknown.
      images: the decoded images.
      image_index: where each row's image lies in `images`, int64 [n].
      rejected: images left out, columns image, path, reason.
      notes: lines that a user should read before believing a score on this data.
    """

    root: pathlib.Path
    classes: tuple[str, ...]
    blocks: tuple[Block, ...]
    frame: pd.DataFrame
    labels: np.ndarray
    images: ImageStore
    image_index: np.ndarray
    rejected: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def targets(self) -> np.ndarray:
        """The label matrix int8 [n, num_outputs]: 1, 0, or -1 for unknown."""
        if self.labels.ndim == 1:
            return np.eye(len(self.classes), dtype=np.int8)[self.labels]
        return self.labels.astype(np.int8)

    def rows(self, split: str) -> np.ndarray:
        """Returns the row numbers int64 of 'train', 'validation' or 'test'."""
        return np.flatnonzero(self.frame["split"] == split)


def load_dataset(
    reading: Reading,
    task_labels: TaskLabels,
    *,
    assign_split: Callable[[Manifest], pd.DataFrame],
    preprocessing: Preprocessing,
    cache: str,
    cache_budget_mib: int,
    cache_dir: pathlib.Path,
    on_bad_image: str,
    max_set_aside: float,
    max_pixels: int,
    num_parallel_calls: int,
    lung_masks: pathlib.Path | None = None,
    copies: str = "content",
    keep_laterals: bool = False,
    share: tuple[int, int] = (0, 1),
    scan_progress: Progress | None = None,
    decode_progress: Progress | None = None,
    copies_progress: Progress | None = None,
) -> Dataset:
    """Returns the images of a reading that a task can use, decoded and split.

    Nothing is written but the image cache: a run's folder is only made once
    this has succeeded.

    Args:
      reading: what a reader found.
      task_labels: the task.
      assign_split: fills `split` (and `fold`) of a manifest, see `splitter`.
      preprocessing: decodes and resizes.
      cache: 'auto', 'memory', 'disk', 'records' or 'none', see ImageStore.
      cache_budget_mib: memory the cache may take, MiB.
      cache_dir: where a disk cache goes.
      on_bad_image: 'fail' or 'set_aside', for files that are no readable image.
      max_set_aside: refuses when more than this share of the listed images is
        missing or bad, in [0, 1).
      max_pixels: refuses larger images.
      num_parallel_calls: parallel decodes; 0 lets tf.data choose.
      lung_masks: folder of masks that the view paints around; None takes the fixed box.
      copies: 'content' finds copies in another size, codec or crop, 'bytes' equal files only.
      keep_laterals: whether images known to be lateral views stay.
      share: (number, count) of the processes that verify records read in place together.
      scan_progress: called while headers are read.
      decode_progress: called while images are decoded.
      copies_progress: called while copies are looked for.

    Raises:
      ValueError: if an image is bad and on_bad_image is 'fail', too many are set
        aside, a class has no image, or the split cannot be made.
    """
    if cache == "none" and (lung_masks or reading.facts is not None):
        raise ValueError(
            "--cache=none decodes the image files again at each use, which records and "
            "--lung_masks do not allow: choose auto, memory or disk"
        )
    manifest = build_manifest(
        reading,
        task_labels,
        on_bad_image=on_bad_image,
        max_pixels=max_pixels,
        progress=scan_progress,
    )
    paths = manifest.frame["path"].tolist()
    masks = lung_masks and LungMasks(lung_masks, root=reading.root, image_paths=paths)
    records = None if reading.facts is None else records_of(reading, preprocessing)
    images, failures = ImageStore.load(
        [reading.root / path for path in paths],
        preprocessing,
        cache=cache,
        budget_mib=cache_budget_mib,
        folder=cache_dir,
        outcomes=squares_of(
            reading,
            paths,
            preprocessing,
            masks=masks or None,
            num_parallel_calls=num_parallel_calls,
            max_pixels=max_pixels,
            records=records,
        ),
        progress=decode_progress,
        records=RecordsInPlace(records.index, paths) if records and not masks else None,
        share=share,
        thumbnails_wanted=copies == "content",
    )
    if failures:
        manifest = without_undecoded(manifest, failures, reading.root, on_bad_image)
    broken = manifest.rejected["category"].isin([str(category) for category in BROKEN])
    _refuse_too_many(int(broken.sum()), len(manifest.frame), max_set_aside)
    manifest = _merged(manifest, images, copies, keep_laterals, copies_progress)
    check_classes(manifest.frame["label"], task_labels, reading.root)
    manifest = _noted(manifest, _notes_of_sources(manifest, task_labels))
    frame = assign_split(manifest)
    if task_labels.findings:
        check_trainable(frame, task_labels.blocks)
    manifest = _without_split(manifest, frame)
    if preprocessing.chain != "plain":
        manifest = _noted(manifest, _notes_of_crops(frame, images))
    return _dataset(reading.root, task_labels, manifest, frame, images)


def _noted(manifest: Manifest, notes: Sequence[str]) -> Manifest:
    return dataclasses.replace(manifest, notes=(*manifest.notes, *notes))


def _notes_of_sources(manifest: Manifest, task_labels: TaskLabels) -> Sequence[str]:
    """Returns which source gives what; nothing where the source itself is the label."""
    if task_labels.column != "finding":
        return ()
    if task_labels.findings:
        return finding_source_notes(manifest.frame, task_labels.blocks)
    return source_notes(manifest.frame)


def _notes_of_crops(frame: pd.DataFrame, images: ImageStore) -> Sequence[str]:
    """Returns in how many images of the splits no lungs were found, and of which class."""
    used = frame[frame["split"].notna()]
    whole = images.uncropped[used.index]
    return (*uncropped_notes(whole), *uncropped_by_class(used["label"], whole))


def _merged(
    manifest: Manifest,
    images: ImageStore,
    copies: str,
    keep_laterals: bool,
    progress: Progress | None,
) -> Manifest:
    """Returns the manifest with one of each picture; its index still is the place in `images`."""
    pairs = find_copies(
        manifest.frame["sha256"],
        images.thumbnails[manifest.frame.index] if copies == "content" else None,
        progress=progress,
    )
    return merge_copies(manifest, pairs, keep_laterals=keep_laterals)


def _dataset(
    root: pathlib.Path,
    task_labels: TaskLabels,
    manifest: Manifest,
    frame: pd.DataFrame,
    images: ImageStore,
) -> Dataset:
    """Returns the images that have a split."""
    frame = frame[frame["split"].notna()]
    targets = label_matrix(frame["label"], task_labels.blocks)
    single = is_single_label(task_labels.blocks)
    return Dataset(
        root=root,
        classes=task_labels.classes,
        blocks=task_labels.blocks,
        frame=frame.reset_index(drop=True),
        labels=(targets.argmax(axis=1) if single else targets).astype(np.int32),
        images=images,
        image_index=frame.index.to_numpy(np.int64),
        rejected=manifest.rejected,
        notes=manifest.notes,
    )


def without_undecoded(
    manifest: Manifest, failures: Mapping[int, str], root: pathlib.Path, on_bad_image: str
) -> Manifest:
    """Returns the manifest without the images that did not decode; the index keeps its gaps."""
    bad = sorted(failures)
    reasons = [failures[index] for index in bad]
    first = root / manifest.frame["path"].iloc[bad[0]]
    if on_bad_image == "fail":
        raise ValueError(
            f"{first}: {reasons[0]} ({len(bad)} bad of {len(manifest.frame)} images); repair it, "
            "or leave such images out with --on_bad_image=set_aside"
        )
    rows = manifest.frame.iloc[bad]
    undecoded = aside(rows, Category.BAD_FILE, pd.Series(reasons, rows.index))
    rejected = pd.concat([manifest.rejected, undecoded], ignore_index=True)
    note = f"{len(bad)} images set aside, the first: {first}: {reasons[0]}."
    return Manifest(
        frame=manifest.frame.drop(index=bad),
        official=manifest.official.drop(index=bad),
        formats=manifest.formats.drop(index=bad),
        rejected=rejected.astype(TEXT),
        notes=(*manifest.notes, note),
    )


def _without_split(manifest: Manifest, frame: pd.DataFrame) -> Manifest:
    """Returns the manifest with the images listed that are in no split, and why they are not."""
    missing = frame[frame["split"].isna()]
    if missing.empty:
        return manifest
    reasons = why_no_split(missing)
    counts = reasons.value_counts().items()
    return dataclasses.replace(
        manifest,
        rejected=pd.concat(
            [manifest.rejected, aside(missing, Category.NOT_IN_SPLIT, reasons)], ignore_index=True
        ).astype(TEXT),
        notes=(*manifest.notes, *(f"{n} images set aside: {why}." for why, n in counts)),
    )


def _refuse_too_many(num_bad: int, num_good: int, max_share: float) -> None:
    share = num_bad / max(1, num_bad + num_good)
    if share > max_share:
        raise ValueError(
            f"{num_bad} of {num_bad + num_good} images are missing or bad ({share:.1%}): expected "
            f"at most --max_set_aside={max_share:.1%}; mend the data set, or raise the limit"
        )
