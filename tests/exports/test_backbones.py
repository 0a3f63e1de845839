"""Every architecture converts, at the smallest image that it takes."""

import dataclasses
import gc

import numpy as np
import pytest

from flags.choices import Backbone
from tests.exports.modules import PREPROCESSING, contract, expected, module_of
from tfcovid.exports import litert
from tfcovid.exports.onnx_file import load_onnx, onnx_model
from tfcovid.models.classifier import build_classifier


@pytest.mark.parametrize("backbone", list(Backbone))
def test_every_backbone_says_the_same_in_litert_and_onnx(tmp_path, backbone):
    size = backbone.smallest_image_px
    preprocessing = dataclasses.replace(
        PREPROCESSING, image_size=size, channels=3, mean=(0.5, 0.4, 0.6), std=(0.3, 0.25, 0.2)
    )
    model = build_classifier(backbone=backbone.value, num_outputs=3, image_size=size, channels=3)
    module = module_of(model, preprocessing=preprocessing)
    images = np.random.default_rng(0).integers(0, 256, (2, size, size, 1)).astype(np.uint8)
    ours = expected(module, images)
    with litert.Conversion(module) as convert:
        content, _ = convert(litert.FLOAT32, images)
    (tmp_path / "model.tflite").write_bytes(content)
    of_litert = litert.load_litert(tmp_path / "model.tflite")(images)
    np.testing.assert_allclose(of_litert, ours, atol=1e-5)
    del content
    gc.collect()
    (tmp_path / "model.onnx").write_bytes(onnx_model(module, contract(preprocessing=preprocessing)))
    np.testing.assert_allclose(load_onnx(tmp_path / "model.onnx")(images), ours, atol=1e-5)
    assert np.abs(ours - ours.mean(axis=1, keepdims=True)).max() > 1e-3
