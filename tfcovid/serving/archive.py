"""Scores an archive of images as an Apache Beam pipeline: sharded, and gone on with after a kill.

OUT/predictions-00000-of-00008.jsonl      lines as `predict` prints them, in the files' order
    predictions-00000-of-00008.jsonl.json what the shard was made from
    errors.jsonl                          a line a file that could not be classified, and why
    scoring.json                          the whole: model, shards, counts; written last
"""

import contextlib
import dataclasses
import fcntl
import itertools
import json
import math
import pathlib
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from tfcovid.beam_jobs import (
    NOTE_SUFFIX,
    Progress,
    import_beam,
    read_note,
    refuse_unknown_options,
    running,
    watched,
)
from tfcovid.serving.archive_jobs import (
    FORMAT,
    ArchiveJob,
    FinishedShard,
    ScoringModel,
    finished_shard,
    forget_note,
    stamp,
    write_scored,
)
from tfcovid.serving.client import load_signature
from tfcovid.whole_file import PART_PREFIX, write_text_whole

ERRORS_NAME = "errors.jsonl"
INDEX_NAME = "scoring.json"
LOCK_NAME = ".lock"
_SHARD = re.compile(r"predictions-\d{5,}-of-(\d{5,})\.jsonl")


@dataclasses.dataclass(frozen=True)
class ScoredArchive:
    """What a run of `score_archive` did.

    Attributes:
      images: number of images classified, those of an earlier run among them.
      failed: number of files that could not be, likewise.
      made: number of shards made.
      kept: number of shards kept from an earlier run.
      read: number of files that went into the shards made.
      seconds: what the pipeline took.
    """

    images: int
    failed: int
    made: int
    kept: int
    read: int
    seconds: float


def score_archive(
    files: Sequence[str],
    model_folder: pathlib.Path,
    *,
    output: pathlib.Path,
    shards: int,
    batch_size: int,
    max_pixels: int,
    beam_args: Sequence[str] = (),
    progress: Progress | None = None,
) -> ScoredArchive:
    """Classifies files and writes the lines in shards.

    The lines are those of `predict_files`, to the last digit: a shard begins where a batch does.

    Args:
      files: paths of images, as every worker can open them.
      model_folder: the SavedModel's.
      output: folder, made where it is not there; may hold what an earlier run left. Shards whose
        files changed since, or could not be read, are made again.
      shards: number of files, 1 to the number of batches; as many are made at a time at most.
      batch_size: images classified at a time.
      max_pixels: refuses larger images.
      beam_args: options of Beam, such as --runner=FlinkRunner; by default the DirectRunner works
        in this process with a thread a core.
      progress: called with (shards done, shards in all) now and then.

    Raises:
      ValueError: if Beam is not installed or does not know an option; if there is no model; if
        shards is out of range; if the folder holds something else, or predictions of another model,
        of other files or in another number of shards; if another process scores into it; if a shard
        cannot be made.
    """
    beam = import_beam("score an archive (--shards)")
    refuse_unknown_options(beam_args)
    batches = math.ceil(len(files) / batch_size)
    if not 1 <= shards <= batches:
        raise ValueError(
            f"--shards={shards}: expected 1 to {batches}, as {len(files)} images make that many "
            f"batches of {batch_size}; lower it or --predict_batch_size"
        )
    load_signature(model_folder)  # what is wrong with it comes before any work
    model = ScoringModel.at(model_folder)
    jobs = _jobs(files, output, shards, model, batch_size, max_pixels)
    output.mkdir(parents=True, exist_ok=True)
    _check_folder(output, jobs)
    with _alone_in(output):
        return _score(beam, jobs, output, model, beam_args, progress)


