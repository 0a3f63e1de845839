"""The contract of a file says what its deployer has to do."""

import dataclasses
import json

import numpy as np
import tensorflow as tf

from tests.exports.modules import PREPROCESSING, contract
from tfcovid.data.preprocess import CHAINS, VIEWS, Preprocessing
from tfcovid.exports.contract import PAINTED, SQUARES


def test_every_chain_and_view_has_its_words():
    assert SQUARES.keys() == CHAINS.keys()
    assert PAINTED.keys() == set(VIEWS)


def test_a_painted_view_is_a_step_of_its_own():
    hidden = dataclasses.replace(PREPROCESSING, view="lungs_hidden")
    (step,) = contract(preprocessing=hidden)["input"]["made_by"][2:]
    assert step == (
        "fill the box from 0.12 to 0.88 of the height and 0.1 to 0.9 of the width with 128"
    )
    assert len(contract()["input"]["made_by"]) == 2


def test_a_crop_is_left_to_the_saved_model():
    cropping = dataclasses.replace(PREPROCESSING, chain="lung_crop")
    steps = contract(preprocessing=cropping)["input"]["made_by"]
    assert "SavedModel" in steps[-1]
    assert "SavedModel" not in " ".join(contract()["input"]["made_by"])


def test_the_steps_make_the_square_that_training_made():
    # By another library: SciPy and NumPy know nothing of TensorFlow's resizing.
    image = np.random.default_rng(0).integers(0, 256, (96, 64, 1)).astype(np.uint8)
    shrunk = image[..., 0].reshape(32, 3, 32, 2).mean(axis=(1, 3))
    square = np.floor(shrunk + 0.5).astype(np.uint8)
    ours = PREPROCESSING.image_from_bytes(tf.io.encode_png(image)).numpy()
    assert np.abs(ours[..., 0].astype(int) - square).max() <= 1
    assert (ours[..., 0] == square).mean() > 0.99


def test_preprocessing_is_rebuilt_from_the_json_of_a_contract():
    text = json.dumps(contract(), allow_nan=False)
    assert Preprocessing.from_json(json.loads(text)["preprocessing"]) == PREPROCESSING
