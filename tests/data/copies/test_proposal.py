import numpy as np
import pytest
from scipy import fft, ndimage

from tests.data.copies.films import film, recoded, thumbnail
from tfcovid.data.copies import proposal
from tfcovid.data.copies.fingerprint import CROPS, HASH_BITS, hashes, resample

FILMS = [film(number) for number in range(24)]
CROPPED = [recoded(FILMS[number], crop=(0.06, 0.0, 0.06, 0.0)) for number in (3, 5)]
THUMBNAILS = np.stack([thumbnail(picture) for picture in [*FILMS, *CROPPED, FILMS[0]]])


def one_by_one():
    """The pairs, pair by pair: (image, other) to the number of the crop."""
    whole = hashes(THUMBNAILS)
    agreements = np.stack([whole @ hashes(THUMBNAILS, crop).T for crop in CROPS])
    best, crop = agreements.max(axis=0), agreements.argmax(axis=0)
    found = {}
    for image in range(len(THUMBNAILS)):
        others = [other for other in range(len(THUMBNAILS)) if other != image]
        nearest = sorted(others, key=lambda o: (-best[image, o], crop[image, o], o))
        for other in nearest[: proposal.NEAREST]:
            if (HASH_BITS - best[image, other]) / 2 <= proposal.MOST_DIFFERING_BITS:
                found[image, other] = int(crop[image, other])
    return found


@pytest.mark.parametrize("scores", [1, 100, 2**22])
def test_the_nearest_are_those_found_pair_by_pair_however_many_at_a_time(monkeypatch, scores):
    monkeypatch.setattr(proposal, "SCORES", scores)
    monkeypatch.setattr(proposal, "LEAST_ROWS", 2)
    pairs, crops = proposal.propose_pairs(THUMBNAILS)
    found = dict(zip(map(tuple, pairs.tolist()), crops.tolist(), strict=True))
    assert len(found) == len(pairs)
    assert found == one_by_one()
    assert {(3, 24), (5, 25), (0, 26), (26, 0)} <= set(found)
    assert found[0, 26] == 0  # the whole


def test_of_many_equals_the_earlier_images_are_taken():
    same = np.stack([THUMBNAILS[0]] * (proposal.NEAREST + 5))
    pairs, crops = proposal.propose_pairs(same)
    assert pairs[pairs[:, 0] == 20, 1].tolist() == list(range(proposal.NEAREST))
    assert (crops == 0).all()


def test_progress_counts_images(monkeypatch):
    monkeypatch.setattr(proposal, "SCORES", 1)
    monkeypatch.setattr(proposal, "LEAST_ROWS", 10)
    seen = []
    proposal.propose_pairs(THUMBNAILS, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(10, 27), (20, 27), (27, 27)]


@pytest.mark.parametrize("crop", [CROPS[0], CROPS[3]], ids=str)
def test_the_hash_is_the_signs_of_the_low_frequencies(crop):
    pictures = ndimage.gaussian_filter(np.random.default_rng(0).random((300, 96, 96)), (0, 3, 3))
    pictures = (255 * pictures).astype(np.uint8)
    small = resample(pictures, crop, 32).astype(float)
    frequencies = fft.dctn(small, axes=(1, 2))[:, :12, :12].reshape(len(pictures), -1)[:, 1:]
    above = frequencies > np.median(frequencies, axis=1, keepdims=True)
    assert ((hashes(pictures, crop) > 0) == above).mean() > 1 - 1e-4  # rounding at the median
