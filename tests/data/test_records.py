"""Records give back the squares and tables that went in, and refuse whatever was changed."""

import dataclasses
import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tests.data.images import encode, noise
from tfcovid.data.copies.fingerprint import THUMBNAIL_PX
from tfcovid.data.image_files import FACT_TYPES
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.record_index import (
    PLACE_TYPES,
    RecordIndex,
    read_index,
    shard_name,
    write_index,
)
from tfcovid.data.records import (
    RecordSquares,
    record_type,
    verify_shard,
    write_shard,
)
from tfcovid.data.sources import records
from tfcovid.data.sources.joining import join_readings
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.reading import ROW_COLUMNS, Reading, no_rejected, text_columns

SIZE = 16
COUNT = 5


def made_up_reading(root):
    """Text that CSV could spoil, ages that are not round, and missing cells."""
    rows = pd.DataFrame({column: [pd.NA] * COUNT for column in ROW_COLUMNS})
    rows["image"] = ["a,b", 'say "x"', "NA", "ü", "007"]
    rows["path"] = [f"set/{i} é.png" for i in range(COUNT)]
    rows["finding"] = ["Normal", "COVID-19", "E. coli", "Normal", pd.NA]
    rows["pathologies"] = ["No Finding", pd.NA, "Mass|Hernia", pd.NA, "Edema"]
    rows["patient_id"] = ["0123", pd.NA, "None", "p p", "p"]
    rows["age"] = [0.1 + 0.2, np.nan, 3.0, 1 / 3, np.nan]
    rows = text_columns(rows, [column for column in ROW_COLUMNS if column != "age"])
    rows["age"] = rows["age"].astype("float64")
    rejected = no_rejected()
    rejected.loc[0] = ["x", "set/x.png", "missing file", "missing file"]
    return Reading(rows, rejected, ("one note", "zwei"), root, {"ours": "adults, as declared"})


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "records")[0]


def thumbnails_of_test():
    return noise(COUNT * THUMBNAIL_PX, THUMBNAIL_PX, seed=4).reshape(COUNT, THUMBNAIL_PX, -1)


def write_folder(folder):
    """Writes two shards, of 3 and 2 records; returns the folder, the squares and the index."""
    folder.mkdir()
    squares = noise(COUNT * SIZE, SIZE, seed=3).reshape(COUNT, SIZE, SIZE, 1)
    digests = [hashlib.sha256(bytes([i])).hexdigest() for i in range(COUNT)]
    pairs = list(zip(digests, squares, thumbnails_of_test(), strict=True))
    shards = [
        write_shard(folder / shard_name(number, 2), part, SIZE)
        for number, part in enumerate((pairs[:3], pairs[3:]))
    ]
    facts = pd.DataFrame(
        {"sha256": digests, "width": 40, "height": 50, "mode": "L", "format": "PNG"}
    )
    places = pd.DataFrame({"shard": [0, 0, 0, 1, 1], "position": [0, 1, 2, 0, 1]})
    index = RecordIndex(
        folder=folder,
        image_size=SIZE,
        shards=tuple(shards),
        reading=made_up_reading(folder),
        facts=facts.astype(FACT_TYPES),
        places=places.astype(PLACE_TYPES),
    )
    write_index(index, tensorflow_version=tf.__version__)
    return folder, squares, index


def test_tables_come_back_as_they_went_in(tmp_path):
    folder, _, written = write_folder(tmp_path / "records")
    index = read_index(folder)
    for name in ("facts", "places"):
        pd.testing.assert_frame_equal(getattr(index, name), getattr(written, name))
    for name in ("rows", "rejected"):
        theirs = getattr(written.reading, name)
        pd.testing.assert_frame_equal(getattr(index.reading, name), theirs, check_exact=True)
    assert index.reading.notes == written.reading.notes
    assert index.reading.declared == written.reading.declared
    assert (index.shards, index.image_size) == (written.shards, SIZE)


