"""Records read in place: the same squares, from a graph without pixels, and no silent end."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.data.test_records import SIZE, thumbnails_of_test, write_folder
from tfcovid.data.image_store import ImageStore
from tfcovid.data.preprocess import Preprocessing, apply_view
from tfcovid.data.record_index import read_index, shard_name
from tfcovid.data.records import record_type
from tfcovid.data.records_in_place import RecordsInPlace

# Against the order of the records, and not all of them.
ASKED = [4, 0, 3, 1]
PATHS = [f"set/{i} é.png" for i in ASKED]
PIXELS = Preprocessing(SIZE)


@pytest.fixture
def written(tmp_path):
    """A folder of records, its squares in the order of PATHS, and its shards."""
    folder, squares, _ = write_folder(tmp_path / "records")
    return folder, squares[ASKED], [folder / shard_name(number, 2) for number in (0, 1)]


def in_place(folder, paths=PATHS):
    return RecordsInPlace(read_index(folder), paths)


def test_squares_come_back_by_place_eagerly_and_in_a_stream(written):
    folder, squares, _ = written
    records = in_place(folder)
    order = [2, 0, 0, 3, 1]
    np.testing.assert_array_equal(records.fetch(order), squares[order])
    stream = tf.data.Dataset.from_tensor_slices(order).batch(2).map(records.fetch)
    assert stream.element_spec.shape.as_list() == [None, SIZE, SIZE, 1]
    np.testing.assert_array_equal(np.concatenate(list(stream)), squares[order])


def test_no_image_is_asked_for_where_a_replica_has_none_of_a_batch(written):
    records = in_place(written[0])
    stream = tf.data.Dataset.from_tensors(np.zeros(0, np.int64)).map(records.fetch)
    assert next(iter(stream)).shape == records.fetch([]).shape == (0, SIZE, SIZE, 1)


def test_the_graph_holds_no_pixels(written):
    folder, squares, _ = written
    stream = tf.data.Dataset.range(4).batch(2).map(in_place(folder).fetch)
    graph = stream._as_serialized_graph().numpy()
    assert str(folder).encode() in graph
    assert squares[0, :2].tobytes() not in graph


def test_thumbnails_are_read_by_themselves_or_not_at_all(written):
    folder, _, _ = written
    records = in_place(folder, [*PATHS, "no/such.png"])
    *found, missing = records.outcomes()
    assert missing == f"not among the records in {folder}"
    np.testing.assert_array_equal([one[1] for one in found], thumbnails_of_test()[ASKED])
    assert not any(one[1].any() for one in list(records.outcomes(thumbnails=False))[:-1])


def test_each_process_verifies_its_share_of_the_shards_and_the_size_of_all(written):
    folder, _, (first, second) = written
    content = bytearray(second.read_bytes())
    content[50] ^= 1
    second.write_bytes(content)
    assert len(list(in_place(folder).outcomes(share=(0, 2)))) == len(PATHS)
    for share in ((1, 2), (0, 1)):
        with pytest.raises(ValueError, match=r"00001-of-00002.*: damaged"):
            list(in_place(folder).outcomes(share=share))
    first.write_bytes(first.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"00000-of-00002.*: expected 3 records"):
        list(in_place(folder).outcomes(share=(2, 3)))


def cut_to(size):
    return lambda shard: shard.write_bytes(shard.read_bytes()[:size])


def flip(shard):
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(content)


def exchange(shard):
    kind = record_type(SIZE)
    shard.write_bytes(np.fromfile(shard, kind)[::-1].tobytes())


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda shard: shard.unlink(), "No such file or directory while it was in use"),
        (cut_to(0), "cut while it was in use, from [0-9]+ to 0 bytes"),
        (cut_to(record_type(SIZE).itemsize), "cut while it was in use"),  # between two records
        (cut_to(record_type(SIZE).itemsize + 99), "cut while it was in use"),
        (flip, "a record was damaged while it was in use"),
        (exchange, "other records were put in place while they were in use"),
    ],
    ids=["gone", "emptied", "cut-between", "cut-inside", "damaged", "exchanged"],
)
def test_a_shard_that_changes_in_use_is_one_line(written, harm, message):
    folder, squares, (_, second) = written
    records = in_place(folder)
    stream = iter(tf.data.Dataset.from_tensor_slices([3, 0, 2]).batch(1).map(records.fetch))
    np.testing.assert_array_equal(next(stream)[0], squares[3])
    harm(second)
    expected = pytest.raises(ValueError, match=rf"records.*{message}.*; put it back")
    with expected as caught, records.in_use():
        records.fetch([0, 2])
    assert "\n" not in str(caught.value)


def test_another_error_passes(written):
    with pytest.raises(tf.errors.InvalidArgumentError), in_place(written[0]).in_use():
        tf.reshape(tf.range(4), [3])


def load(records, **options):
    return ImageStore.load(
        PATHS, options.pop("preprocessing", PIXELS), records=in_place(records), **options
    )


@pytest.mark.parametrize("view", ["full", "lungs_hidden"])
def test_the_store_paints_the_view_and_another_over_it(written, view):
    folder, squares, _ = written
    seen = dataclasses.replace(PIXELS, view=view)
    store, failures = load(folder, cache="records", preprocessing=seen)
    assert not failures and store.holds_no_pixels
    expected = apply_view(squares, view)
    np.testing.assert_array_equal(store.fetch(range(4)), expected)
    painted = store.seen_through("border_only").fetch(range(4))
    np.testing.assert_array_equal(painted, apply_view(expected, "border_only"))


def test_auto_reads_in_place_what_is_over_the_budget(written, tmp_path):
    folder, _, _ = written
    store, _ = load(folder, budget_mib=0, folder=tmp_path / "cache")
    assert store.cache == "records" and "over the budget of 0 MiB" in store.choice
    assert f"cache: records, read in place in {folder}" in store.choice
    assert not (tmp_path / "cache").exists()


def test_records_are_asked_for_where_there_are_none():
    with pytest.raises(ValueError, match="--cache=records reads in place what"):
        ImageStore.load(["a.png"], PIXELS, cache="records")