def _score(
    beam: Any,
    jobs: Sequence[ArchiveJob],
    output: pathlib.Path,
    model: ScoringModel,
    beam_args: Sequence[str],
    progress: Progress | None,
) -> ScoredArchive:
    from apache_beam.ml.inference.base import RunInference

    from tfcovid.serving.archive_model import ArchiveModelHandler

    for left in output.glob(f"{PART_PREFIX}*"):
        left.unlink()
    found = [finished_shard(job) for job in jobs]
    todo = [job for job, shard in zip(jobs, found, strict=True) if shard is None or shard.again]
    # Without its index the folder counts as unfinished, until the new one is written.
    (output / INDEX_NAME).unlink(missing_ok=True)
    for job in todo:
        forget_note(job)
    started = time.monotonic()
    if todo:
        notes = [job.note for job in jobs]
        with watched(notes, progress), running(beam, todo, beam_args) as each:
            scored = each | "classify" >> RunInference(ArchiveModelHandler(model))
            (
                scored
                | "lines" >> beam.Map(lambda result: result.inference)
                | "write shards" >> beam.Map(write_scored)
            )
    seconds = time.monotonic() - started
    made = [_result(job) for job in jobs]
    _write_index(output, made, model)
    return ScoredArchive(
        images=sum(shard.images for shard in made),
        failed=sum(len(shard.errors) for shard in made),
        made=len(todo),
        kept=len(jobs) - len(todo),
        read=sum(len(job.images) for job in todo),
        seconds=seconds,
    )


def _jobs(
    files: Sequence[str],
    output: pathlib.Path,
    shards: int,
    model: ScoringModel,
    batch_size: int,
    max_pixels: int,
) -> list[ArchiveJob]:
    images = [(name, *stamp(name)) for name in files]
    batches = math.ceil(len(images) / batch_size)
    bounds = [batch_size * (batches * number // shards) for number in range(shards + 1)]
    return [
        ArchiveJob(
            file=str(output.absolute() / f"predictions-{number:05d}-of-{shards:05d}.jsonl"),
            place=str(pathlib.Path.cwd()),
            images=tuple(images[first:end]),
            model=model,
            batch_size=batch_size,
            max_pixels=max_pixels,
        )
        for number, (first, end) in enumerate(itertools.pairwise(bounds))
    ]


@contextlib.contextmanager
def _alone_in(output: pathlib.Path) -> Iterator[None]:
    """Holds a folder; a process that is killed holds it no longer."""
    with (output / LOCK_NAME).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"--output={output}: another process scores into it; wait for it, or end it"
            ) from error
        except OSError:
            pass  # a file system without locks
        yield


def _check_folder(output: pathlib.Path, jobs: Sequence[ArchiveJob]) -> None:
    """Refuses a folder whose content this run would mix with its own or destroy."""
    used = {path.name for job in jobs for path in (job.path, job.note)}
    for path in sorted(output.iterdir()):
        if path.name in used or path.name in (INDEX_NAME, ERRORS_NAME, LOCK_NAME):
            continue
        earlier = _SHARD.fullmatch(path.name.removesuffix(NOTE_SUFFIX))
        if earlier:
            count = int(earlier[1])
            raise ValueError(
                f"--output={output}: holds predictions in {count} shards; go on with them by "
                f"--shards={count}, or name another folder"
            )
        if not path.name.startswith(PART_PREFIX):
            raise ValueError(
                f"--output={output}: expected an empty folder, or one with predictions. Received: "
                f"{path.name}"
            )
    for job in jobs:
        if read_note(job.note).get("model", job.model.digest) != job.model.digest:
            raise ValueError(
                f"--output={output}: holds predictions of another model than {job.model.folder}; "
                "name another folder"
            )
        if read_note(job.note).get("names", job.names) != job.names:
            raise ValueError(
                f"--output={output}: holds predictions of other files, as where an archive has "
                "grown; score the new ones, or all, into another folder"
            )


def _result(job: ArchiveJob) -> FinishedShard:
    shard = finished_shard(job)
    if shard is None:
        reason = read_note(job.note).get("error", "was not made; the log of Beam's runner says why")
        raise ValueError(f"{job.path}: {reason}; the same command goes on from here")
    return shard


def _write_index(
    output: pathlib.Path, shards: Sequence[FinishedShard], model: ScoringModel
) -> None:
    errors = [line for shard in shards for line in shard.errors]
    write_text_whole(output / ERRORS_NAME, "".join(f"{line}\n" for line in errors))
    index = {
        "format": FORMAT,
        "tensorflow": tf.__version__,
        "model_sha256": model.digest,
        "rule": model.rule(),
        "images": sum(shard.images for shard in shards),
        "failed": len(errors),
        "shards": [
            {"file": shard.file, "images": shard.images, "sha256": shard.sha256} for shard in shards
        ],
    }
    write_text_whole(output / INDEX_NAME, json.dumps(index, indent=1, ensure_ascii=False) + "\n")
