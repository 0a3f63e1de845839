"""Views, chains and the network's range, each against arithmetic in float64."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from tests.data.images import encode, noise
from tests.data.lung_crop.slices import ct_slice
from tfcovid.data.decode import decode_gray
from tfcovid.data.lung_crop.chain import lung_crop
from tfcovid.data.preprocess import CHAINS, LUNG_BOX, VIEWS, Preprocessing, apply_view

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def inside_box(size):
    centres = (np.arange(size) + 0.5) / size
    rows = (centres >= LUNG_BOX.top) & (centres < LUNG_BOX.bottom)
    columns = (centres >= LUNG_BOX.left) & (centres < LUNG_BOX.right)
    return rows[:, None] & columns[None, :]


@pytest.mark.parametrize("size", [64, 75, 224])
@pytest.mark.parametrize(
    ("view", "inside", "outside"),
    [("border_only", 0, None), ("lungs_hidden", 128, None), ("lungs_only", None, 0)],
)
def test_view_paints_one_side_of_the_box_and_leaves_the_other(size, view, inside, outside):
    images = np.stack([noise(size, size, seed=seed) for seed in (1, 2)])[..., None]
    box = inside_box(size)
    shown = apply_view(tf.constant(images), view).numpy()
    for part, paint in ((box, inside), (~box, outside)):
        expected = images[:, part] if paint is None else np.full_like(images[:, part], paint)
        np.testing.assert_array_equal(shown[:, part], expected)


def test_hidden_pixels_do_not_reach_the_network():
    one, other = noise(64, 64, seed=1), noise(64, 64, seed=2)
    border = Preprocessing(64, view="border_only")
    other[~inside_box(64)] = one[~inside_box(64)]
    np.testing.assert_array_equal(border(encode(one, "PNG")), border(encode(other, "PNG")))


def test_full_view_changes_nothing():
    images = noise(32, 32)[..., None]
    np.testing.assert_array_equal(apply_view(tf.constant(images), "full"), images)


def test_unknown_view_is_refused_by_name():
    with pytest.raises(ValueError, match=r"view must be one of full, .*lungs'"):
        apply_view(tf.zeros([8, 8, 1], tf.uint8), "lungs")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(
    "fields",
    [
        {"channels": 1},
        {"channels": 3},
        {"channels": 3, **IMAGENET},
        {"channels": 3, "mean": (0.5,), "std": (0.25,)},
        {"channels": 1, "low": -1024.0, "high": 1024.0},
        {"channels": 1, "low": 0.0, "high": 255.0, "mean": (128.0,), "std": (57.0,)},
    ],
)
def test_network_input_is_the_formula_in_every_channel(fields, dtype):
    preprocessing = Preprocessing(16, **fields)
    images = np.stack([noise(16, 16, seed=seed) for seed in range(3)])[..., None].astype(dtype)
    unit = images.astype(np.float64) / 255
    spread = preprocessing.high - preprocessing.low
    exact = (preprocessing.low + unit * spread - preprocessing.mean) / preprocessing.std
    exact = np.broadcast_to(exact, (*images.shape[:-1], preprocessing.channels))
    inputs = preprocessing.network_input(images)
    assert inputs.dtype == tf.float32
    assert inputs.shape == exact.shape
    np.testing.assert_allclose(inputs, exact, rtol=1e-6, atol=1e-6 * np.abs(exact).max())
    gray = preprocessing.gray(inputs.numpy())
    assert gray.dtype == np.float32
    np.testing.assert_allclose(gray, images, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(
    "fields",
    [
        {"channels": 1, **{name: values[:1] for name, values in IMAGENET.items()}},
        {"channels": 3},
        {"channels": 3, **IMAGENET},
        {"channels": 3, "low": -1024.0, "high": 1024.0},
    ],
)
@pytest.mark.parametrize("size", [16, 75, 224])
def test_the_streams_input_is_the_networks_bit_for_bit(size, fields, dtype):
    preprocessing = Preprocessing(size, **fields)
    images = np.stack([noise(size, size, seed=seed) for seed in range(3)])[..., None].astype(dtype)
    if dtype == np.float32:
        images = images * np.float32(0.9973)
    made = preprocessing.stream_input(images)
    assert made.numpy().tobytes() == preprocessing.network_input(images).numpy().tobytes()


def test_an_image_of_another_size_is_refused():
    with pytest.raises(tf.errors.InvalidArgumentError):
        Preprocessing(64).network_input(noise(32, 32)[None, ..., None])


def test_call_is_image_then_network_input_and_the_graph_equals_eager():
    preprocessing = Preprocessing(64, **IMAGENET)
    encoded = encode(noise(90, 50), "PNG")
    by_hand = preprocessing.network_input(preprocessing.image_from_bytes(encoded))
    graph = tf.function(preprocessing, input_signature=[tf.TensorSpec([], tf.string)])
    assert graph.get_concrete_function().output_shapes == (64, 64, 3)
    np.testing.assert_array_equal(preprocessing(encoded), by_hand)
    np.testing.assert_array_equal(graph(encoded), by_hand)


def test_json_round_trip_keeps_every_field():
    preprocessing = Preprocessing(96, view="lungs_only", low=-1.0, high=2.0, **IMAGENET)
    loaded = Preprocessing.from_json(json.loads(json.dumps(preprocessing.to_json())))
    assert loaded == preprocessing
    assert hash(loaded) == hash(preprocessing)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"image_size": 4}, "image_size must be at least 8"),
        ({"channels": 2}, "channels must be 1 or 3"),
        ({"view": "lungs"}, "view must be one of"),
        ({"low": 1.0, "high": 1.0}, "low must be below high"),
        ({"mean": (0.1, 0.2)}, "mean must have 1 or 3 numbers"),
        ({"channels": 1, "std": (0.1, 0.2, 0.3)}, "std must have 1 or 1 numbers"),
        ({"std": (0.0,)}, "std must be positive"),
        ({"chain": "crop"}, "chain must be one of plain, lung_crop. Received: 'crop'"),
        (
            {"chain": "lung_crop", "view": "lungs_hidden"},
            "chain='lung_crop' moves the lungs, so the view must be full. Received: 'lungs_hidden'",
        ),
    ],
)
def test_impossible_fields_are_refused_by_name(fields, said):
    with pytest.raises(ValueError, match=said):
        Preprocessing(**{"image_size": 64, **fields})


def test_every_view_is_a_valid_field():
    for view in VIEWS:
        assert dataclasses.replace(Preprocessing(64), view=view).view == view


@pytest.mark.parametrize("chain", CHAINS)
def test_chain_survives_json(chain):
    preprocessing = Preprocessing(48, chain=chain)
    loaded = Preprocessing.from_json(json.loads(json.dumps(preprocessing.to_json())))
    assert loaded == preprocessing


def test_record_of_a_plain_chain_is_that_of_runs_made_before_there_was_another():
    before = {
        "image_size": 96,
        "view": "full",
        "channels": 3,
        "low": 0.0,
        "high": 1.0,
        "mean": (0.0,),
        "std": (1.0,),
    }
    assert Preprocessing(96).to_json() == before
    assert Preprocessing.from_json(before) == Preprocessing(96, chain="plain")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("size", [(200, 240), (90, 75)], ids=str)
def test_lung_crop_makes_its_square_of_the_bytes(kind, size):
    encoded = encode(ct_slice(*size)[..., 0], kind)
    expected, found = lung_crop(decode_gray(encoded), 48)
    preprocessing = Preprocessing(48, chain="lung_crop")
    square, says = preprocessing.image_and_found(decode_gray(encoded))
    assert found and says
    np.testing.assert_array_equal(square, expected)
    np.testing.assert_array_equal(preprocessing.image_from_bytes(encoded), expected)
    assert (expected != Preprocessing(48).image_from_bytes(encoded)).numpy().mean() > 0.5


def test_plain_chain_has_nothing_to_find():
    _, found = Preprocessing(16).image_and_found(tf.zeros([20, 30, 1], tf.uint8))
    assert found
