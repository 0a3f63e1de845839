"""Streams that other processes make: the same elements in the same order, by however many."""

import socket

import numpy as np
import pytest
import tensorflow as tf

from tests.data.images import write_images
from tests.data.test_pipeline import COUNT, PIXELS, assert_same_batches, stream, take
from tests.feed_process import Feed
from tfcovid.data.feed_server import feeding
from tfcovid.data.feeds import dealt
from tfcovid.data.image_store import ImageStore


@pytest.fixture(scope="module")
def feeds():
    started = [Feed() for _ in range(3)]
    yield tuple(feed.address for feed in started)
    for feed in started:
        assert feed.told()[0] == 0


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    paths = write_images(tmp_path_factory.mktemp("images"), COUNT)
    return ImageStore.load(paths, PIXELS, cache="none")[0]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"start_epoch": 2, "start_batch": 1},
        {"replicas": 3, "own": (1, 2), "batch_size": 5},  # of the last batch replica 2 has none
        {"sampling_weights": np.arange(COUNT) + 1.0},
    ],
    ids=["begun", "shared", "sampled"],
)
def test_feeds_make_the_stream_of_none(store, feeds, count, options):
    assert_same_batches(
        take(stream(store, feeds=feeds[:count], **options), 10), take(stream(store, **options), 10)
    )


def test_a_stream_that_ends_ends(feeds):
    items = tf.data.Dataset.range(6)
    made = dealt(items, lambda part: part.map(lambda number: number**2), feeds[:2])
    assert [int(number) for number in made] == [0, 1, 4, 9, 16, 25]


def test_images_in_memory_are_not_sent(tmp_path, feeds):
    store, _ = ImageStore.load(write_images(tmp_path, COUNT), PIXELS)
    with pytest.raises(ValueError, match=r"feeds: expected images read at each use.*memory"):
        stream(store, feeds=feeds)


def test_what_goes_wrong_at_a_feed_is_told_here(tmp_path, feeds):
    paths = write_images(tmp_path, COUNT)
    store, _ = ImageStore.load(paths, PIXELS, cache="none")
    for path in paths:
        path.unlink()
    with pytest.raises(tf.errors.NotFoundError, match="No such file or directory"):
        take(stream(store, feeds=feeds[:2]), 2)


def test_a_port_that_is_taken_is_told():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        expected = pytest.raises(ValueError, match=rf"--port: {port} cannot be listened at")
        with expected, feeding("127.0.0.1", port):
            pass
