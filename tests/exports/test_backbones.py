"""Networks of unlike layers convert, each at the smallest image that it takes."""

import dataclasses
import gc

import numpy as np
import pytest

from flags.choices import Backbone
from tests.exports.modules import PREPROCESSING, contract, expected, module_of
from tfcovid.exports import litert
from tfcovid.exports.onnx_file import load_onnx, onnx_model
from tfcovid.exports.squares import NoOperationError
from tfcovid.models.classifier import build_classifier

# The others have few layers that none of these has, and take minutes and up to 8 GiB each:
# `python -m benchmarks.exports` converts every one.
CONVOLUTIONAL = (
    Backbone.RESNET18,
    Backbone.MOBILENET_V2,
    Backbone.SQUEEZENET,
    Backbone.TINY,
)


def classifier(backbone):
    """Returns what a SavedModel of the backbone is made of, and images for it."""
    size = backbone.smallest_image_px
    preprocessing = dataclasses.replace(
        PREPROCESSING, image_size=size, channels=3, mean=(0.5, 0.4, 0.6), std=(0.3, 0.25, 0.2)
    )
    model = build_classifier(backbone=backbone.value, num_outputs=3, image_size=size, channels=3)
    images = np.random.default_rng(0).integers(0, 256, (2, size, size, 1)).astype(np.uint8)
    return module_of(model, preprocessing=preprocessing), images


def of_litert(module, images, path):
    """Returns what the LiteRT file of a classifier gives."""
    with litert.Conversion(module) as convert:
        content, _ = convert(litert.FLOAT32, images)
    path.write_bytes(content)
    return litert.load_litert(path)(images)


@pytest.mark.parametrize("backbone", CONVOLUTIONAL)
def test_a_convolutional_network_says_the_same_in_litert_and_onnx(tmp_path, backbone):
    module, images = classifier(backbone)
    ours = expected(module, images)
    found = of_litert(module, images, tmp_path / "model.tflite")
    np.testing.assert_allclose(found, ours, atol=1e-5)
    gc.collect()
    onnx = onnx_model(module, contract(preprocessing=module.preprocessing))
    (tmp_path / "model.onnx").write_bytes(onnx)
    np.testing.assert_allclose(load_onnx(tmp_path / "model.onnx")(images), ours, atol=1e-5)
    assert np.abs(ours - ours.mean(axis=1, keepdims=True)).max() > 1e-3


def test_a_transformer_says_the_same_in_litert_and_is_refused_for_onnx(tmp_path):
    module, images = classifier(Backbone.VIT_TINY16)
    found = of_litert(module, images, tmp_path / "model.tflite")
    np.testing.assert_allclose(found, expected(module, images), atol=1e-5)
    with pytest.raises(NoOperationError, match="ONNX has no operation for Erf"):
        onnx_model(module, contract(preprocessing=module.preprocessing))
