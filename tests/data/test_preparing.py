"""Preparation gives the squares that decoding gives, whatever the parallelism and the history."""

import dataclasses
import importlib.util
import json
import os
import sys

import numpy as np
import pandas as pd
import pytest

from tests.conftest import run_entry
from tests.data.images import encode, noise
from tests.killed_halfway import killed_halfway
from tfcovid.data.decode_files import decode_files
from tfcovid.data.image_files import scan_files
from tfcovid.data.preparing import prepare_records
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.record_index import read_index, shard_name
from tfcovid.data.records import RecordSquares
from tfcovid.data.shard_jobs import ShardJob, finished, make_shard, mistake
from tfcovid.data.sources import coronahack
from tfcovid.data.sources.reading import ROW_COLUMNS, Reading, no_rejected, text_columns

needs_beam = pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None,
    reason="apache_beam is not installed: pip install -r requirements-prepare.txt",
)

SIZE = 24
SHARDS = 4


@pytest.fixture
def root(tmp_path):
    """A data folder with eleven images: JPEG, PNG in several modes, GIF."""
    folder = tmp_path / "data"
    folder.mkdir()
    for index in range(11):
        suffix, content = (
            (".jpg", encode(noise(60, 50, 3, seed=index), "JPEG")),
            (".png", encode(noise(40 + index, 52, seed=index), "PNG")),
            (".gif", encode(noise(45, 40 + index, seed=index), "GIF")),
            (".png", encode(noise(40, 50, 4, seed=index), "PNG")),
        )[index % 4]
        (folder / f"{index:02d}{suffix}").write_bytes(content)
    return folder


def reading_of(root):
    paths = [path.name for path in sorted(root.iterdir())]
    rows = pd.DataFrame({column: [pd.NA] * len(paths) for column in ROW_COLUMNS})
    rows = rows.assign(image=paths, path=paths, finding="Normal", source="made up", age=np.nan)
    rows = text_columns(rows, [column for column in ROW_COLUMNS if column != "age"])
    return Reading(rows, no_rejected(), ("a note",), root)


def prepare(root, output_dir, *, workers=2, **options):
    reading = reading_of(root)
    facts, bad = scan_files(reading.rows, root)
    assert bad.empty
    settings = {
        "output_dir": output_dir,
        "image_size": SIZE,
        "shards": SHARDS,
        "on_bad_image": "fail",
        "max_pixels": 10**6,
        "beam_args": [f"--direct_num_workers={workers}"],
    }
    return prepare_records(reading, facts, **{**settings, **options})


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stamps(folder):
    """What changes when a shard is written again, even with the same bytes."""
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.glob("*.tfrecord")
    }


def made_again(before, after):
    return sorted(name for name in before if after.get(name) != before[name])


def cut(path):
    """Leaves the header whole, so that only decoding finds the damage."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])


def job_of(root, folder):
    rows = reading_of(root).rows
    facts, _ = scan_files(rows, root)
    images = tuple(zip(rows["path"], facts["sha256"], strict=True))
    return ShardJob(str(folder / shard_name(0, 1)), str(root), images, SIZE, 10**6)


def test_a_shard_holds_what_preprocessing_makes_of_each_file(root, tmp_path):
    cut(root / "05.png")
    job = job_of(root, tmp_path)
    make_shard(job)
    done = finished(job)
    assert list(done.failed) == ["05.png"]
    assert done.failed["05.png"].startswith("Invalid PNG data")
    assert done.shard.images == 10
    assert {path.name for path in tmp_path.iterdir()} == {"data", job.path.name, job.note.name}


def test_a_file_that_changed_since_the_scan_is_named(root, tmp_path):
    job = job_of(root, tmp_path)
    (root / "03.png").write_bytes(encode(noise(40, 50), "PNG"))
    make_shard(job)
    assert finished(job) is None
    assert mistake(job).startswith(f"{root / '03.png'}: changed while it was prepared")
    (root / "03.png").unlink()
    make_shard(job)
    assert "No such file" in mistake(job)


def test_without_beam_one_line_says_what_to_install(root, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(ValueError, match=r"Apache Beam .*pip install -r requirements-prepare\.txt"):
        prepare(root, tmp_path / "records")
    assert not (tmp_path / "records").exists()


@needs_beam
def test_squares_and_tables_are_those_of_the_files(root, tmp_path):
    prepared = prepare(root, tmp_path / "records")
    reading = reading_of(root)
    facts, _ = scan_files(reading.rows, root)
    index = read_index(tmp_path / "records")
    pd.testing.assert_frame_equal(index.reading.rows, reading.rows)
    pd.testing.assert_frame_equal(index.facts, facts)
    assert (prepared.made, prepared.kept, prepared.decoded) == (SHARDS, 0, 11)
    paths = list(reading.rows["path"])
    from_files = decode_files([str(root / path) for path in paths], Preprocessing(SIZE))
    from_records = RecordSquares(tmp_path / "records")(paths)
    for name, ours, theirs in zip(paths, from_records, from_files, strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0], err_msg=name)
        np.testing.assert_array_equal(ours[1], theirs[1], err_msg=name)


@needs_beam
def test_the_bytes_do_not_depend_on_parallelism_or_place(root, tmp_path):
    prepare(root, tmp_path / "one", workers=1)
    moved = root.rename(tmp_path / "moved")
    prepare(moved, tmp_path / "three", workers=3)
    assert contents(tmp_path / "one") == contents(tmp_path / "three")


KILLED = """
import os, pathlib, sys
from tests.data import test_preparing as tests
root, output_dir, blocked = map(pathlib.Path, sys.argv[1:])
scan = tests.scan_files
def scan_then_block(rows, root):
    facts = scan(rows, root)
    blocked.rename(output_dir.with_name("kept apart"))
    os.mkfifo(blocked)  # whoever reads it waits for ever
    return facts
