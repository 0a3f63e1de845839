"""Every preset: its network takes a step at full size, and what it asks for runs whole, small."""

import json

import keras
import numpy as np
import pandas as pd
import pytest

from flags import choices, parse
from flags.members import members_of
from flags.preset_files import preset_about, preset_values, system_names
from tests.conftest import evaluate_here, train_here
from tests.experiment.tiny_weights import tiny_weights
from tests.layouts import data_of
from tfcovid.experiment.heads import build_loss
from tfcovid.models.classifier import build_classifier

# What does not change the path that a run takes: numbers, and which network it is.
OF_PATH = (
    "task",
    "data",
    "split",
    "preprocessing",
    "classifier",
    "combine",
    "loss",
    "imbalance",
    "schedule",
    "label_smoothing",
)
NETWORKS = {
    backbone: choices.Task(given["task"]).num_classes
    for given in map(preset_values, system_names())
    for backbone in (
        [member.backbone.value for member in members_of(given["members"].split(","))]
        if "members" in given
        else [given["backbone"]]
    )
    if not choices.Task(given["task"]).has_findings
}
"""Every backbone of a preset, and how many classes one of those has."""


def path_of(name):
    """Returns what makes the run of a preset another one than that of another preset."""
    given = preset_values(name)
    members = given.get("members", "").count(",")
    return json.dumps([members, *(given.get(flag) for flag in OF_PATH)])


PATHS = {
    path_of(name): name
    for name in reversed(system_names())
    if not choices.Task(preset_values(name)["task"]).has_findings
}
"""A preset of each path, the first; CheXNet's are run by experiment/findings/test_findings_run."""


@pytest.mark.parametrize("backbone", sorted(NETWORKS))
def test_two_steps_of_a_preset_s_network_move_its_weights(backbone):
    keras.utils.set_random_seed(0)
    num_classes = NETWORKS[backbone]
    outputs = 1 if num_classes == 2 else num_classes
    model = build_classifier(backbone=backbone, num_outputs=outputs, image_size=80, channels=1)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(4, 80, 80, 1)).astype(np.float32)
    labels = np.arange(4, dtype=np.int32)[:, None] % num_classes
    asked = parse.config_from_flags(parse.flag_values_from_argv(["train"]))
    # So slow that the four images are not known by heart after one step.
    model.compile(
        keras.optimizers.Adam(1e-5), build_loss(asked, np.full(num_classes, 5)), run_eagerly=True
    )
    before = [np.array(v) for v in model.get_layer("backbone").trainable_variables]
    # The first step moves what ends a residual block, which starts at zero; then the rest can.
    losses = [model.train_on_batch(images, labels) for _ in range(2)]
    assert np.isfinite(losses).all()
    after = model.get_layer("backbone").trainable_variables
    moved = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    # A ReLU that is dead on four images holds a few back.
    assert np.mean(moved) > 0.9


@pytest.mark.parametrize("name", sorted(PATHS.values()))
def test_what_a_preset_asks_for_runs_whole_from_its_data_to_its_saved_model(
    name, small_data, tmp_path
):
    given, workdir = preset_values(name), tmp_path / "run"
    arguments = [
        f"--system={name}",
        f"--data_dir={data_of(name, small_data, tmp_path / 'data')}",
        f"--workdir={workdir}",
        "--image_size=32",
        "--precision=float32",
        "--controls=none",
        "--heat_map=none",
    ]
    members, trees = given.get("members"), "boosted_trees" in json.dumps(given)
    if members:
        tiny = [
            f"tiny{text.partition(':')[1]}{text.partition(':')[2]}" for text in members.split(",")
        ]
        arguments.append(f"--members={','.join(tiny[-2:])}")
    else:
        arguments.append("--backbone=tiny")
    if trees:
        flag = "--member_weights" if members else "--weights"
        arguments.append(f"{flag}={tiny_weights(tmp_path)}")
    if members or not trees:
        arguments += ["--epochs=1", "--warmup_epochs=0", "--batch_size=64"]
    if given["split"] == "kfold":
        # So many of few patients that validation has two of each class.
        arguments += ["--folds=2", "--validation_fraction=.4"]
    if given["data"] == "coronahack":
        arguments.append(f"--patients={small_data / 'patients.csv'}")
    train_here(*arguments)
    config = json.loads((workdir / "config.json").read_text())
    assert config["run"]["system"] == name
    assert config["loss"]["imbalance"] == given["imbalance"]
    own = workdir / "fold-1" if given["split"] == "kfold" else workdir
    evaluate_here(own)
    (evaluation,) = (own / "evaluations").iterdir()
    before, after = (pd.read_csv(path / "predictions.csv") for path in (own, evaluation))
    probs = [column for column in before if column.startswith("prob_")]
    np.testing.assert_allclose(after[probs], before[probs], rtol=0, atol=1e-5)
    assert after["decision"].tolist() == before["decision"].tolist()


@pytest.mark.parametrize("name", system_names())
def test_a_preset_says_what_it_is_in_a_sentence(name):
    about = preset_about(name)
    assert about.endswith((".", ")")) and len(about) > 40
