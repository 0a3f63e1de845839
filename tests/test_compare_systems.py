"""Published methods in a comparison: trained as their presets say, on the comparison's images."""

import contextlib
import json

import numpy as np
import pandas as pd
import pytest
from scipy import special

from flags import choices, compare_flags, compare_methods, compare_presets, parse
from flags.preset_files import SYSTEMS_FOLDER, preset_values, system_names
from tests.experiment.tiny_weights import tiny_weights
from tests.test_compare import compare_here, content_of
from tfcovid.experiment.classifiers import single

# What makes every network of a preset tiny, given beside --systems.
SHRUNK = ("--epochs=1", "--warmup_epochs=0", "--batch_size=32", "--precision=float32")
METHODS = ("gurpur_ensemble", "gurpur_resnet18", "song_viral_cnn19")


@pytest.fixture(scope="module")
def tiny_presets(tmp_path_factory):
    """The presets with the tiny backbone in place of each of theirs."""
    folder = tmp_path_factory.mktemp("presets")
    for name in METHODS:
        lines = []
        for line in (SYSTEMS_FOLDER / f"{name}.cfg").read_text().splitlines():
            flag, equals, value = line.partition("=")
            if flag == "--backbone":
                value = "tiny"
            if flag == "--members":
                value = "tiny,tiny:boosted_trees"
            lines.append(f"{flag}{equals}{value}")
        (folder / f"{name}.cfg").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def compared(small_data, tiny_presets, tmp_path_factory):
    """The folder of a comparison of methods, what was shown, and how often a network was fitted."""
    workdir = tmp_path_factory.mktemp("systems") / "out"
    weights = tiny_weights(tmp_path_factory.mktemp("weights"))
    asked = [
        f"--data_dir={small_data}",
        f"--weights_files={weights}",
        f"--systems={','.join(METHODS)}",
        "--tasks=multiclass",
        "--losses=ce",
        "--seeds=1",
        "--image_size=32",
        "--copies=bytes",
        f"--workdir={workdir}",
        *SHRUNK,
    ]
    fitted = []
    with small_methods(tiny_presets, fitted):
        shown = compare_here(*asked)
    return workdir, shown, fitted, asked


