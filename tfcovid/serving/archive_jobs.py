"""One shard of an archive's predictions as a piece of work: from image files to lines of JSON.

Plain values and plain functions, without Beam: any runner can send a job to any machine. A shard is
written whole or not at all, then the note beside it (`….jsonl.json`), which says what it was
made from and which files could not be classified; a later run keeps the shard if both still agree.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfcovid.beam_jobs import note_of, read_note, write_note
from tfcovid.data.dicom_header import NEEDS_PYDICOM
from tfcovid.serving.client import NOT_THE_IMAGE, load_signature, predict_files
from tfcovid.serving.lines import prediction_line
from tfcovid.serving.model_folder import decision_rule, model_card
from tfcovid.whole_file import sha256_of, unique_whole_file

FORMAT = 1
NOT_THERE = (-1, -1)
# How the errors begin whose cause may be gone when the command is given again.
NOT_FINAL = ("cannot be read", NEEDS_PYDICOM)


@dataclasses.dataclass(frozen=True)
class ScoringModel:
    """A SavedModel to score with.

    Attributes:
      folder: where it lies, for every worker.
      digest: of all its files, in hexadecimal.
    """

    folder: str
    digest: str

    @classmethod
    def at(cls, folder: pathlib.Path) -> "ScoringModel":
        """Returns the model of a folder, whose files are read for the digest."""
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        held = [(path.relative_to(folder).as_posix(), sha256_of(path)) for path in files]
        return cls(str(folder.absolute()), hashlib.sha256(json.dumps(held).encode()).hexdigest())

    def signature(self) -> Any:
        """Returns what classifies; a process loads it once.

        Raises:
          ValueError: as `load_signature`, of which this is one.
        """
        return _signature(self)

    def rule(self) -> str | None:
        """Returns the rule that decides, in words, or None where the model does not say."""
        return decision_rule(model_card(pathlib.Path(self.folder)))


@functools.cache
def _signature(model: ScoringModel) -> Any:
    return load_signature(pathlib.Path(model.folder))


@dataclasses.dataclass(frozen=True)
class ArchiveJob:
    """One shard to make.

    Attributes:
      file: path of the shard.
      place: folder that names of files begin in.
      images: name of each file, its bytes and the time of its last change in ns, in order.
      model: that classifies.
      batch_size: images classified at a time.
      max_pixels: refuses larger images.
    """

    file: str
    place: str
    images: tuple[tuple[str, int, int], ...]
    model: ScoringModel
    batch_size: int
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
    def names(self) -> str:
        """Digest of the names of the files, in hexadecimal."""
        return hashlib.sha256(json.dumps([name for name, *_ in self.images]).encode()).hexdigest()

    @property
    def made_from(self) -> str:
        """Digest of everything that the lines of the shard depend on, in hexadecimal."""
        settings = (FORMAT, tf.__version__, self.model.digest, self.batch_size, self.max_pixels)
        # Names that are no UTF-8 have halves of characters, which ASCII writes as escapes.
        return hashlib.sha256(json.dumps([settings, self.images]).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Scored:
    """What came of a job.

    Attributes:
      job: the job.
      lines: of the images classified.
      errors: of the files that could not be.
      again: whether another try may classify some of those.
      failure: why the job as a whole could not be done, or None.
    """

    job: ArchiveJob
    lines: Sequence[str] = ()
    errors: Sequence[str] = ()
    again: bool = False
    failure: str | None = None


@dataclasses.dataclass(frozen=True)
class FinishedShard:
    """A shard that is there and whole.

    Attributes:
      file: its name.
      images: number of its lines.
      sha256: of its bytes, in hexadecimal.
      errors: lines of the files that are not in it.
      again: whether another try may classify some of those.
    """

    file: str
    images: int
    sha256: str
    errors: tuple[str, ...]
    again: bool


def stamp(name: str) -> tuple[int, int]:
    """Returns the bytes of a file and the time of its last change in ns, by which it is known."""
    try:
        found = os.stat(name)  # noqa: PTH116 - a million names need no million Paths
    except OSError:
        return NOT_THERE
    return found.st_size, found.st_mtime_ns


def score_job(job: ArchiveJob, signature: Any, rule: str | None) -> Scored:
    """Classifies the files of a job; runs on a worker.

    Args:
      job: of which the files are read as they are now.
      signature: of `job.model`.
      rule: of `job.model`.
    """
    lines: list[str] = []
    errors: list[str] = []
    again = False
    names = [name for name, *_ in job.images]
    predictions = predict_files(
        signature,
        [os.path.join(job.place, name) for name in names],  # noqa: PTH118 - Path would tidy them
        batch_size=job.batch_size,
        max_pixels=job.max_pixels,
        new_images=True,
    )
    try:
        for name, found in zip(names, predictions, strict=True):
            prediction = dataclasses.replace(found, image=name)
            kind = lines if prediction.error is None else errors
            kind.append(prediction_line(prediction, rule))
            again = again or (prediction.error or "").startswith(NOT_FINAL)
    except NOT_THE_IMAGE as error:
        what = error.message.splitlines()[0]
        return Scored(
            job, failure=f"the model could not be run, on images that may be good: {what}"
        )
    return Scored(job, lines, errors, again)


def write_scored(scored: Scored) -> None:
    """Writes a shard and the note beside it; runs on a worker.

    A mistake goes into the note, where it can be written: raised, Beam would print it as pages of
    tracebacks, and on a cluster try again what cannot succeed.
    """
    job = scored.job
    held = {"model": job.model.digest, "names": job.names}
    try:
        if scored.failure is not None:
            write_note(job.note, {"error": scored.failure, **held})
            return
        with unique_whole_file(job.path) as beside:
            beside.write_text("".join(f"{line}\n" for line in scored.lines), encoding="utf-8")
            sha256 = sha256_of(beside)
        shard = FinishedShard(
            job.path.name, len(scored.lines), sha256, tuple(scored.errors), scored.again
        )
        facts = dataclasses.asdict(shard)
        write_note(job.note, {"shard": facts, "made_from": job.made_from, **held})
    except OSError as error:
        with contextlib.suppress(OSError):
            write_note(job.note, {"error": f"cannot be written ({error.strerror})", **held})


def finished_shard(job: ArchiveJob) -> FinishedShard | None:
    """Returns the shard if it is whole and was made from the job's files and settings, else None.

    Its bytes are read and held against the digest in the note.
    """
    note = read_note(job.note)
    try:
        shard = FinishedShard(**{**note["shard"], "errors": tuple(note["shard"]["errors"])})
        same = note["made_from"] == job.made_from and sha256_of(job.path) == shard.sha256
    except (OSError, KeyError, TypeError):
        return None
    return shard if same else None


def forget_note(job: ArchiveJob) -> None:
    """Removes the note: the shard counts for nothing then, and stays until another replaces it."""
    job.note.unlink(missing_ok=True)
