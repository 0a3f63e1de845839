import json

import pytest
from hypothesis import given, settings

from flags import config, config_json
from tests.flags.configs import configs


@settings(max_examples=50, deadline=None)
@given(configs())
def test_a_config_survives_json(asked):
    assert config_json.from_json(config_json.to_json(asked)) == asked


def test_json_holds_plain_words_under_the_names_of_the_flags():
    values = json.loads(config_json.to_json(config.Config()))
    assert values["data"]["task"] == "multiclass"
    assert values["model"]["weights"] is None
    assert values["training"]["batch_size"] == 32


def _broken(section, name, value):
    values = config_json.to_dict(config.Config())
    values[section][name] = value
    return values


@pytest.mark.parametrize(
    ("section", "name", "value", "message"),
    [
        ("training", "epochs", "3", r"training\.epochs: expected int, got '3'"),
        ("training", "epochs", True, r"training\.epochs: expected int, got True"),
        ("augmentation", "zoom", None, r"augmentation\.zoom: expected float, got None"),
        ("augmentation", "horizontal_flip", 1, r"expected bool, got 1"),
        ("data", "task", "cancer", r"data\.task: expected Task, got 'cancer'"),
        ("sources", "data_dir", 3, r"sources\.data_dir: expected Path or NoneType, got 3"),
        ("loss", "focal_alpha", ["a"], r"loss\.focal_alpha: expected float, got 'a'"),
        ("loss", "focal_gamma", -1, r"--focal_gamma=-1\.0: expected a number of at least 0"),
        ("run", "colour", "red", r"run: missing fields none, unknown fields \['colour'\]"),
    ],
)
def test_a_value_that_does_not_belong_is_refused_by_name(section, name, value, message):
    with pytest.raises(ValueError, match=message):
        config_json.from_dict(_broken(section, name, value))


def test_a_missing_field_is_refused_by_name():
    values = config_json.to_dict(config.Config())
    del values["data"]["split"]
    with pytest.raises(ValueError, match=r"data: missing fields \['split'\]"):
        config_json.from_dict(values)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"data": 1}'])
def test_what_is_no_config_is_refused(text):
    with pytest.raises(ValueError, match="config: "):
        config_json.from_json(text)


def test_a_run_made_before_there_was_another_preprocessing_was_plain():
    values = config_json.to_dict(config.Config())
    del values["data"]["preprocessing"]
    assert config_json.from_dict(values) == config.Config()