@contextlib.contextmanager
def small_methods(presets, fitted):
    """Puts other presets in place, and notes each network that is trained in `fitted`."""
    train = single.train

    def noted(given, *rest):
        fitted.append(given.config.run.seed)
        return train(given, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(single, "train", noted)
        for module in ("flags.preset_files", "tfcovid.experiment.comparison.comparing"):
            patch.setattr(f"{module}.SYSTEMS_FOLDER", presets)
        yield


def cell_of(workdir, name):
    return next(c for c in content_of(workdir)["cells"] if c["system"] == name)


def test_each_method_is_a_row_with_its_own_loss_and_start(compared):
    workdir, shown, _, _ = compared
    table = pd.read_csv(workdir / "compare.csv").set_index("system")
    assert list(table.index[: len(METHODS) + 1]) == ["tiny", *METHODS]
    for name in METHODS:
        row = table.loc[name]
        assert (row["training"], row["loss"]) == ("preset", preset_values(name)["loss"])
        assert row["parameters"] > 0 and row["seconds"] > 0
        assert row["balanced_accuracy_low"] <= row["balanced_accuracy"]
        assert name in shown
    page = (workdir / "compare.html").read_text()
    assert "starts from" in page and "3 published methods" in page


def test_a_network_that_two_methods_share_is_trained_once(compared):
    workdir, _, fitted, _ = compared
    # gurpur_ensemble's network is gurpur_resnet18's, as both are tiny here; song has its own.
    assert len(fitted) == 2
    members = cell_of(workdir, "gurpur_ensemble")["folds"][0]["trainings"][0]["members"]
    alone = cell_of(workdir, "gurpur_resnet18")["folds"][0]["trainings"][0]
    assert [member["name"] for member in members] == ["tiny", "tiny-boosted_trees"]
    assert {k: members[0][k] for k in alone} == alone


def test_methods_are_tested_against_the_first_that_was_named(compared):
    differences = content_of(compared[0])["differences"]
    pairs = {(found["a"], found["b"]) for found in differences if found["factor"] == "system"}
    assert pairs == {(name, METHODS[0]) for name in METHODS[1:]}


def test_an_ensemble_says_the_calibrated_mean_of_what_its_members_say(compared):
    workdir = compared[0]
    record = cell_of(workdir, "gurpur_ensemble")
    (fold,) = record["folds"]
    probs = []
    for member in fold["trainings"][0]["members"]:
        kept = [
            content["on_test"]
            for content in map(np.load, (workdir / "finetuned").glob("*/logits.npz"))
            if json.loads(str(content["record"]))
            == {k: v for k, v in member.items() if k != "name"}
        ]
        probs.append(special.softmax(kept[0].astype(np.float64), axis=1))
    decision = fold["decision"]
    bias = list((decision["bias"] or dict.fromkeys("abc", 0.0)).values())
    expected = special.softmax(
        np.log(np.mean(probs, axis=0)) / decision["temperature"] + bias, axis=1
    )
    table = pd.read_csv(workdir / "cells" / f"{cell_name(record)}.csv")
    found = table[[name for name in table if name.startswith("prob_")]]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def cell_name(record):
    return "-".join(
        record[factor] for factor in ("task", "setting", "system", "loss", "imbalance", "training")
    )


def test_the_same_command_again_trains_nothing(compared, tiny_presets):
    workdir, _, _, asked = compared
    before, fitted = content_of(workdir)["cells"], []
    with small_methods(tiny_presets, fitted):
        compare_here(*asked)
    assert not fitted
    assert content_of(workdir)["cells"] == before


def flag_values(*arguments):
    return parse.flag_values_from_argv(["compare", *arguments])


def test_flags_beside_systems_go_before_those_of_the_presets():
    values = flag_values("--systems=song_*", "--epochs=2", "--horizontal_flip", "--dropout=.5")
    config = compare_methods.preset_config("song_viral_vgg19", choices.Task.BINARY, 64, values)
    assert config.training.epochs == 2
    assert config.augmentation.horizontal_flip
    assert config.model.dropout == 0.5
    assert config.data.task is choices.Task.BINARY
    # What was not given is the preset's.
    assert config.loss.loss is choices.Loss.CE
    assert config.model.backbone is choices.Backbone.VGG19


def test_what_is_asked_of_all_methods_yields_where_one_has_no_use_for_it():
    values = flag_values("--systems=all", "--epochs=2", "--batch_size=8")
    of = {
        name: compare_methods.preset_config(name, choices.Task.MULTICLASS, 80, values).training
        for name in compare_presets.chosen_presets(["all"], [choices.Task.MULTICLASS])
    }
    trees = of.pop("gurpur_mobilenet_v2_boosted")
    assert trees.epochs != 2
    assert {(training.epochs, training.batch_size) for training in of.values()} == {(2, 8)}
    # Five in the preset, which two epochs do not hold.
    assert of["vit_multiclass_tiny16"].warmup_epochs == 2


def test_what_a_preset_cannot_do_is_said_with_its_name():
    values = flag_values("--systems=vit_*", "--epochs=2")
    with pytest.raises(
        ValueError, match=r"--systems=vit_multiclass_tiny16: --image_size=40: expec"
    ):
        compare_methods.preset_config("vit_multiclass_tiny16", choices.Task.MULTICLASS, 40, values)


def test_all_names_each_method_once_and_none_of_findings():
    found = compare_presets.chosen_presets(["all"], [choices.Task.MULTICLASS, choices.Task.VIRAL])
    assert "song_viral_cnn19" in found and "song_lung_opacity_cnn19" not in found
    assert not [name for name in found if name.startswith("bolhassani_binary")]
    assert not [name for name in found if name in ("chexnet", "chexnet_covid")]
    assert {"flannel", "gurpur_ensemble", "chexnet_pneumonia"} <= set(found)
    own = [
        {k: v for k, v in preset_values(name).items() if k not in compare_presets.OF_COMPARISON}
        for name in found
    ]
    assert all(own.index(values) == i for i, values in enumerate(own))
    assert set(found) <= set(system_names())


def test_patterns_keep_the_order_in_which_they_are_given():
    found = compare_presets.chosen_presets(["song_viral_vgg19", "song_viral_*"], [])
    assert found[0] == "song_viral_vgg19"
    assert len(found) == len(set(found)) == 6


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--systems=covidnet"], "--systems=covidnet: expected all, or names or patterns of"),
        (["--losses=ce"], "name weights, or published methods in --systems"),
        (["--systems=flannel", "--finetune=all"], "--finetune without --weights_files"),
        (["--systems=flannel", "--tasks=findings14"], "--tasks=findings14: expected tasks of one"),
        (["--systems=chexnet"], "--systems=chexnet: expected all, or names or patterns of"),
        (["--systems=flannel", "--losses=ce"], "--losses=ce without --weights_files: it is for"),
        (["--systems=flannel", "--seeds=9"], "--seeds=9 without --weights_files: it is for probes"),
    ],
)
def test_what_compare_cannot_do_with_methods_is_one_line(arguments, expected):
    values = flag_values(*arguments)
    with pytest.raises(ValueError) as caught:
        compare_flags.refuse_unused(values)
        config = compare_flags.config_from_flags(values)
        compare_flags.comparison_from_flags(config, values)
    assert expected in str(caught.value)


def test_methods_alone_start_from_random_weights_and_have_their_controls(
    small_data, tiny_presets, tmp_path
):
    with small_methods(tiny_presets, []):
        compare_here(
            f"--data_dir={small_data}",
            "--systems=song_viral_cnn19,gurpur_resnet18",
            "--tasks=multiclass",
            "--image_size=32",
            "--copies=bytes",
            f"--workdir={tmp_path / 'out'}",
            *SHRUNK,
        )
    content = content_of(tmp_path / "out")
    assert [cell["start"] for cell in content["cells"]] == ["random weights"] * 2
    assert {control["name"] for control in content["controls"]} >= {"border_only", "thumbnail_32"}
    (difference,) = content["differences"]
    assert (difference["a"], difference["b"]) == ("gurpur_resnet18", "song_viral_cnn19")
    assert difference["imbalance"] == "class_weight"


def test_trees_without_weights_of_their_backbone_are_refused(small_data, tmp_path):
    with pytest.raises(
        ValueError, match=r"gurpur_stacking: its boosted trees stand on features of"
    ):
        compare_here(
            f"--data_dir={small_data}",
            "--systems=gurpur_stacking",
            "--tasks=multiclass",
            "--image_size=32",
            f"--workdir={tmp_path / 'out'}",
        )
    assert not (tmp_path / "out").exists()
