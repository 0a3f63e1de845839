"""Decodes a data set once into sharded records, as an Apache Beam pipeline.

The element of the pipeline is a shard, not an image: grouping single images into shards would hold
every square back until the last is decoded, in memory where the runner has nothing else, and a
run that is killed would have nothing to go on from.

"""

import dataclasses
import pathlib
import time
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import tensorflow as tf

from tfcovid.beam_jobs import Progress, import_beam, running, watched
from tfcovid.data.image_files import FACT_TYPES
from tfcovid.data.record_index import (
    PLACE_TYPES,
    RecordIndex,
    read_index,
    shard_name,
    write_index,
)
from tfcovid.data.records_folder import open_folder, remove_tables
from tfcovid.data.shard_jobs import (
    Finished,
    ShardJob,
    finished,
    forget,
    make_shard,
    mistake,
)
from tfcovid.data.sources.reading import TEXT, Category, Reading, aside

NEEDS_BEAM_TO = "prepare records"


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What a run of `prepare_records` did.

    Attributes:
      index: the finished records.
      made: number of shards made.
      kept: number of shards kept from an earlier run.
      decoded: number of files that went into the shards made, with those that did not decode.
      set_aside: number of files left out because they do not decode.
      seconds: what the pipeline took.
    """

    index: RecordIndex
    made: int
    kept: int
    decoded: int
    set_aside: int
    seconds: float


def prepare_records(
    reading: Reading,
    facts: pd.DataFrame,
    *,
    output_dir: pathlib.Path,
    image_size: int,
    shards: int,
    on_bad_image: str,
    max_pixels: int,
    data_folders: Sequence[pathlib.Path] = (),
    beam_args: Sequence[str] = (),
    progress: Progress | None = None,
) -> Prepared:
    """Decodes the images of a reading and writes them as records.

    Args:
      reading: what a reader found; files whose header is bad are already in `rejected`.
      facts: of the files, columns FACT_TYPES, a row for each of `reading.rows`, in order.
      output_dir: made where it is not there; may hold records, whole or not, of an earlier run
        over the same files, whose shards are kept but for those with a file that changed.
      image_size: side of the squares in pixels.
      shards: number of shard files, 1 to the number of images; as many are made at a time at most.
      on_bad_image: 'fail' or 'set_aside', for files that do not decode. 'fail' still makes every
        shard first: all bad files are known at once, and the next run keeps the shards.
      max_pixels: refuses larger images.
      data_folders: of the data sets, which output_dir must not lie in; none means reading.root.
      beam_args: options of Beam, such as --runner=FlinkRunner; by default the DirectRunner works
        in this process with a thread a core.
      progress: called with (shards done, shards in all) now and then.

    Raises:
      ValueError: if Beam is not installed; if output_dir lies in the data folder or holds
        something else, records of other files, size or number of shards among it; if shards is out
        of range; if a file changed since it was scanned or a shard cannot be written; if an image
        does not decode and on_bad_image is 'fail', or none does.
    """
    if on_bad_image not in ("fail", "set_aside"):
        raise ValueError(f"on_bad_image: expected fail or set_aside. Received: {on_bad_image}.")
    if not 1 <= shards <= len(reading.rows):
        raise ValueError(
            f"--shards={shards}: expected 1 to {len(reading.rows)}, the number of images"
        )
    beam = import_beam(NEEDS_BEAM_TO)
    reading = dataclasses.replace(reading, rows=reading.rows.reset_index(drop=True))
    facts = facts[list(FACT_TYPES)].reset_index(drop=True)
    jobs = _shard_jobs(reading, facts, output_dir, image_size, shards, max_pixels)
    open_folder(output_dir, data_folders or [reading.root], jobs, reading)
    todo = [job for job in jobs if finished(job) is None]
    remove_tables(output_dir)
    for job in todo:
        forget(job)
    started = time.monotonic()
    if todo:
        with watched([job.note for job in jobs], progress), running(beam, todo, beam_args) as each:
            each | "make shards" >> beam.Map(make_shard)
    seconds = time.monotonic() - started
    results = [_result(job) for job in jobs]
    failed = {path: reason for result in results for path, reason in result.failed.items()}
    if failed:
        reading, facts = _without(reading, facts, failed, on_bad_image)
    lengths = [result.shard.images for result in results]
    places = {
        "shard": np.repeat(np.arange(shards), lengths),
        "position": np.concatenate([np.arange(length) for length in lengths]),
    }
    index = RecordIndex(
        folder=output_dir,
        image_size=image_size,
        shards=tuple(result.shard for result in results),
        reading=reading,
        facts=facts,
        places=pd.DataFrame(places).astype(PLACE_TYPES),
    )
    write_index(index, tensorflow_version=tf.__version__)
    return Prepared(
        index=read_index(output_dir),
        made=len(todo),
        kept=len(jobs) - len(todo),
        decoded=sum(len(job.images) for job in todo),
        set_aside=len(failed),
        seconds=seconds,
    )


def _shard_jobs(
    reading: Reading,
    facts: pd.DataFrame,
    output_dir: pathlib.Path,
    image_size: int,
    shards: int,
    max_pixels: int,
) -> list[ShardJob]:
    images = list(zip(reading.rows["path"], facts["sha256"], strict=True))
    bounds = np.linspace(0, len(images), shards + 1).astype(int)
    return [
        ShardJob(
            file=str(output_dir.absolute() / shard_name(number, shards)),
            root=str(reading.root.absolute()),
            images=tuple(images[bounds[number] : bounds[number + 1]]),
            image_size=image_size,
            max_pixels=max_pixels,
        )
        for number in range(shards)
    ]


def _result(job: ShardJob) -> Finished:
    result = finished(job)
    if result is None:
        raise ValueError(mistake(job))
    return result


def _without(
    reading: Reading, facts: pd.DataFrame, failed: Mapping[str, str], on_bad_image: str
) -> tuple[Reading, pd.DataFrame]:
    """Returns reading and facts without the files that do not decode, which are then rejected."""
    rows = reading.rows
    bad = rows["path"].isin(list(failed))
    first = next(iter(failed))
    if on_bad_image == "fail":
        raise ValueError(
            f"{reading.root / first}: {failed[first]} ({bad.sum()} bad of {len(rows)} images); "
            "repair it, or leave such images out with --on_bad_image=set_aside"
        )
    if bad.all():
        raise ValueError(f"{reading.root / first}: {failed[first]}: no image of the data decodes")
    reasons = rows.loc[bad, "path"].map(failed)
    rejected = aside(rows[bad], Category.BAD_FILE, reasons)
    note = f"{bad.sum()} images set aside because they do not decode, the first: {first}."
    reading = dataclasses.replace(
        reading,
        rows=rows[~bad].reset_index(drop=True),
        rejected=pd.concat([reading.rejected, rejected], ignore_index=True).astype(TEXT),
        notes=(*reading.notes, note),
    )
    return reading, facts[~bad].reset_index(drop=True)
