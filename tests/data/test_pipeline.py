"""The streams: what is in an epoch, and that order and augmentation depend on nothing else."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats

from tests.data.images import write_images
from tfcovid.data.augment import Augmentation
from tfcovid.data.image_store import ImageStore
from tfcovid.data.pipeline import (
    batch_positions,
    epoch_order,
    evaluation_dataset,
    steps_per_epoch,
    training_dataset,
)
from tfcovid.data.preprocess import Preprocessing

COUNT = 11
PIXELS = Preprocessing(16, channels=1, high=255.0)
AUGMENTATION = Augmentation(rotation_degrees=20, translation=0.1, zoom=0.1, contrast=0.2)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return ImageStore.load(write_images(tmp_path_factory.mktemp("images"), COUNT), PIXELS)[0]


def stream(store, *, indices=None, **options):
    indices = np.arange(COUNT) if indices is None else indices
    arguments = {
        "preprocessing": PIXELS,
        "augmentation": AUGMENTATION,
        "batch_size": 4,
        "seed": 3,
        "num_parallel_calls": 2,
        **options,
    }
    # The label is ten times the index, so that a batch tells whom it holds.
    return training_dataset(store, indices, indices * 10, **arguments)


def take(dataset, count):
    return list(dataset.take(count).as_numpy_iterator())


def assert_same_batches(one, other):
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        for a, b in zip(left, right, strict=True):
            np.testing.assert_array_equal(a, b)


def test_shuffled_epoch_holds_every_example_once_in_another_order():
    orders = [epoch_order(50, seed=1, epoch=epoch)[0].numpy() for epoch in range(4)]
    orders.append(epoch_order(50, seed=2, epoch=0)[0].numpy())
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(50))
    assert len({order.tobytes() for order in orders}) == len(orders)


def test_order_is_a_pure_function_of_seed_and_epoch():
    weights = np.arange(1, 51)
    for options in ({}, {"sampling_weights": weights}):
        one = epoch_order(50, seed=1, epoch=9, **options)
        other = epoch_order(50, seed=1, epoch=9, **options)
        np.testing.assert_array_equal(one, other)


def test_every_position_is_equally_likely_first():
    firsts = [epoch_order(5, seed=0, epoch=epoch)[0].numpy()[0] for epoch in range(500)]
    assert scipy.stats.chisquare(np.bincount(firsts, minlength=5)).pvalue > 1e-4


def test_weighted_sampling_draws_in_proportion_and_never_a_zero_weight():
    weights = np.array([0, 1, 2, 0, 3, 4, 0])
    drawn = np.concatenate(
        [
            epoch_order(7, seed=0, epoch=epoch, sampling_weights=weights)[0].numpy()
            for epoch in range(300)
        ]
    )
    counts = np.bincount(drawn, minlength=7)
    assert not counts[weights == 0].any()
    expected = weights[weights > 0] / weights.sum() * len(drawn)
    assert scipy.stats.chisquare(counts[weights > 0], expected).pvalue > 1e-4


def test_occurrence_counts_the_earlier_draws_of_the_same_example():
    weights = np.array([1.0, 5.0, 2.0, 1.0, 9.0, 1.0, 1.0, 1.0])
    positions, occurrences = epoch_order(8, seed=4, epoch=0, sampling_weights=weights)
    positions = positions.numpy().tolist()
    assert len(set(positions)) < 8
    assert occurrences.numpy().tolist() == [
        positions[:place].count(value) for place, value in enumerate(positions)
    ]


def test_steps_count_the_short_batch():
    assert [steps_per_epoch(n, 4) for n in (1, 4, 5, 8)] == [1, 1, 2, 2]


def test_each_epoch_ends_with_its_short_batch_and_holds_everyone_once(store):
    for first in (0, 3):
        batches = take(stream(store), 6)[first : first + 3]
        assert [len(label) for _, label, _ in batches] == [4, 4, 3]
        labels = np.concatenate([label for _, label, _ in batches])
        np.testing.assert_array_equal(np.sort(labels), np.arange(COUNT) * 10)


def test_images_labels_and_weights_belong_together(store):
    indices = np.array([7, 2, 9, 4, 1])
    weights = np.array([0.7, 0.2, 0.9, 0.4, 0.1])
    dataset = stream(store, indices=indices, augmentation=None, example_weights=weights)
    for images, labels, shares in take(dataset, 2):
        np.testing.assert_array_equal(images, store.fetch(labels // 10).numpy())
        np.testing.assert_allclose(shares, labels / 100, rtol=1e-6)


def test_weights_are_one_unless_given(store):
    assert all(np.all(weights == 1) for _, _, weights in take(stream(store), 3))


def test_batch_dtypes_and_ranges(store):
    images, labels, weights = take(stream(store), 1)[0]
    assert (images.dtype, labels.dtype, weights.dtype) == (np.float32, np.int32, np.float32)
    assert images.shape == (4, 16, 16, 1)
    assert 0 <= images.min() < images.max() <= 255


@pytest.mark.parametrize("parallel", [1, 3, None])
def test_parallelism_changes_nothing(store, parallel):
    reference = take(stream(store, num_parallel_calls=2), 7)
    assert_same_batches(reference, take(stream(store, num_parallel_calls=parallel), 7))


@pytest.mark.parametrize("sampling", [None, np.arange(1.0, COUNT + 1)])
@pytest.mark.parametrize("start", [(0, 0), (0, 2), (1, 0), (2, 1)])
def test_a_later_start_equals_the_tail_of_the_whole_stream(store, start, sampling):
    epoch, batch = start
    whole = take(stream(store, sampling_weights=sampling), 10)
    tail = stream(store, sampling_weights=sampling, start_epoch=epoch, start_batch=batch)
    done = epoch * steps_per_epoch(COUNT, 4) + batch
    assert_same_batches(whole[done:], take(tail, 10 - done))


def test_iterating_twice_gives_the_same_stream(store):
    dataset = stream(store)
    assert_same_batches(take(dataset, 4), take(dataset, 4))


def test_another_seed_gives_other_batches(store):
    one, other = take(stream(store), 1)[0], take(stream(store, seed=4), 1)[0]
    assert not np.array_equal(one[0], other[0])


def test_an_examples_augmentation_does_not_depend_on_the_batch_size(store):
    by_label = [
        {
            int(label): image.tobytes()
            for images, labels, _ in take(stream(store, batch_size=size), steps)
            for image, label in zip(images, labels, strict=True)
        }
        for size, steps in ((4, 3), (COUNT, 1))
    ]
    assert by_label[0] == by_label[1]


@pytest.mark.parametrize("cache", ["disk", "none"])
def test_every_cache_gives_the_same_stream(store, tmp_path, cache):
    other, _ = ImageStore.load(
        write_images(tmp_path, COUNT), PIXELS, cache=cache, folder=tmp_path / "cache"
    )
    assert_same_batches(take(stream(store), 4), take(stream(other), 4))


def test_evaluation_gives_every_example_once_in_order_and_unchanged(store):
    indices = np.array([5, 3, 8, 0, 10])
    dataset = evaluation_dataset(store, indices, indices * 10, preprocessing=PIXELS, batch_size=2)
    assert dataset.cardinality().numpy() == 3
    batches = list(dataset.as_numpy_iterator())
    np.testing.assert_array_equal(np.concatenate([b[1] for b in batches]), indices * 10)
    np.testing.assert_array_equal(
        np.concatenate([b[0] for b in batches]), store.fetch(indices).numpy()
    )


def test_wrong_arguments_are_refused(store):
    cases = {
        "a batch in 0..2": {"start_batch": 3},
        "an epoch >= 0": {"start_epoch": -1},
        "example_weights must be 11 finite numbers": {"example_weights": np.ones(3)},
        "sampling_weights must be 11 finite": {"sampling_weights": np.full(COUNT, np.nan)},
        "sampling_weights must not all be zero": {"sampling_weights": np.zeros(COUNT)},
        "indices must lie in 0..10": {"indices": np.array([11])},
        "non-empty lists": {"indices": np.array([], int)},
    }
    for said, options in cases.items():
        with pytest.raises(ValueError, match=said.replace(".", r"\.")):
            stream(store, **options)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("augmentation", [None, AUGMENTATION])
def test_images_of_another_size_than_the_networks_are_refused(store, augmentation, channels):
    other = Preprocessing(24, channels=channels)
    with pytest.raises(ValueError):
        stream(store, augmentation=augmentation, preprocessing=other)


def test_an_interpreter_that_ends_while_a_stream_runs_ends(tmp_path):
    """A Python function in the stream would hang here."""
    write_images(tmp_path, 4)
    program = f"""
