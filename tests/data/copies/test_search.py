import numpy as np
import pandas as pd
import pytest

from tests.data.copies.films import film, recoded, thumbnail
from tfcovid.data.copies.search import find_copies

FILMS = [film(number) for number in range(30)]


def found_in(pictures, *, digests=None):
    sha256 = pd.Series(digests or [f"{n:064x}" for n in range(len(pictures))], dtype="str")
    return find_copies(sha256, np.stack([thumbnail(p) for p in pictures]))


def test_different_films_are_no_copies_though_they_are_alike_in_the_large():
    pictures = np.stack([thumbnail(p) for p in FILMS]).reshape(len(FILMS), -1)
    assert np.corrcoef(pictures).min() > 0.3
    assert found_in(FILMS).empty


@pytest.mark.parametrize(
    "change",
    [
        {"size": (100, 160)},
        {"size": (500, 500), "quality": 30},
        {"crop": (0.05, 0.0, 0.02, 0.05)},
        {"crop": (0.0, 0.1, 0.1, 0.0), "size": (200, 220)},
        {"crop": (0.08, 0.08, 0.08, 0.08), "quality": 40},
    ],
    ids=str,
)
def test_a_copy_in_another_size_codec_or_crop_is_found_and_nothing_else(change):
    found = found_in([*FILMS, recoded(FILMS[7], **change)])
    assert found[["first", "second"]].to_numpy().tolist() == [[7, 30]]
    assert found["how"].isin(["same picture", "look-alike"]).all()
    assert found["correlation"].iloc[0] > 0.85


def test_a_cropped_copy_is_found_whichever_comes_first():
    cropped = recoded(FILMS[7], crop=(0.06, 0.02, 0.0, 0.07))
    assert found_in([cropped, *FILMS])[["first", "second"]].to_numpy().tolist() == [[0, 8]]


def test_equal_bytes_pair_with_the_first_and_are_compared_once():
    digests = ["a" * 64, "b" * 64, "a" * 64, "a" * 64]
    found = found_in([FILMS[0], FILMS[1], FILMS[0], FILMS[0]], digests=digests)
    assert found.to_numpy().tolist() == [
        [0, 2, "same bytes", 1.0],
        [0, 3, "same bytes", 1.0],
    ]


def test_by_bytes_alone_no_picture_is_looked_at():
    digests = pd.Series(["a", "b", "a"], dtype="str")
    assert find_copies(digests, None)[["first", "second"]].to_numpy().tolist() == [[0, 2]]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_images_are_searched_too(count):
    sha256 = pd.Series([f"{n:064x}" for n in range(count)], dtype="str")
    assert find_copies(sha256, np.zeros((count, 96, 96), np.uint8)).empty


def test_flat_images_are_no_copies_of_one_another():
    flat = np.stack([np.full((96, 96), level, np.uint8) for level in (0, 90, 255)])
    assert find_copies(pd.Series(["a", "b", "c"], dtype="str"), flat).empty
