"""Images decoded once and kept as 8-bit squares, in memory or on disk.

Decoding costs far more than augmenting, so each file is decoded once before
training starts. That pass also finds every file that does not decode, so that
none of them comes as a surprise in the middle of an epoch.
"""

import contextlib
import copy
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfcovid.data.copies.fingerprint import THUMBNAIL_PX
from tfcovid.data.decode_files import Outcome, decode_files, is_dicom_file
from tfcovid.data.preprocess import Preprocessing, apply_view
from tfcovid.data.records_in_place import RecordsInPlace

CACHES = ("auto", "memory", "disk", "records", "none")
_MIB = 2**20


class ImageStore:
    """The images of a data set, by their place in the list they were loaded from.

    Attributes:
      cache: where the images are: 'memory', 'disk', 'records' or 'none'.
      choice: one line for the user: where the images are kept and why.
      image_size: side of the squares in pixels.
      failed: which files did not decode, bool [n]; the caller leaves them out.
      uncropped: in which images the chain found nothing to crop to, bool [n].
      thumbnails: the whole image of each file, whatever the view, for the search for copies:
        uint8 [n, THUMBNAIL_PX, THUMBNAIL_PX], zero where it failed.
    """

    def __init__(
        self,
        paths: Sequence[str],
        preprocessing: Preprocessing,
        *,
        cache: str,
        choice: str,
        pixels: Any,
        failed: np.ndarray,
        uncropped: np.ndarray,
        thumbnails: np.ndarray,
        records: RecordsInPlace | None = None,
    ):
        self.cache = cache
        self.choice = choice
        self.image_size = preprocessing.image_size
        self.failed = failed
        self.uncropped = uncropped
        self.thumbnails = thumbnails
        self._paths = list(paths)
        self._preprocessing = preprocessing
        self._pixels = pixels
        self._records = records
        self._view = "full"

    @classmethod
    def load(
        cls,
        paths: Sequence[str | os.PathLike[str]],
        preprocessing: Preprocessing,
        *,
        cache: str = "auto",
        budget_mib: float = 2048,
        folder: str | os.PathLike[str] | None = None,
        outcomes: Iterator[Outcome] | None = None,
        num_parallel_calls: int | None = None,
        progress: Callable[[int, int], None] | None = None,
        records: RecordsInPlace | None = None,
        share: tuple[int, int] = (0, 1),
        thumbnails_wanted: bool = True,
    ) -> tuple["ImageStore", dict[int, str]]:
        """Decodes every file once and returns the store and what did not decode.

        Args:
          paths: image files.
          preprocessing: makes the squares; its view is applied before they are kept.
          cache: 'memory', 'disk' (a file in `folder`, nameless once filled), 'none' (decode
            again at each use), 'records' (read in place at each use), or 'auto': memory if the
            squares fit the budget, else records where there are some, else disk. The images
            are the same in all of them.
          budget_mib: what 'auto' may keep in memory, in MiB.
          folder: where the disk cache lies; needed by 'disk', and by 'auto' over the budget.
          outcomes: of each path what `decode_files` would give, where that is had in another way.
          num_parallel_calls: files decoded at a time; None lets tf.data choose.
          progress: called with (files done, files in all) after each file.
          records: of the paths, where they may be read in place.
          share: see `RecordsInPlace.outcomes`, like thumbnails_wanted; for 'records' only.
          thumbnails_wanted: whether copies are looked for in them.

        Returns:
          The store, and the reason for each index that failed.

        Raises:
          ValueError: if there is no path, cache is unknown, there are no records to read in place,
            or the disk cache has no folder or too little room.
        """
        names = [os.fspath(path) for path in paths]
        if not names:
            raise ValueError("Expected at least one image to load. Received: no path.")
        if cache == "none" and any(map(is_dicom_file, names)):
            raise ValueError(
                "--cache=none decodes in TensorFlow's own stream, which reads no DICOM files: "
                "choose auto, memory or disk."
            )
        cache, choice = _choose_cache(cache, len(names), preprocessing, budget_mib, folder, records)
        if cache == "records" and records is not None:
            outcomes = records.outcomes(share=share, thumbnails=thumbnails_wanted)
        failures: dict[int, str] = {}
        thumbnails = np.zeros((len(names), THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)
        uncropped = np.zeros(len(names), bool)

        def fill(pixels: np.ndarray | None) -> None:
            for index, outcome in enumerate(
                outcomes or decode_files(names, preprocessing, num_parallel_calls)
            ):
                if isinstance(outcome, str):
                    failures[index] = outcome
                else:
                    square, thumbnail, found = outcome
                    if thumbnails_wanted:  # untouched, their memory is never taken
                        thumbnails[index] = thumbnail
                    uncropped[index] = not found
                    if pixels is not None:
                        pixels[index] = square
                if progress is not None:
                    progress(index + 1, len(names))

        shape = (len(names), preprocessing.image_size, preprocessing.image_size, 1)
        if cache in ("none", "records"):
            fill(None)
            pixels = None
        elif cache == "memory":
            pixels = _in_memory(shape, fill)
        else:
            pixels = _on_disk(shape, fill, Path(folder or "."))
        failed = np.zeros(len(names), bool)
        failed[list(failures)] = True
        store = cls(
            names,
            preprocessing,
            cache=cache,
            choice=choice,
            pixels=pixels,
            failed=failed,
            uncropped=uncropped,
            thumbnails=thumbnails,
            records=records if cache == "records" else None,
        )
        return store, failures

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def holds_no_pixels(self) -> bool:
        """Whether a stream of the images is made of paths alone, so that another process has it."""
        return self._pixels is None

    def check_indices(self, indices: np.ndarray) -> None:
        """Raises ValueError if an index is out of range or stands for a file that failed."""
        indices = np.asarray(indices)
        if indices.size and not (indices.min() >= 0 and indices.max() < len(self)):
            raise ValueError(
                f"indices must lie in 0..{len(self) - 1}, the images of the store. "
                f"Received: {indices.min()}..{indices.max()}."
            )
        bad = indices[self.failed[indices]]
        if bad.size:
            raise ValueError(
                f"{bad.size} of the indices stand for files that did not decode, the first is "
                f"{self._paths[bad[0]]}: leave them out."
            )

    def fetch(self, indices):
        """Returns images by index; works inside `tf.data.Dataset.map`.

        Args:
          indices: int64 [batch]; see `check_indices` for what is not caught here.

        Returns:
          uint8 [batch, image_size, image_size, 1].
        """
        return apply_view(self._fetch(indices), self._view)

    def seen_through(self, view: str) -> "ImageStore":
        """Returns the same images, not copied, painted over at each use as `apply_view` does."""
        painted = copy.copy(self)
        painted._view = view
        return painted

    def in_use(self) -> contextlib.AbstractContextManager[None]:
        """Has what goes wrong while images are read again be one line where it is known."""
        return contextlib.nullcontext() if self._records is None else self._records.in_use()

    def _fetch(self, indices):
        if self._records is not None:
            return apply_view(self._records.fetch(indices), self._preprocessing.view)
        if self._pixels is None:
            paths = tf.gather(tf.constant(self._paths), indices)
            square = tf.TensorSpec((self.image_size, self.image_size, 1), tf.uint8)
            return tf.map_fn(
                lambda path: self._preprocessing.image_from_bytes(tf.io.read_file(path)),
                paths,
                fn_output_signature=square,
            )
        return tf.gather(self._pixels, indices)


def _choose_cache(cache, num_images, preprocessing, budget_mib, folder, records) -> tuple[str, str]:
    """Returns where to keep the images and one line that says so and why."""
    if cache not in CACHES:
        raise ValueError(f"cache must be one of {', '.join(CACHES)}. Received: {cache!r}.")
    size_mib = num_images * preprocessing.image_size**2 / _MIB
    what = f"{num_images} images of {preprocessing.image_size} px, {size_mib:,.0f} MiB"
    budget = f"the budget of {budget_mib:,.0f} MiB"
    if cache == "none":
        return cache, "cache: none, as asked; every use decodes its file again"
    if cache == "memory":
        return cache, f"cache: memory, as asked ({what})"
    if cache == "auto" and size_mib <= budget_mib:
        return "memory", f"cache: memory ({what}, within {budget})"
    if cache == "records" and records is None:
        raise ValueError(
            "--cache=records reads in place what tfcovid.prepare made, without --lung_masks: name "
            "a folder of records, or choose auto, memory or disk"
        )
    why = f"over {budget}" if cache == "auto" else "as asked"
    if records is not None and cache != "disk":
        return "records", f"cache: records, read in place in {records.folder} ({what}, {why})"
    if folder is None:
        raise ValueError(
            f"The disk cache needs a folder ({what}; {budget}): name one, or choose "
            "cache='memory' or 'none'."
        )
    return "disk", f"cache: disk, in {os.fspath(folder)} ({what}, {why})"


def _in_memory(shape: tuple[int, ...], fill: Callable[[np.ndarray], None]):
    """Returns the filled images as a tensor; for a moment they are in memory twice."""
    pixels = np.zeros(shape, np.uint8)
    fill(pixels)
    # Host memory: the pipeline runs there, and on a GPU machine a tensor would go to the GPU.
    with tf.device("CPU:0"):
        return tf.constant(pixels)


def _on_disk(shape: tuple[int, ...], fill: Callable[[np.ndarray], None], folder: Path):
    """Returns the filled images as a tensor that is mapped from a file.

    The file loses its name as soon as it is mapped, and its space when the tensor goes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    size = math.prod(shape)
    free = shutil.disk_usage(folder).free
    # Without this check a full disk would kill the process in the middle of a write.
    if size > free:
        raise ValueError(
            f"The disk cache needs {size / _MIB:,.0f} MiB in {folder}, where "
            f"{free / _MIB:,.0f} MiB are free: name another folder, or choose cache='none'."
        )
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        os.posix_fallocate(file.fileno(), 0, size)
        pixels = np.memmap(file, np.uint8, mode="r+", shape=shape)
        fill(pixels)
        pixels.flush()
        with tf.device("CPU:0"):
            return tf.raw_ops.ImmutableConst(
                dtype=tf.uint8, shape=shape, memory_region_name=file.name
            )
