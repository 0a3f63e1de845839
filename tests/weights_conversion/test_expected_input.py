import json

import numpy as np
import pytest
import torch

from tests.models import torch_parity
from weights_conversion.expected_input import (
    CHEXNET_CLASSES,
    IMAGENET_MEAN,
    IMAGENET_STD,
    XRAYVISION_CLASSES,
    Told,
    expect_input,
    named_classes,
)
from weights_conversion.reading.published_settings import PublishedSettings, read_settings


def expect(**kwargs):
    defaults = {
        "architecture": "resnet50",
        "channels": 3,
        "head_outputs": 14,
        "num_outputs": 14,
        "thresholds": None,
        "published": PublishedSettings(),
        "told": Told(),
    }
    return expect_input(**(defaults | kwargs))


def test_three_channels_are_taken_for_imagenets_and_that_is_said():
    found = expect()
    assert (found.low, found.high, found.mean, found.std) == (0, 1, IMAGENET_MEAN, IMAGENET_STD)
    assert found.image_size == 224
    assert found.class_names == ()  # 14 outputs are ChestX-ray14's or CheXpert's
    assert found.reason.startswith("assumed")


@pytest.mark.parametrize(
    ("architecture", "outputs", "thresholds", "size"),
    [("resnet50", 18, False, 512), ("densenet121", 18, False, 224), ("densenet121", 5, True, 224)],
)
def test_torchxrayvision_has_a_range_of_its_own(architecture, outputs, thresholds, size):
    found = expect(
        architecture=architecture,
        channels=1,
        head_outputs=outputs,
        num_outputs=outputs,
        thresholds=np.ones(outputs) if thresholds else None,
    )
    assert (found.low, found.high, found.mean, found.std) == (-1024, 1024, (0,), (1,))
    assert found.image_size == size
    assert found.class_names == (XRAYVISION_CLASSES if outputs == 18 else ())


def test_an_output_that_torchxrayvision_could_not_train_has_no_disease_name():
    thresholds = np.full(18, 0.1)
    thresholds[13] = np.nan
    names = expect(channels=1, head_outputs=18, num_outputs=18, thresholds=thresholds).class_names
    assert names[13] == "untrained output 14"
    assert names[:13] == XRAYVISION_CLASSES[:13] and names[14:] == XRAYVISION_CLASSES[14:]


def test_names_without_a_head_are_refused():
    with pytest.raises(ValueError, match="no head is converted, so there are no outputs"):
        expect(num_outputs=0, told=Told(class_names=("a", "b")))


def test_another_gray_network_must_be_told_of():
    with pytest.raises(ValueError, match="expected --pixel_range=LOW,HIGH --mean=… --std=…"):
        expect(channels=1)
    found = expect(channels=1, told=Told(pixel_range=(0, 255), mean=(127.5,), std=(127.5,)))
    assert (found.low, found.high, found.mean, found.std) == (0, 255, (127.5,), (127.5,))
    assert found.reason == "as told by flag"


def test_inception_has_the_input_that_torchvisions_transform_input_makes():
    found = expect(architecture="inception_v3")
    assert (found.mean, found.std, found.image_size) == ((0.5,) * 3, (0.5,) * 3, 299)
    unit = np.random.default_rng(0).random((2, 3, 80, 80)).astype(np.float32)
    mean, std = (np.reshape(v, (3, 1, 1)).astype(np.float32) for v in (IMAGENET_MEAN, IMAGENET_STD))
    network = torch_parity.torchvision.models.inception_v3(
        weights=None, transform_input=True, init_weights=True
    )
    theirs = network._transform_input(torch.from_numpy((unit - mean) / std)).numpy()
    np.testing.assert_allclose((unit - 0.5) / 0.5, theirs, atol=1e-6)


def test_what_the_user_says_comes_before_what_is_found():
    published = PublishedSettings(mean=(0.5,) * 3, std=(0.5,) * 3, image_size=288)
    found = expect(published=published)
    assert (found.mean, found.std, found.image_size) == ((0.5,) * 3, (0.5,) * 3, 288)
    told = Told(mean=(0.1, 0.2, 0.3), image_size=320, class_names=CHEXNET_CLASSES)
    found = expect(published=published, told=told)
    assert (found.mean, found.std) == ((0.1, 0.2, 0.3), (0.5,) * 3)
    assert (found.image_size, found.class_names) == (320, CHEXNET_CLASSES)


