"""The folder that records are written into: whether what lies in it may be gone on with."""

import pathlib
import re
from collections.abc import Sequence

from tfcovid.beam_jobs import NOTE_SUFFIX, read_note
from tfcovid.data.record_index import (
    INDEX_NAME,
    READING_NAME,
    REJECTED_NAME,
    RecordIndex,
    read_index,
)
from tfcovid.data.shard_jobs import ShardJob
from tfcovid.data.sources.reading import Reading, listing
from tfcovid.whole_file import PART_PREFIX

_SHARD = re.compile(r"images-\d{5}-of-(\d{5})\.tfrecord")
# The index first: without it the folder counts as unfinished. The tables go while there are shards
# beside them: alone they would be taken for somebody's own files.
_TABLES = (INDEX_NAME, READING_NAME, REJECTED_NAME)


def open_folder(
    output_dir: pathlib.Path,
    roots: Sequence[pathlib.Path],
    jobs: Sequence[ShardJob],
    reading: Reading,
) -> None:
    """Makes the folder, or refuses it before anything in it is touched.

    Args:
      output_dir: made where it is not there; may hold what an earlier run over the same data set,
        with the same settings, left; what a kill left half written is removed.
      roots: folders of the data sets, which output_dir must not lie in.
      jobs: all shards that are asked for.
      reading: the images that are asked for.

    Raises:
      ValueError: if output_dir lies in one of the roots, holds something else than records, or
        records of other files, another size or in another number of shards.
    """
    for root in roots:
        if output_dir.resolve().is_relative_to(root.resolve()):
            raise ValueError(
                f"--output_dir={output_dir}: lies in the data set's own folder {root}; name another"
            )
    output_dir.mkdir(parents=True, exist_ok=True)
    names = sorted(path.name for path in output_dir.iterdir())
    found = [_SHARD.fullmatch(name.removesuffix(NOTE_SUFFIX)) for name in names]
    counts = sorted({int(match[1]) for match in found if match})
    index = _finished_index(output_dir)
    tables = _TABLES if counts or index else ()
    strange = [
        name
        for name, match in zip(names, found, strict=True)
        if not match and name not in tables and not name.startswith(PART_PREFIX)
    ]
    if strange:
        raise ValueError(
            f"--output_dir={output_dir}: expected an empty folder, or one with records. Received: "
            f"{listing(strange)}"
        )
    unlike = _what_is_unlike(counts, index, jobs)
    if unlike:
        raise ValueError(
            f"--output_dir={output_dir}: holds {_what_lies_there(counts, index, jobs)}, asked for "
            f"is {_sources(reading)}, {_size(len(reading.rows), jobs[0].image_size, len(jobs))}: "
            f"{unlike}; name another --output_dir, or delete that folder"
        )
    for name in names:
        if name.startswith(PART_PREFIX):
            (output_dir / name).unlink()


def remove_tables(output_dir: pathlib.Path) -> None:
    """Removes the tables of an earlier run: the folder then counts as unfinished."""
    for name in _TABLES:
        (output_dir / name).unlink(missing_ok=True)


def _finished_index(folder: pathlib.Path) -> RecordIndex | None:
    """Returns what finished records a folder holds, None where there are none or not whole ones."""
    try:
        return read_index(folder)
    except ValueError:
        return None


def _what_is_unlike(
    counts: Sequence[int], index: RecordIndex | None, jobs: Sequence[ShardJob]
) -> str:
    """Returns in what records that lie there differ from those asked for, "" for nothing."""
    if index is not None:
        counts = sorted({*counts, len(index.shards)})
    if any(count != len(jobs) for count in counts):
        return "another number of shards"
    notes = [note for note in map(read_note, [job.note for job in jobs]) if note]
    if any("paths" not in note for note in notes):
        return "records of an earlier version, which do not say of which files they are"
    sizes = {note["image_size"] for note in notes}
    if index is not None:
        sizes.add(index.image_size)
    if sizes - {jobs[0].image_size}:
        return "another image size"
    kept = {job: read_note(job.note).get("paths", job.paths) for job in jobs}
    if any(paths != job.paths for job, paths in kept.items()):
        return "other image files, as where a data set has grown"
    asked = {sha256 for job in jobs for _, sha256 in job.images}
    if index is not None and asked.isdisjoint(index.facts["sha256"]):
        return "other image files, though of the same names"
    return ""


def _what_lies_there(
    counts: Sequence[int], index: RecordIndex | None, jobs: Sequence[ShardJob]
) -> str:
    if index is not None:
        size = _size(len(index.places), index.image_size, len(index.shards))
        return f"records of {_sources(index.reading)}, {size}"
    sizes = {read_note(job.note).get("image_size") for job in jobs} - {None}
    of_size = f" of {', '.join(map(str, sizes))} px" if sizes else ""
    return f"unfinished records{of_size} in {', '.join(map(str, counts))} shards"


def _size(images: int, image_size: int, shards: int) -> str:
    return f"{images} images of {image_size} px in {shards} shards"


def _sources(reading: Reading) -> str:
    return ", ".join(reading.rows["source"].dropna().unique()) or "a data set without a name"
