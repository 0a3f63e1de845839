"""One shard of the records as a piece of work: from image files to a finished file, or kept.

Plain values and plain functions, without Beam: any runner can send a job to any machine. A shard is
written whole or not at all, then the note beside it (`….tfrecord.json`), which says what the
shard was made from; a later run keeps the shard if both still agree.
"""

import dataclasses
import functools
import hashlib
import json
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfcovid.beam_jobs import note_of, read_note, write_note
from tfcovid.data.decode_files import square_and_thumbnail, why_undecoded
from tfcovid.data.image_files import encoded_image
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.record_index import FORMAT, PIXELS_VERSION, VIEW, ShardFile
from tfcovid.data.records import verify_shard, write_shard


@dataclasses.dataclass(frozen=True)
class ShardJob:
    """One shard to make.

    Attributes:
      file: path of the shard.
      root: the data folder.
      images: path relative to the root, and SHA-256, of each file, in order.
      image_size: side of the squares in pixels.
      max_pixels: refuses larger images.
    """

    file: str
    root: str
    images: tuple[tuple[str, str], ...]
    image_size: int
    max_pixels: int

    @property
    def path(self) -> pathlib.Path:
        """Where the shard is written."""
        return pathlib.Path(self.file)

    @property
    def note(self) -> pathlib.Path:
        """The file beside the shard that says what it was made from."""
        return note_of(self.file)

    @property
    def paths(self) -> str:
        """Digest of the paths of the files, in hexadecimal."""
        return hashlib.sha256(json.dumps([path for path, _ in self.images]).encode()).hexdigest()

    @property
    def made_from(self) -> str:
        """Digest of everything that the bytes of the shard depend on, in hexadecimal."""
        settings = (FORMAT, PIXELS_VERSION, tf.__version__, self.image_size, VIEW)
        return hashlib.sha256(json.dumps([settings, self.images]).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Finished:
    """A shard that is there and whole, and why each file that is not in it does not decode."""

    shard: ShardFile
    failed: Mapping[str, str]


def make_shard(job: ShardJob) -> None:
    """Makes one shard and the note beside it; runs on a worker.

    A mistake goes into the note: raised, Beam would print it as pages of tracebacks, and on a
    cluster try again what cannot succeed.
    """
    failed: dict[str, str] = {}
    try:
        shard = write_shard(job.path, _decoded(job, failed), job.image_size)
    except (OSError, ValueError) as error:
        write_note(job.note, {"error": str(error)})
    else:
        made_from = {"made_from": job.made_from, "paths": job.paths, "image_size": job.image_size}
        write_note(job.note, {"shard": dataclasses.asdict(shard), **made_from, "failed": failed})


def finished(job: ShardJob) -> Finished | None:
    """Returns the shard if it is whole and was made from the job's files and settings, else None.

    Its bytes are read and held against the digest in the note.
    """
    note = read_note(job.note)
    try:
        shard = ShardFile(**note["shard"])
        if note["made_from"] != job.made_from:
            return None
        verify_shard(job.path, shard.sha256)
        return Finished(shard, dict(note["failed"]))
    except (ValueError, KeyError, TypeError):
        return None


def mistake(job: ShardJob) -> str:
    """Returns why a shard was not made, one line."""
    reason = read_note(job.note).get("error")
    return str(reason or f"{job.path}: was not made; the log of Beam's runner says why")


def forget(job: ShardJob) -> None:
    """Removes the shard and its note, whatever state they are in."""
    job.note.unlink(missing_ok=True)
    job.path.unlink(missing_ok=True)


def _decoded(job: ShardJob, failed: dict[str, str]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yields the record of each file that decodes; fills `failed` with why others do not."""
    decode = _decoder(job.image_size)
    for name, sha256 in job.images:
        path = pathlib.Path(job.root) / name
        # What encoded_image gives of a DICOM file has another digest than the file.
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise ValueError(f"{path}: changed while it was prepared; run tfcovid.prepare again")
        try:
            square, thumbnail, _ = decode(encoded_image(path, job.max_pixels))
        except ValueError as error:
            failed[name] = str(error)
        except tf.errors.OpError as error:
            failed[name] = why_undecoded(error)
        else:
            yield sha256, square.numpy(), thumbnail.numpy()


@functools.cache
def _decoder(image_size: int) -> Callable[[bytes], Any]:
    """Returns what makes a record of bytes: traced once in a process, not once a shard."""
    preprocessing = Preprocessing(image_size, view=VIEW)

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def decode(encoded):
        # On a machine with a GPU the resize would go there, and with it all of its memory.
        with tf.device("CPU:0"):
            return square_and_thumbnail(encoded, preprocessing)

    return decode