tests.scan_files = scan_then_block
tests.prepare(root, output_dir, progress=lambda done, total: print(done, flush=True))
"""


@needs_beam
def test_a_killed_run_goes_on_and_redoes_no_complete_shard(root, tmp_path):
    records, blocked = tmp_path / "records", root / "05.png"
    killed_halfway(KILLED, root, records, blocked, shards=SHARDS)
    (tmp_path / "kept apart").replace(blocked)
    assert not (records / "records.json").exists()
    assert list(records.glob(".part-*"))
    complete = {path.name.removesuffix(".json") for path in records.glob("*.tfrecord.json")}
    before = stamps(records)

    prepared = prepare(root, records)
    assert prepared.kept == len(complete) >= SHARDS // 2
    assert prepared.made == SHARDS - prepared.kept > 0
    after = stamps(records)
    assert {name: after[name] for name in complete} == {name: before[name] for name in complete}
    prepare(root, tmp_path / "fresh")
    assert contents(records) == contents(tmp_path / "fresh")


@needs_beam
def test_only_the_shard_of_a_changed_file_is_made_again(root, tmp_path):
    records = tmp_path / "records"
    prepare(root, records)
    before = stamps(records)
    os.utime(root / "01.png", (0, 0))  # another time, the same bytes
    assert prepare(root, records).made == 0
    assert stamps(records) == before

    (root / "01.png").write_bytes(encode(noise(40, 50, seed=99), "PNG"))
    assert prepare(root, records).made == 1
    assert made_again(before, stamps(records)) == [shard_name(0, SHARDS)]
    prepare(root, tmp_path / "fresh")
    assert contents(records) == contents(tmp_path / "fresh")


@needs_beam
def test_a_damaged_shard_is_made_again(root, tmp_path):
    records = tmp_path / "records"
    prepare(root, records)
    whole = contents(records)
    path = records / shard_name(2, SHARDS)
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(ValueError, match=f"{path.name}: damaged"):
        list(RecordSquares(records)(read_index(records).reading.rows["path"]))
    assert prepare(root, records).made == 1
    assert contents(records) == whole


def other_size(root, records):
    prepare(root, records, image_size=32)


def other_shards(root, records):
    prepare(root, records, shards=3)


def other_files(root, records):
    (root / "99.png").write_bytes(encode(noise(40, 50, seed=99), "PNG"))
    prepare(root, records)


def other_files_of_the_same_names(root, records):
    for path in root.iterdir():
        path.write_bytes(path.read_bytes() + b" ")
    prepare(root, records)


@needs_beam
@pytest.mark.parametrize(
    ("prepare_other", "expected"),
    [
        (other_size, "asked for is made up, 11 images of 32 px in 4 shards: another image size"),
        (other_shards, "11 images of 24 px in 3 shards: another number of shards"),
        (other_files, "12 images of 24 px in 4 shards: other image files, as where"),
        (other_files_of_the_same_names, "other image files, though of the same names"),
    ],
)
def test_records_of_another_kind_are_refused_before_anything_is_touched(
    root, tmp_path, prepare_other, expected
):
    records = tmp_path / "records"
    prepare(root, records)
    before = contents(records)
    lies = "holds records of made up, 11 images of 24 px in 4 shards, "
    with pytest.raises(ValueError, match=f"{lies}.*{expected}.*; name another --output_dir, or"):
        prepare_other(root, records)
    assert contents(records) == before


@needs_beam
def test_unfinished_records_of_another_kind_are_refused_before_anything_is_touched(root, tmp_path):
    records = tmp_path / "records"
    prepare(root, records)
    for path in [*records.glob("*.csv"), records / "records.json"]:
        path.unlink()
    for suffix in ("", ".json"):
        (records / (shard_name(1, SHARDS) + suffix)).unlink()
    before = contents(records)
    for prepare_other in (other_size, other_shards, other_files):
        with pytest.raises(ValueError, match=r"holds unfinished records.* in 4 shards, asked for"):
            prepare_other(root, records)
        assert contents(records) == before


@needs_beam
@pytest.mark.parametrize("name", ["rejected.csv", "reading.csv", "records.json"])
def test_a_file_of_ones_own_that_only_has_a_name_of_the_records_is_refused(root, tmp_path, name):
    records = tmp_path / "mine"
    records.mkdir()
    (records / name).write_text("mine")
    with pytest.raises(ValueError, match=f"expected an empty folder.*Received: {name}"):
        prepare(root, records)
    assert contents(records) == {name: b"mine"}


@needs_beam
def test_a_run_killed_before_its_first_shard_goes_on(root, tmp_path, monkeypatch):
    records = tmp_path / "records"
    prepare(root, records)
    whole = contents(records)

    def killed(*_):
        raise KeyboardInterrupt

    # All shards are outdated, as after an update of TensorFlow: none is kept.
    monkeypatch.setattr("tfcovid.data.shard_jobs.PIXELS_VERSION", 0)
    monkeypatch.setattr("tfcovid.data.preparing.running", killed)
    with pytest.raises(KeyboardInterrupt):
        prepare(root, records)
    assert not contents(records)
    monkeypatch.undo()
    assert prepare(root, records).made == SHARDS
    assert contents(records) == whole


@needs_beam
def test_an_image_that_does_not_decode_is_set_aside_or_ends_the_run(root, tmp_path):
    records = tmp_path / "records"
    cut(root / "05.png")
    cut(root / "08.jpg")
    with pytest.raises(ValueError, match=r"05\.png: Invalid PNG data.*\(2 bad of 11 images\)"):
        prepare(root, records)
    assert not (records / "records.json").exists()

    prepared = prepare(root, records, on_bad_image="set_aside")
    assert (prepared.kept, prepared.made, prepared.set_aside) == (SHARDS, 0, 2)
    index = read_index(records)
    assert list(index.reading.rejected["path"]) == ["05.png", "08.jpg"]
    assert set(index.reading.rejected["category"]) == {"bad file"}
    assert "2 images set aside" in index.reading.notes[-1]
    assert len(index.reading.rows) == 9
    paths = index.reading.rows["path"]
    for path, (square, _, _) in zip(paths, RecordSquares(records)(paths), strict=True):
        expected = Preprocessing(SIZE).image_from_bytes((root / path).read_bytes())
        np.testing.assert_array_equal(square, expected)

    for path in index.reading.rows["path"]:
        cut(root / path)
    with pytest.raises(ValueError, match="no image of the data decodes"):
        prepare(root, tmp_path / "none", on_bad_image="set_aside")


@needs_beam
def test_wrong_arguments_are_refused_and_leave_nothing(root, tmp_path):
    with pytest.raises(ValueError, match="--shards=12: expected 1 to 11"):
        prepare(root, tmp_path / "records", shards=12)
    with pytest.raises(ValueError, match="on_bad_image: expected fail or set_aside"):
        prepare(root, tmp_path / "records", on_bad_image="skip")
    with pytest.raises(ValueError, match="lies in the data set's own folder"):
        prepare(root, root / "records")
    assert not (tmp_path / "records").exists() and not (root / "records").exists()
    # Of several data sets the root is the folder that holds them all; only they are refused.
    prepare(root, root.parent / "fine", data_folders=[root])
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "images-mine.tfrecord").touch()
    with pytest.raises(ValueError, match=r"expected an empty folder.*images-mine\.tfrecord"):
        prepare(root, tmp_path / "records")
    (tmp_path / "records" / "thesis.docx").touch()
    with pytest.raises(ValueError, match=r"expected an empty folder.*thesis\.docx"):
        prepare(root, tmp_path / "records")


@needs_beam
def test_progress_ends_with_every_shard(root, tmp_path):
    seen = []
    prepare(root, tmp_path / "records", progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and seen[-1] == (SHARDS, SHARDS)


@needs_beam
def test_the_command_writes_the_data_set_and_says_how_to_train(small_data, tmp_path):
    records = tmp_path / "records"
    arguments = (f"--data_dir={small_data}", f"--output_dir={records}", "--image_size=32")
    done = run_entry("prepare", *arguments, "--shards=2", "--beam_args=--direct_num_workers=1")
    reading = coronahack.read(small_data)
    assert f"records: {len(reading.rows)} images of 32 px in 2 shards" in done.stdout
    assert f"train: python -m tfcovid.train --data_dir={records} --image_size=32" in done.stdout
    index = read_index(records)
    pd.testing.assert_frame_equal(index.reading.rows, reading.rows)
    assert dataclasses.replace(index.reading, rows=reading.rows).notes == reading.notes
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "--output_dir: expected a folder"),
        (("--output_dir=x", "--epochs=3"), "--epochs: prepare does not read it"),
        (("--output_dir=x", "--fetch=coronahack"), "without --data_dir"),
        (("--output_dir=x", "--image_size=1"), "--image_size"),
        (("--output_dir=x", "--data_dir=no/such"), "--data_dir=no/such: expected a folder"),
    ],
)
def test_the_command_says_what_it_lacks(arguments, expected):
    done = run_entry("prepare", *arguments, check=False)
    assert done.returncode == 1
    assert expected in done.stderr and done.stderr.count("\n") == 1


def test_notes_are_text_that_a_person_can_read(root, tmp_path):
    job = job_of(root, tmp_path)
    make_shard(job)
    fields = json.loads(job.note.read_text())
    assert fields["shard"]["file"] == job.path.name and not fields["failed"]