def test_the_records_are_a_data_set(folder):
    reading = records.read(folder, SourceOptions())
    assert records.recognise(folder) and not records.recognise(folder.parent)
    assert reading.root == folder
    assert list(reading.rows["path"]) == [f"set/{i} é.png" for i in range(COUNT)]
    pd.testing.assert_frame_equal(reading.facts, read_index(folder).facts)
    for option in ({"patients": "p.csv"}, {"columns": {"image": "file"}}, {"patient_key": "k"}):
        with pytest.raises(ValueError, match=f"--{next(iter(option))} with .* holds records"):
            records.read(folder, SourceOptions(**option))


def test_records_are_not_joined_with_another_data_set(folder):
    reading = records.read(folder, SourceOptions())
    other = dataclasses.replace(reading, root=folder.parent / "other", facts=None)
    with pytest.raises(ValueError, match=r"records, which are read alone; .*--extra_data_dir"):
        join_readings([other, reading])


def test_squares_come_back_by_path_in_the_order_asked_for(tmp_path):
    folder, squares, _ = write_folder(tmp_path / "records")
    asked = ["set/4 é.png", "set/0 é.png", "no/such.png", "set/4 é.png"]
    found = list(RecordSquares(folder)(asked))
    assert found[2] == f"not among the records in {folder}"
    for (square, thumbnail, _), place in ((found[0], 4), (found[1], 0), (found[3], 4)):
        assert square.dtype == thumbnail.dtype == np.uint8
        np.testing.assert_array_equal(square, squares[place])
        np.testing.assert_array_equal(thumbnail, thumbnails_of_test()[place])


def test_tensorflow_reads_the_shards_too(tmp_path):
    folder, squares, _ = write_folder(tmp_path / "records")
    dataset = tf.data.TFRecordDataset([str(folder / shard_name(number, 2)) for number in (0, 1)])
    found = np.array([tf.io.decode_raw(record, tf.uint8)[32:] for record in dataset])
    np.testing.assert_array_equal(found[:, : SIZE**2], squares.reshape(COUNT, -1))
    np.testing.assert_array_equal(found[:, SIZE**2 :], thumbnails_of_test().reshape(COUNT, -1))


@pytest.mark.parametrize("place", [0, 60, -1])
def test_a_flipped_byte_is_refused_and_the_shard_named(folder, place):
    path = folder / shard_name(1, 2)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    squares = RecordSquares(folder)
    # The other shard is whole.
    assert isinstance(next(squares(["set/0 é.png"])), tuple)
    with pytest.raises(ValueError, match=rf"{path.name}: damaged: expected SHA-256"):
        list(squares(["set/4 é.png"]))


def test_a_missing_shard_is_refused(folder):
    (folder / shard_name(0, 2)).unlink()
    with pytest.raises(ValueError, match=r"images-00000-of-00002.*cannot be read"):
        list(RecordSquares(folder)(["set/0 é.png"]))
    with pytest.raises(ValueError, match="cannot be read"):
        verify_shard(folder / shard_name(0, 2), "0" * 64)


def test_two_shards_that_changed_places_are_refused(folder):
    first, second = (folder / shard_name(number, 2) for number in (0, 1))
    fields = json.loads((folder / "records.json").read_text())
    shards = fields["shards"]
    first.write_bytes(second.read_bytes() + second.read_bytes()[: record_type(SIZE).itemsize])
    shards[0]["sha256"] = hashlib.sha256(first.read_bytes()).hexdigest()
    (folder / "records.json").write_text(json.dumps(fields))
    with pytest.raises(ValueError, match=r"record 0 is not of the file that reading\.csv names"):
        list(RecordSquares(folder)(["set/0 é.png"]))


