"""The three caches give the same images, and every bad file is found."""

import numpy as np
import pytest
import tensorflow as tf

from tests.data.images import encode, write_images
from tests.data.lung_crop.slices import LEFT, ct_slice
from tfcovid.data.image_store import ImageStore
from tfcovid.data.preprocess import Preprocessing

SMALL = Preprocessing(16)


def load(paths, folder, cache, **options):
    return ImageStore.load(paths, SMALL, cache=cache, folder=folder / "cache", **options)


@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_fetched_images_are_the_preprocessed_files(tmp_path, cache):
    paths = write_images(tmp_path, 7)
    store, failures = load(paths, tmp_path, cache)
    assert failures == {}
    assert len(store) == 7
    chosen = np.array([6, 0, 3, 3])
    images = store.fetch(chosen)
    assert images.dtype == tf.uint8
    for image, index in zip(images, chosen, strict=True):
        np.testing.assert_array_equal(image, SMALL.image_from_bytes(paths[index].read_bytes()))


@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_fetch_in_a_dataset_equals_eager_and_has_a_static_shape(tmp_path, cache):
    store, _ = load(write_images(tmp_path, 5), tmp_path, cache)
    dataset = tf.data.Dataset.range(5).batch(2).map(store.fetch)
    assert dataset.element_spec.shape.as_list() == [None, 16, 16, 1]
    np.testing.assert_array_equal(np.concatenate(list(dataset)), store.fetch(np.arange(5)))


@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_every_bad_file_is_reported_and_the_others_stay_in_place(tmp_path, cache):
    paths = write_images(tmp_path, 5)
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("no image at all")
    (tmp_path / "cut.png").write_bytes(paths[0].read_bytes()[:300])
    bad = [tmp_path / name for name in ("empty.png", "text.jpg", "cut.png", "missing.png")]
    # First, last and two in a row, and a folder in place of a file.
    mixed = [bad[0], paths[0], bad[1], bad[2], paths[1], tmp_path, paths[2], bad[3]]
    store, failures = load(mixed, tmp_path, cache, num_parallel_calls=3)
    assert sorted(failures) == [0, 2, 3, 5, 7]
    np.testing.assert_array_equal(np.flatnonzero(store.failed), sorted(failures))
    assert failures[0].startswith("expected a JPEG, PNG or GIF image")
    assert failures[2].startswith("expected a JPEG, PNG or GIF image")
    assert "No such file" in failures[7]
    for reason in failures.values():
        assert "\n" not in reason
        assert "node" not in reason
    expected = [SMALL.image_from_bytes(path.read_bytes()) for path in paths[:3]]
    np.testing.assert_array_equal(store.fetch([1, 4, 6]), expected)


def test_indices_of_failed_or_absent_files_are_refused(tmp_path):
    paths = write_images(tmp_path, 3)
    paths[1].write_bytes(b"")
    store, _ = load(paths, tmp_path, "memory")
    store.check_indices(np.array([2, 0]))
    with pytest.raises(ValueError, match=r"did not decode, the first is .*1\.png: leave them out"):
        store.check_indices(np.array([0, 1]))
    with pytest.raises(ValueError, match=r"indices must lie in 0\.\.2.*Received: -1\.\.3"):
        store.check_indices(np.array([-1, 3]))


def test_auto_takes_memory_within_the_budget_and_disk_beyond(tmp_path):
    paths = write_images(tmp_path, 4)
    needed_mib = 4 * 16 * 16 / 2**20
    within, _ = load(paths, tmp_path, "auto", budget_mib=needed_mib)
    beyond, _ = load(paths, tmp_path, "auto", budget_mib=needed_mib / 2)
    assert within.cache == "memory"
    assert "memory (4 images of 16 px" in within.choice
    assert beyond.cache == "disk"
    assert str(tmp_path / "cache") in beyond.choice
    assert "over the budget" in beyond.choice
    np.testing.assert_array_equal(within.fetch([2, 1]), beyond.fetch([2, 1]))


def test_disk_cache_leaves_no_file_name_behind(tmp_path):
    store, _ = load(write_images(tmp_path, 3), tmp_path, "disk")
    assert list((tmp_path / "cache").iterdir()) == []
    assert store.fetch([0]).shape == (1, 16, 16, 1)


def test_disk_cache_without_room_says_how_much_is_missing(tmp_path, monkeypatch):
    class Full:
        free = 100

    monkeypatch.setattr("shutil.disk_usage", lambda folder: Full)
    with pytest.raises(ValueError, match=r"needs 0 MiB in .*, where 0 MiB are free"):
        load(write_images(tmp_path, 2), tmp_path, "disk")


def test_progress_counts_every_file(tmp_path):
    seen = []
    load(
        write_images(tmp_path, 4),
        tmp_path,
        "none",
        progress=lambda done, of: seen.append((done, of)),
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_wrong_arguments_are_refused(tmp_path):
    paths = write_images(tmp_path, 2)
    with pytest.raises(ValueError, match="cache must be one of auto, memory, disk, records, none"):
        ImageStore.load(paths, SMALL, cache="ram")
    with pytest.raises(ValueError, match="disk cache needs a folder"):
        ImageStore.load(paths, SMALL, cache="disk")
    with pytest.raises(ValueError, match="at least one image"):
        ImageStore.load([], SMALL)


@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_images_without_lungs_to_crop_to_are_known_and_kept_whole(tmp_path, cache):
    drawn = [ct_slice(), ct_slice(lungs=()), ct_slice(120, 90, lungs=(LEFT,)), ct_slice(lungs=())]
    paths = [tmp_path / f"{number}.png" for number in range(len(drawn))]
    for path, image in zip(paths, drawn, strict=True):
        path.write_bytes(encode(image[..., 0], "PNG"))
    (tmp_path / "bad.png").touch()
    cropping = Preprocessing(32, chain="lung_crop")
    store, failures = ImageStore.load(
        [*paths, tmp_path / "bad.png"], cropping, cache=cache, folder=tmp_path / "cache"
    )
    assert list(failures) == [4]
    assert store.uncropped.tolist() == [False, True, False, True, False]
    expected = [cropping.image_from_bytes(path.read_bytes()) for path in paths]
    np.testing.assert_array_equal(store.fetch(np.arange(4)), expected)
    plain, _ = ImageStore.load(paths, Preprocessing(32), cache="memory")
    assert not plain.uncropped.any()
