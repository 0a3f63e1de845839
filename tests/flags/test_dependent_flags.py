import dataclasses
import re

import pytest

from flags import choices, parse
from flags.config import LossConfig
from flags.dependent_flags import acts
from flags.preset_files import PRESETS_FOLDER


def _config(*arguments):
    return parse.config_from_flags(parse.flag_values_from_argv(["train", *arguments]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--loss=ce --focal_gamma=2", "--focal_gamma=2.0 with --loss=ce: it acts only with"),
        ("--loss=ce --focal_alpha=1,1,1", "--focal_alpha=1,1,1 with --loss=ce"),
        (
            "--loss=ce --focal_alpha=inverse_frequency",
            "--focal_alpha=inverse_frequency with --loss=ce",
        ),
        (
            "--effective_number_beta=0.99",
            "--effective_number_beta=0.99 with --imbalance=class_weight: "
            "it acts only with --imbalance=effective_number",
        ),
        ("--fold=7", "--fold=7 with --split=patient: it acts only with --split=kfold"),
        ("--folds=3 --split=official", "--folds=3 with --split=official"),
        ("--split=kfold --test_fraction=0.3", "--test_fraction=0.3 with --split=kfold"),
        (
            "--precision=float32 --initial_loss_scale=8",
            "--initial_loss_scale=8.0 with --precision=float32: it acts only with "
            "--precision=mixed_float16 or --precision=auto",
        ),
        (
            "--operating_value=0.9",
            "--operating_value=0.9 with --operating_point=auto: it acts only with "
            "--operating_point=sensitivity or",
        ),
        ("--precision=mixed_bfloat16 --initial_loss_scale=8", "--initial_loss_scale=8.0 with"),
    ],
)
def test_a_flag_that_another_one_turns_off_is_refused_with_both(arguments, message):
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        _config(*arguments.split())


@pytest.mark.parametrize(
    "arguments",
    [
        "--loss=focal --focal_gamma=0",
        "--loss=ce --focal_alpha=none",
        "--imbalance=effective_number --effective_number_beta=0.9",
        "--split=kfold --folds=3 --fold=2",
        "--split=patient --test_fraction=0.3",
        "--operating_point=precision --operating_value=0.9 --operating_class=COVID-19",
        "--precision=mixed_float16 --initial_loss_scale=8",
        "--precision=auto --initial_loss_scale=8",
    ],
)
def test_a_flag_that_acts_is_accepted(arguments):
    _config(*arguments.split())


@pytest.mark.parametrize(
    "argument",
    ["--split=patient", "--validation_fraction=0.1", "--test_fraction=0.1"],
)
def test_a_split_flag_beside_a_manifest_is_refused_with_both(argument, tmp_path):
    manifest = tmp_path / "m.csv"
    manifest.touch()
    message = "^" + re.escape(f"{argument} with --manifest={manifest}")
    with pytest.raises(ValueError, match=message):
        _config(argument, f"--manifest={manifest}")


def test_a_manifest_alone_is_accepted_and_turns_the_split_flags_off(tmp_path):
    manifest = tmp_path / "m.csv"
    manifest.touch()
    asked = _config(f"--manifest={manifest}")
    assert asked.data.manifest == manifest
    assert not acts("split", asked)
    assert acts("seed", asked)


_SMOKE = f"--flagfile={PRESETS_FOLDER / 'smoke.cfg'}"


def test_what_a_preset_sets_yields_to_the_loss_given_directly():
    asked = _config(_SMOKE, "--loss=ce")
    assert asked.loss == dataclasses.replace(LossConfig(), loss=choices.Loss.CE)
    system = "--system=bolhassani_binary_resnet50_focal"
    assert _config(system, "--loss=ce", "--data=synthetic").loss.loss == "ce"


def test_the_preset_s_synthetic_data_yield_to_a_folder_given_directly(tmp_path):
    data = _config(_SMOKE, f"--data_dir={tmp_path}").sources
    assert (data.data, data.data_dir) == (None, tmp_path)


def test_the_preset_s_split_yields_to_a_split_or_manifest_given_directly(tmp_path):
    manifest = tmp_path / "m.csv"
    manifest.touch()
    assert _config("--flagfile", _SMOKE.split("=")[1], "--split=official").data.split == "official"
    assert _config(_SMOKE, f"--manifest={manifest}").data.manifest == manifest


@pytest.mark.parametrize(
    "arguments",
    [
        ("--loss=ce", "--focal_gamma=3"),
        ("--split=official", "--test_fraction=0.3"),
        ("--data=synthetic", "--data_dir=."),
    ],
)
def test_beside_a_preset_a_flag_given_directly_in_vain_is_still_refused(arguments):
    with pytest.raises(ValueError, match=" with --"):
        _config(_SMOKE, *arguments)
