"""Decoded images in sharded files: TFRecords of one size, checked whenever they are read.

A record is the SHA-256 of the image's own file (32 bytes), image_size × image_size gray values,
then the 96 × 96 of the thumbnail that copies are looked for in. There is no tf.train.Example around
it: with records of one size a shard is an array, any square is read in place without parsing, and
all but the pixels is 48 bytes. Other programs still read it with `tf.data.TFRecordDataset` and
`tf.io.decode_raw`. The digest ties a square to the row of `reading.csv` that describes it; a row
number would make a shard depend on how many rows stand before its own.
"""

import os
import pathlib
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from tfcovid.data.copies.fingerprint import THUMBNAIL_PX
from tfcovid.data.decode_files import Outcome
from tfcovid.data.record_index import RecordIndex, ShardFile, read_index
from tfcovid.whole_file import sha256_of, unique_whole_file

DIGEST_BYTES = 32


def record_type(image_size: int) -> np.dtype:
    """Returns a record as it lies in the file, with TFRecord's framing, as a NumPy type."""
    return np.dtype(
        [
            ("length", "<u8"),
            ("length_crc", "<u4"),
            ("sha256", "u1", (DIGEST_BYTES,)),
            ("square", "u1", (image_size, image_size, 1)),
            ("thumbnail", "u1", (THUMBNAIL_PX, THUMBNAIL_PX)),
            ("crc", "<u4"),
        ]
    )


def write_shard(
    path: pathlib.Path, records: Iterable[tuple[str, np.ndarray, np.ndarray]], image_size: int
) -> ShardFile:
    """Writes a shard, whole or not at all, and returns its facts.

    Args:
      path: the file to make or replace; its folder exists.
      records: SHA-256 of the image file in hexadecimal, square uint8 [image_size, image_size, 1]
        and thumbnail uint8 [96, 96], in order.
      image_size: side of the squares in pixels.

    Raises:
      ValueError: if a square or thumbnail has another shape or type.
      OSError: if the file cannot be written.
    """
    images = 0
    with unique_whole_file(path) as beside:
        try:
            with tf.io.TFRecordWriter(str(beside)) as writer:
                for digest, square, thumbnail in records:
                    _check_pixels(path, "squares", square, (image_size, image_size, 1))
                    _check_pixels(path, "thumbnails", thumbnail, (THUMBNAIL_PX, THUMBNAIL_PX))
                    writer.write(bytes.fromhex(digest) + square.tobytes() + thumbnail.tobytes())
                    images += 1
        except tf.errors.OpError as error:
            raise OSError(f"{path}: cannot be written ({error.message})") from error
        sha256 = sha256_of(beside)
        size = beside.stat().st_size
    return ShardFile(file=path.name, images=images, bytes=size, sha256=sha256)


def _check_pixels(
    path: pathlib.Path, what: str, pixels: np.ndarray, shape: tuple[int, ...]
) -> None:
    if pixels.shape != shape or pixels.dtype != np.uint8:
        raise ValueError(
            f"{path}: expected {what} uint8 {list(shape)}. "
            f"Received: {pixels.dtype} {list(pixels.shape)}."
        )


def verify_shard(path: pathlib.Path, sha256: str) -> None:
    """Raises ValueError, one line that names the shard, if its bytes are not those of its digest.

    Args:
      path: the shard.
      sha256: what its bytes must have, in hexadecimal.
    """
    try:
        found = sha256_of(path)
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be read ({error.strerror}); run tfcovid.prepare again."
        ) from error
    if found != sha256:
        raise ValueError(
            f"{path}: damaged: expected SHA-256 {sha256}, found {found}; delete it and run "
            "tfcovid.prepare again."
        )


def check_size(path: pathlib.Path, shard: ShardFile, kind: np.dtype) -> None:
    """Raises ValueError, one line, if a shard is not as long as its records are.

    Args:
      path: the shard.
      shard: what the index says of it.
      kind: of a record, see `record_type`.
    """
    size = path.stat().st_size
    if size != shard.images * kind.itemsize:
        raise ValueError(
            f"{path}: expected {shard.images} records of {kind.itemsize} bytes. "
            f"Received: {size} bytes; run tfcovid.prepare again."
        )


class _Shards:
    """The squares of an index; a shard is verified when the first of its squares is asked for."""

    def __init__(self, index: RecordIndex):
        self._index = index
        self._shard = index.places["shard"].to_numpy()
        self._position = index.places["position"].to_numpy()
        self._digests = index.facts["sha256"].to_list()
        self._open: dict[int, np.ndarray] = {}

    def outcome(self, row: int) -> Outcome:
        record = self._records(int(self._shard[row]))[self._position[row]]
        if record["sha256"].tobytes().hex() != self._digests[row]:
            path = self._index.folder / self._index.shards[self._shard[row]].file
            raise ValueError(
                f"{path}: record {self._position[row]} is not of the file that reading.csv names; "
                "run tfcovid.prepare again."
            )
        return np.array(record["square"]), np.array(record["thumbnail"]), True

    def _records(self, number: int) -> np.ndarray:
        if number not in self._open:
            shard = self._index.shards[number]
            path = self._index.folder / shard.file
            verify_shard(path, shard.sha256)
            kind = record_type(self._index.image_size)
            check_size(path, shard, kind)
            # Mapped, not read: the pages go again when memory is wanted.
            self._open[number] = np.memmap(path, kind, mode="r", shape=(shard.images,))
        return self._open[number]


class RecordSquares:
    """The squares of a folder of records by the path that each image had in its data set.

    Takes the place of decoding files: `RecordSquares(folder)(paths)` gives what `decode_files`
    gives of `paths`, in the same order. Squares are of the full view; another view is painted over
    them, which gives the same as at decoding.

    Attributes:
      index: what the folder holds.
      image_size: side of the squares in pixels; the caller checks that it is the one asked for.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        """Reads the tables of the folder; raises ValueError if they are not whole."""
        self.index = read_index(folder)
        self.image_size = self.index.image_size
        paths = self.index.reading.rows["path"]
        self._row_of = dict(zip(paths, range(len(paths)), strict=True))
        self._shards = _Shards(self.index)

    def __len__(self) -> int:
        return len(self.index.places)

    def __call__(self, paths: Iterable[str]) -> Iterator[Outcome]:
        """Yields the square and the thumbnail of each path, or why there are none.

        Args:
          paths: relative as in `reading.csv`, in any order; in its order the disk is read in a row.

        Yields:
          (uint8 [image_size, image_size, 1], uint8 [96, 96], True), or one line of text.

        Raises:
          ValueError: if a shard is damaged.
        """
        for path in paths:
            row = self._row_of.get(path)
            if row is None:
                yield f"not among the records in {self.index.folder}"
            else:
                yield self._shards.outcome(row)
