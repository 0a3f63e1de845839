"""Records read where they lie: one at each use, by its place, and nothing is copied beforehand.

A tf.data graph that reads so holds paths and places, 16 bytes an image, and no pixels. TensorFlow's
own reader seeks to each record and checks its CRC each time. The shards are not mapped
(`ImmutableConst`): that operation maps the whole file anew at every call, and a mapped file that is
cut short, or whose disk goes away, kills the process without a word (SIGBUS).
"""

import contextlib
import os
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import tensorflow as tf

from tfcovid.data.copies.fingerprint import THUMBNAIL_PX
from tfcovid.data.decode_files import Outcome
from tfcovid.data.record_index import RecordIndex
from tfcovid.data.records import DIGEST_BYTES, check_size, record_type, verify_shard

_KEY_BYTES = 8  # of the digest of an image's file: enough to tell that it is another's
_CRC_BYTES = 4
_OTHER_IMAGE = "is not of the image that reading.csv names"
# What TensorFlow raises for a record that is not what it was.
_UNREADABLE = (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError)


class RecordsInPlace:
    """Some of the images of a folder of records, by their place in the list they were named in."""

    def __init__(self, index: RecordIndex, paths: Sequence[str]):
        """Finds the records; no shard is opened.

        Args:
          index: of the folder.
          paths: of images, as in `reading.csv`, in any order.
        """
        self.folder = index.folder
        self._index = index
        self._record = record_type(index.image_size)
        self._rows = pd.Index(index.reading.rows["path"]).get_indexer(list(paths)).astype(np.int64)
        counts = [shard.images for shard in index.shards]
        # The rows lie in the shards one after the other: `read_index` has checked it.
        self._starts = np.cumsum([0, *counts[:-1]], dtype=np.int64)
        self._files = [str(self.folder / shard.file) for shard in index.shards]
        keys = b"".join(bytes.fromhex(text)[:_KEY_BYTES] for text in index.facts["sha256"])
        self._keys = np.frombuffer(keys, np.int64)[self._rows]

    def outcomes(
        self, *, share: tuple[int, int] = (0, 1), thumbnails: bool = True
    ) -> Iterator[Outcome]:
        """Yields of each image what `decode_files` would, with an empty square.

        Args:
          share: (number, count): of the shards that hold the images every count-th from number on
            is verified by its SHA-256, the others by other processes. The size of all is.
          thumbnails: whether they are wanted; without, they are zero, and only what is verified
            is read.

        Yields:
          (uint8 [0], uint8 [96, 96], True), or one line of text.

        Raises:
          ValueError: if a shard is damaged.
        """
        number, count = share
        none = np.zeros((THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)
        with contextlib.ExitStack() as opened:
            seen: set[int] = set()
            current, file = -1, -1
            for row in self._rows:
                if row < 0:
                    yield f"not among the records in {self.folder}"
                    continue
                shard = int(np.searchsorted(self._starts, row, side="right")) - 1
                if shard != current:
                    opened.close()  # one at a time: a process may open fewer files than shards
                    path = self.folder / self._index.shards[shard].file
                    if shard % count == number and shard not in seen:
                        verify_shard(path, self._index.shards[shard].sha256)
                    check_size(path, self._index.shards[shard], self._record)
                    file = opened.enter_context(path.open("rb", buffering=0)).fileno()
                    current = shard
                    seen.add(shard)
                found = self._thumbnail(file, shard, row) if thumbnails else none
                yield np.zeros(0, np.uint8), found, True

    def _thumbnail(self, file: int, shard: int, row: int) -> np.ndarray:
        """Returns the thumbnail, read by itself: it lies at the end of the record."""
        size = THUMBNAIL_PX**2
        end = (int(row - self._starts[shard]) + 1) * self._record.itemsize
        content = os.pread(file, size, end - _CRC_BYTES - size)
        if len(content) < size:
            raise ValueError(f"{self._files[shard]}: cut short; run tfcovid.prepare again.")
        return np.frombuffer(content, np.uint8).reshape(THUMBNAIL_PX, THUMBNAIL_PX)

    def fetch(self, indices):
        """Returns squares by index, read now; works inside `tf.data.Dataset.map`.

        Args:
          indices: int64 [batch], of images that were found.

        Returns:
          uint8 [batch, image_size, image_size, 1], of the full view.
        """
        indices = tf.cast(indices, tf.int64)
        size = self._index.image_size
        squares = tf.cond(
            tf.size(indices) > 0,
            lambda: self._read(indices),
            lambda: tf.zeros([0, size, size, 1], tf.uint8),
        )
        return tf.ensure_shape(squares, [None, size, size, 1])

    def _read(self, indices):
        rows = tf.gather(self._rows, indices)
        shards = tf.searchsorted(self._starts, rows, side="right", out_type=tf.int64) - 1
        offsets = (rows - tf.gather(self._starts, shards)) * self._record.itemsize
        records = (
            tf.data.Dataset.from_tensor_slices((tf.gather(self._files, shards), offsets))
            .flat_map(lambda file, offset: _record_at(file, offset, self._record.itemsize))
            .batch(tf.size(indices, tf.int64))
            .get_single_element()
        )
        where = f"{self.folder}: a record"
        complete = tf.debugging.assert_equal(
            tf.size(records), tf.size(indices), f"{where} is missing"
        )
        with tf.control_dependencies([] if complete is None else [complete]):
            content = tf.io.decode_raw(records, tf.uint8)
        keys = tf.bitcast(content[:, :_KEY_BYTES], tf.int64)
        own = tf.debugging.assert_equal(
            keys, tf.gather(self._keys, indices), f"{where} {_OTHER_IMAGE}"
        )
        with tf.control_dependencies([] if own is None else [own]):
            size = self._index.image_size
            squares = content[:, DIGEST_BYTES : DIGEST_BYTES + size**2]
            return tf.reshape(squares, [-1, size, size, 1])

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Has a shard that vanishes, is cut or exchanged while it is read be one line.

        Raises:
          ValueError: in place of what TensorFlow raises then, in this process or another.
        """
        try:
            yield
        except _UNREADABLE as error:
            line = self._told(error)
            if line is None:
                raise
            raise ValueError(f"{line}; put it back or run tfcovid.prepare again") from error

    def _told(self, error: tf.errors.OpError) -> str | None:
        """Returns which shard the error is about and why, or None if it is about none."""
        for shard in self._index.shards:
            file = self.folder / shard.file
            try:
                size = file.stat().st_size
            except OSError as gone:
                return f"{file}: {gone.strerror} while it was in use"
            if size != shard.bytes:
                return f"{file}: cut while it was in use, from {shard.bytes} to {size} bytes"
        if isinstance(error, tf.errors.DataLossError):
            return f"{self.folder}: a record was damaged while it was in use ({_first(error)})"
        if _OTHER_IMAGE in error.message:
            return f"{self.folder}: other records were put in place while they were in use"
        return None


def _record_at(file, offset, num_bytes):
    """Returns the dataset of the record that begins there; of none if the file ends there."""
    reader = tf.raw_ops.TFRecordDatasetV2(
        filenames=[file],
        compression_type="",
        buffer_size=tf.constant(num_bytes, tf.int64),
        byte_offsets=[offset],
    )
    return tf.data.experimental.from_variant(reader, tf.TensorSpec([], tf.string)).take(1)


def _first(error: tf.errors.OpError) -> str:
    return error.message.split("\n")[0].rpartition(": ")[2]
