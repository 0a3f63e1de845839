"""The vision transformers against torchvision's, and through all that a classifier goes through."""

import builtins
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from tests.models.torch_parity import torchvision
from tfcovid.models import vit
from tfcovid.models.backbones import apply_weightless_neck, build_backbone
from tfcovid.models.classifier import as_float32, build_classifier, in_precision
from tfcovid.models.ensemble import MeanProbability, build_ensemble
from tfcovid.models.features import feature_model
from tfcovid.models.necks import POOL_LAYER

# heads, width
SIZES = {"vit_base16": (12, 768), "vit_tiny16": (3, 192)}


@pytest.fixture
def shallow(monkeypatch):
    """Two blocks where there are twelve."""
    monkeypatch.setattr(vit, "BLOCKS", 2)


def randomised(model, seed=0):
    """Returns the model with weights at random whose signal neither dies nor explodes."""
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        scale = 0.05 if len(variable.shape) > 1 else 0.3
        start = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(start + rng.normal(0, scale, variable.shape))
    return model


def classifier(name="vit_tiny16", **kwargs):
    arguments = {"num_outputs": 3, "image_size": 48, "channels": 1}
    return randomised(build_classifier(backbone=name, **arguments | kwargs))


def images(count=3, *, side=48, channels=1, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, side, side, channels)).astype(np.float32)


def torchvisions(backbone, name):
    """torchvision's network with the weights of ours."""
    heads, width = SIZES[name]
    network = torchvision.models.VisionTransformer(
        image_size=backbone.input_shape[1],
        patch_size=16,
        num_layers=12,
        num_heads=heads,
        hidden_dim=width,
        mlp_dim=4 * width,
    ).eval()
    ours = {v.path: np.asarray(v) for v in backbone.variables}
    patches, encoder = "vit_patching_and_embedding", "vit_encoder"
    state = {
        "class_token": ours.pop(f"{patches}/class_token"),
        "conv_proj.weight": ours.pop(f"{patches}/patch_embedding/kernel").transpose(3, 2, 0, 1),
        "conv_proj.bias": ours.pop(f"{patches}/patch_embedding/bias"),
        "encoder.pos_embedding": ours.pop(f"{patches}/position_embedding/embeddings")[None],
        "encoder.ln.weight": ours.pop(f"{encoder}/ln/gamma"),
        "encoder.ln.bias": ours.pop(f"{encoder}/ln/beta"),
    }
    for i in range(12):
        block, theirs = f"{encoder}/transformer_block_{i + 1}", f"encoder.layers.encoder_layer_{i}"
        for n in (1, 2):
            state[f"{theirs}.ln_{n}.weight"] = ours.pop(f"{block}/ln_{n}/gamma")
            state[f"{theirs}.ln_{n}.bias"] = ours.pop(f"{block}/ln_{n}/beta")
            dense = f"{block}/mlp/dense_{n}"
            state[f"{theirs}.mlp.{3 * n - 3}.weight"] = ours.pop(f"{dense}/kernel").T
            state[f"{theirs}.mlp.{3 * n - 3}.bias"] = ours.pop(f"{dense}/bias")
        into = [f"{block}/mha/{part}" for part in ("query", "key", "value")]
        state[f"{theirs}.self_attention.in_proj_weight"] = np.concatenate(
            [ours.pop(f"{part}/kernel").reshape(width, width).T for part in into]
        )
        state[f"{theirs}.self_attention.in_proj_bias"] = np.concatenate(
            [ours.pop(f"{part}/bias").ravel() for part in into]
        )
        out = f"{block}/mha/attention_output"
        state[f"{theirs}.self_attention.out_proj.weight"] = (
            ours.pop(f"{out}/kernel").reshape(width, width).T
        )
        state[f"{theirs}.self_attention.out_proj.bias"] = ours.pop(f"{out}/bias")
    assert not ours
    state = {key: torch.from_numpy(value.copy()) for key, value in state.items()}
    missing = network.load_state_dict(state, strict=False)
    assert set(missing.missing_keys) == {"heads.head.weight", "heads.head.bias"}
    assert not missing.unexpected_keys
    network.heads = torch.nn.Identity()
    return network