@pytest.mark.parametrize("name", ["reading.csv", "rejected.csv"])
def test_an_edited_table_is_refused(folder, name):
    path = folder / name
    path.write_text(path.read_text().replace("set/", "sat/"))
    with pytest.raises(ValueError, match=f"{name}: changed since the records were made"):
        read_index(folder)
    path.unlink()
    with pytest.raises(ValueError, match=f"{name}: cannot be read"):
        read_index(folder)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("format", 1, "expected records of format 2"),
        ("image_size", "16", "image_size: expected int"),
        ("image_size", 2, "image_size: expected at least 8"),
        ("view", "lungs_only", "view: expected full"),
        ("images", True, "images: expected int"),
        ("images", 4, "images: expected 5, the sum over shards"),
        ("shards", [{}], "shards: entry 1 is none"),
        ("shards", [{"file": "../x", "images": 5, "bytes": 1, "sha256": "0" * 64}], "entry 1"),
        ("notes", [1], "notes and declared: expected text"),
        ("tables", {}, "changed since the records were made"),
    ],
)
def test_a_damaged_index_is_refused_in_one_line(folder, field, value, expected):
    path = folder / "records.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, field: value}))
    with pytest.raises(ValueError, match=expected) as refused:
        read_index(folder)
    assert str(folder) in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("content", ["", "[]", "no JSON", "\xff"])
def test_an_index_that_is_none_is_refused(folder, content):
    (folder / "records.json").write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match=r"records\.json: expected"):
        read_index(folder)


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("path", "../x.png", "a path inside the data folder"),
        ("path", pd.NA, "a value"),
        ("finding", "Plague", "one of Normal"),
        ("pathologies", "Mass|Plague", "expected Atelectasis"),
        ("sha256", "abc", "64 hexadecimal digits"),
        ("age", "old", "a number from 0 to"),
        ("width", "1.5", "a number from 0 to"),
        ("position", "2", "the 5 places of the shards in order"),
    ],
)
def test_a_value_that_cannot_stand_there_is_refused(folder, column, value, expected):
    path = folder / "reading.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[1, column] = "" if value is pd.NA else value
    table.to_csv(path, index=False)
    fields = json.loads((folder / "records.json").read_text())
    fields["tables"]["reading.csv"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "records.json").write_text(json.dumps(fields))
    with pytest.raises(ValueError, match=f"{column}.*{expected}"):
        read_index(folder)


def test_an_unfinished_folder_says_how_to_go_on(folder):
    (folder / "records.json").unlink()
    with pytest.raises(ValueError, match="run it again, it goes on where it stopped"):
        read_index(folder)


def test_a_shard_that_fails_half_way_leaves_nothing(tmp_path):
    good, small = noise(SIZE, SIZE)[..., None], thumbnails_of_test()[0]
    with pytest.raises(ValueError, match=r"expected squares uint8 \[16, 16, 1\]. Received: int64"):
        bad = ("0" * 64, good.astype(int), small)
        write_shard(tmp_path / "x.tfrecord", [("0" * 64, good, small), bad], SIZE)
    with pytest.raises(ValueError, match=r"expected thumbnails uint8 \[96, 96\]"):
        write_shard(tmp_path / "x.tfrecord", [("0" * 64, good, good)], SIZE)
    with pytest.raises(OSError, match="cannot be written"):
        write_shard(tmp_path / "none" / "x.tfrecord", [("0" * 64, good, small)], SIZE)
    assert list(tmp_path.iterdir()) == []


def test_the_pixels_of_this_version():
    """Fails when decoding or resizing changes: count PIXELS_VERSION up, then mend the digest."""
    image = encode(noise(64, 128, 3, seed=1), "PNG")
    square = Preprocessing(SIZE).image_from_bytes(image).numpy()
    assert hashlib.sha256(square.tobytes()).hexdigest()[:16] == "e0fcd9e6055ea833"


def test_an_index_without_rejected_images_is_whole(tmp_path):
    folder, _, written = write_folder(tmp_path / "records")
    reading = dataclasses.replace(written.reading, rejected=no_rejected())
    write_index(dataclasses.replace(written, reading=reading), tensorflow_version="2")
    pd.testing.assert_frame_equal(read_index(folder).reading.rejected, no_rejected())