@pytest.mark.parametrize(
    ("told", "match"),
    [
        (Told(mean=(0.1, 0.2)), "--mean=0.1,0.2: expected one number or 3"),
        (Told(std=(0.0,)), "--std=0: expected positive"),
        (Told(pixel_range=(1, 0), mean=(0.0,), std=(1.0,)), "--pixel_range=1,0"),
        (Told(pixel_range=(0, 255)), "--pixel_range=0,255: expected --mean and --std with it"),
        (Told(class_names=("a", "b")), "expected 14 different names, .* found 2"),
        (Told(class_names=("a",) * 14), "expected 14 different names"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_flag(told, match):
    with pytest.raises(ValueError, match=match):
        expect(told=told)


def test_lists_of_classes_have_names():
    assert named_classes(["chestxray14"]) == CHEXNET_CLASSES
    assert named_classes(["torchxrayvision"]) == XRAYVISION_CLASSES
    assert named_classes(["COVID-19"]) == ("COVID-19",)
    assert named_classes(["a", "b"]) == ("a", "b")
    assert named_classes(None) is None
    assert len(set(CHEXNET_CLASSES)) == 14
    assert set(CHEXNET_CLASSES) < set(XRAYVISION_CLASSES)


def settings_of(folder, fields):
    text = fields if isinstance(fields, str) else json.dumps(fields)
    (folder / "config.json").write_text(text)
    return read_settings(folder / "model.safetensors")


def test_timms_settings_are_read(tmp_path):
    fields = {
        "architecture": "mobilenetv2_100",
        "num_classes": 2,
        "label_names": ["a", "b"],
        "pretrained_cfg": {"input_size": [3, 192, 192], "mean": [0.5] * 3, "std": [0.25] * 3},
    }
    expected = PublishedSettings("mobilenet_v2", (0.5,) * 3, (0.25,) * 3, 192, ("a", "b"))
    assert settings_of(tmp_path, fields) == expected


def test_transformers_class_names_are_read(tmp_path):
    names = [f"L{number}" for number in range(12)]
    labels = {str(number): name for number, name in enumerate(names)}
    by_text = dict(sorted(labels.items()))
    assert list(by_text) != list(labels)
    fields = {"model_type": "resnet", "id2label": by_text}
    assert settings_of(tmp_path, fields).class_names == tuple(names)
    fields = {"model_type": "resnet", "id2label": {"1": "cat", "2": "dog"}}
    assert settings_of(tmp_path, fields).class_names is None


def test_transformers_normalisation_is_read(tmp_path):
    preprocessor = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.2]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    found = settings_of(tmp_path, {"model_type": "resnet"})
    assert (found.mean, found.std) == ((0.5, 0.4, 0.3), (0.2,) * 3)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"architecture": "resnet50d"}, "is resnet50d by the config.json beside it"),
        ({"architecture": "tf_mobilenetv2_100"}, "computes something else"),
        (
            {"architecture": "resnet50", "model_args": {"act_layer": "silu"}},
            "with act_layer changed",
        ),
        ({"model_type": "resnet", "downsample_in_bottleneck": True}, "a stride elsewhere"),
        ({"model_type": "resnet", "downsample_in_first_stage": True}, "a stride elsewhere"),
        ({"model_type": "resnet", "hidden_act": "gelu"}, "another activation"),
    ],
)
def test_a_network_that_only_looks_alike_is_refused(tmp_path, fields, match):
    with pytest.raises(ValueError, match=match):
        settings_of(tmp_path, fields)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"architecture": 3}', '{"model_type": "bert"}'])
def test_a_config_of_something_else_says_nothing(tmp_path, text):
    assert settings_of(tmp_path, text) == PublishedSettings()
    assert read_settings(tmp_path / "no" / "model.safetensors") == PublishedSettings()