import pathlib, numpy as np
from tfcovid.data.image_store import ImageStore
from tfcovid.data.pipeline import training_dataset
from tfcovid.data.preprocess import Preprocessing
pixels = Preprocessing(16)
store, _ = ImageStore.load(sorted(pathlib.Path({str(tmp_path)!r}).glob("*.png")), pixels)
stream = iter(training_dataset(store, np.arange(4), np.arange(4), preprocessing=pixels,
              augmentation=None, batch_size=2, seed=0))
next(stream)
"""
    root = pathlib.Path(__file__).parents[2]
    command = [sys.executable, "-c", program]
    subprocess.run(command, cwd=root, check=True, timeout=120, capture_output=True)


@pytest.mark.parametrize("sampling_weights", [None, np.linspace(0.0, 1.0, COUNT)])
def test_the_examples_of_a_batch_are_told_without_making_it(store, sampling_weights):
    epochs, steps = 2, steps_per_epoch(COUNT, 4)
    batches = take(stream(store, sampling_weights=sampling_weights), epochs * steps)
    for number, (_, labels, _) in enumerate(batches):
        told = batch_positions(
            COUNT,
            batch_size=4,
            batch=number % steps,
            seed=3,
            epoch=number // steps,
            sampling_weights=sampling_weights,
        )
        np.testing.assert_array_equal(told * 10, labels)


@pytest.mark.parametrize("sampling_weights", [None, np.linspace(0.0, 1.0, COUNT)])
def test_the_parts_of_replicas_make_up_each_batch(store, sampling_weights):
    how = {"sampling_weights": sampling_weights, "start_epoch": 1, "start_batch": 1}
    whole = take(stream(store, **how), 4)  # batches of 4, 3, 4 and 4
    parts = [take(stream(store, replicas=3, own=[n], **how), 4) for n in range(3)]
    for number, batch in enumerate(whole):
        for replica in range(3):
            images, *rest = (tensor[replica::3] for tensor in batch)
            # XLA rounds a batch of another size in another way.
            np.testing.assert_allclose(images, parts[replica][number][0], rtol=1e-6)
            for tensor, part in zip(rest, parts[replica][number][1:], strict=True):
                np.testing.assert_array_equal(tensor, part)
    together = take(stream(store, replicas=3, own=[1, 2], **how), 8)
    assert_same_batches(together[::2], parts[1])
    assert_same_batches(together[1::2], parts[2])


def test_a_replica_without_a_part_gets_an_empty_one(store):
    batches = take(stream(store, replicas=5, own=[4]), 3)
    assert [len(labels) for _, labels, _ in batches] == [0, 0, 0]
    assert batches[0][0].shape == (0, 16, 16, 1)


def test_evaluation_gives_each_replica_its_part_of_every_batch(store):
    indices = np.arange(COUNT)
    how = {"preprocessing": PIXELS, "batch_size": 4}
    whole = list(evaluation_dataset(store, indices, indices, **how).as_numpy_iterator())
    shared = evaluation_dataset(store, indices, indices, replicas=2, own=[0, 1], **how)
    assert int(shared.cardinality()) == 6
    parts = list(shared.as_numpy_iterator())
    for number, (images, labels) in enumerate(whole):
        for replica in range(2):
            np.testing.assert_array_equal(images[replica::2], parts[2 * number + replica][0])
            np.testing.assert_array_equal(labels[replica::2], parts[2 * number + replica][1])