@pytest.mark.parametrize(
    ("name", "image_size"), [("vit_tiny16", 48), ("vit_tiny16", 64), ("vit_base16", 48)]
)
def test_the_class_token_is_torchvisions_with_the_same_weights(name, image_size):
    model = classifier(name, image_size=image_size, channels=3)
    seen = images(side=image_size, channels=3)
    network = torchvisions(model.get_layer("backbone"), name)
    with torch.no_grad():
        expected = network(torch.from_numpy(seen.transpose(0, 3, 1, 2))).numpy()
    features = np.asarray(feature_model(model)(seen))
    assert features.shape == (3, SIZES[name][1])
    assert np.linalg.norm(features - expected) / np.linalg.norm(expected) <= 1e-5
    # The features tell the images apart: else a wrong first layer would pass as well.
    spread = np.linalg.norm(expected - expected.mean(axis=0)) / np.linalg.norm(expected)
    assert spread >= 0.01


def test_it_saves_in_safe_mode_and_exports_with_the_same_logits(shallow, tmp_path):
    model = classifier()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again(images()), model(images()))
    model.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(served.serve(images()), model(images()), rtol=1e-4, atol=1e-5)


def test_a_saved_classifier_loads_in_a_process_that_has_not_seen_kerashub(shallow, tmp_path):
    model = classifier()
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", images())
    program = (
        "import keras, numpy, sys; import tfcovid.models.classifier; "
        "assert 'keras_hub' not in sys.modules; "
        "model = keras.saving.load_model('model.keras', safe_mode=True, compile=False); "
        "numpy.save('logits.npy', model(numpy.load('images.npy')))"
    )
    root = str(pathlib.Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), model(images()), atol=1e-6)


def test_under_mixed_precision_the_class_token_is_float32_and_as_float32_is_the_float32_network(
    shallow,
):
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = classifier()
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    assert mixed.get_layer("backbone").output.dtype == "bfloat16"
    assert mixed.get_layer(POOL_LAYER).output.dtype == "float32"
    expected, rebuilt = classifier(), as_float32(mixed)
    np.testing.assert_array_equal(rebuilt(images()), expected(images()))
    assert not np.array_equal(rebuilt(images()), mixed(images()))
    exact = np.asarray(in_precision(expected, "float64")(images()))
    assert exact.dtype == np.float64
    np.testing.assert_allclose(exact, expected(images()), rtol=1e-3, atol=1e-4)


def test_one_step_moves_every_weight_but_what_a_softmax_cannot_see(shallow):
    model = build_classifier(backbone="vit_tiny16", num_outputs=3, image_size=48, channels=1)
    with tf.GradientTape() as tape:
        logits = model(images(), training=True)
        loss = keras.losses.sparse_categorical_crossentropy(np.arange(3), logits, from_logits=True)
    variables = model.trainable_variables
    gradients = tape.gradient(loss, [v.value for v in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
        gradient = np.asarray(tf.convert_to_tensor(gradient))
        assert np.isfinite(gradient).all(), variable.path
        # A bias of the keys adds the same to every score of a row.
        if not variable.path.endswith("mha/key/bias"):
            assert gradient.any(), variable.path


def test_it_is_a_member_of_an_ensemble(shallow, tmp_path):
    members = [classifier(), classifier(channels=3)]
    model = build_ensemble(
        members,
        inputs=[([1.0], [0.0]), ([2.0, 2.0, 2.0], [-1.0, -1.0, -1.0])],
        combine=MeanProbability(),
        image_size=48,
    )
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again(images()), model(images()))


@pytest.mark.parametrize("image_size", [None, 56])
def test_a_size_that_patches_do_not_fill_is_refused(image_size):
    with pytest.raises(
        ValueError, match=rf"^--image_size={image_size}: .* multiple of 16.*vit_tiny"
    ):
        build_backbone("vit_tiny16", image_size=image_size, channels=1)


def test_without_kerashub_one_line_says_how_to_get_it(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "keras_hub":
            raise ImportError("No module named 'keras_hub'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=r"^vit_base16 needs KerasHub .*requirements-vit\.txt$"):
        build_backbone("vit_base16", image_size=224, channels=3)


def test_the_features_of_converted_weights_are_the_class_token_and_of_a_dense_neck_the_average():
    tokens = keras.Input((10, 7))
    model = keras.Model(tokens, apply_weightless_neck("vit_tiny16", tokens))
    given = np.random.default_rng(0).normal(size=(2, 10, 7)).astype(np.float32)
    np.testing.assert_array_equal(model(given), given[:, 0])
    maps = keras.Input((3, 4, 5))
    average = keras.Model(maps, apply_weightless_neck("alexnet", maps))
    given = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    np.testing.assert_allclose(average(given), given.mean(axis=(1, 2)), atol=1e-6)
