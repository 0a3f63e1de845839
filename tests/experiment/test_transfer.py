"""From converted weights: two phases, stored batch-norm statistics, the contract of the file."""

import json

import keras
import numpy as np
import pandas as pd
import pytest

from tests.conftest import SMALL, train_here
from tests.experiment.tiny_weights import CONTRACT, tiny_weights_and_values
from tfcovid.models.input_contract import contract_path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weights file of a tiny backbone whose every variable is random; its values too."""
    return tiny_weights_and_values(tmp_path_factory.mktemp("weights"))


def train_with(weights, small_data, workdir, *arguments):
    train_here(
        f"--data_dir={small_data}",
        f"--workdir={workdir}",
        f"--weights={weights}",
        *SMALL,
        *arguments,
    )
    model = keras.models.load_model(workdir / "checkpoints" / "model.keras", compile=False)
    return {v.path: v.numpy() for v in model.get_layer("backbone").variables}


def by_role(values):
    """Returns the arrays by (layer, variable), whatever models they are nested in."""
    return {tuple(path.split("/")[-2:]): value for path, value in values.items()}


def test_head_phase_leaves_the_backbone_as_it_was(weights, small_data, tmp_path):
    path, start = weights
    # With nearly no learning rate in phase 2 the best model is the head phase's, or like it.
    trained = train_with(
        path, small_data, tmp_path / "run", "--head_epochs=2", "--epochs=1", "--learning_rate=1e-12"
    )
    trained, start = by_role(trained), by_role(start)
    assert trained.keys() == start.keys()
    for role, value in start.items():
        np.testing.assert_allclose(trained[role], value, atol=1e-8, err_msg=str(role))
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert list(history["phase"]) == ["1_head", "1_head", "2_fine_tuning"]
    assert (tmp_path / "run" / "tensorboard" / "1_head" / "train").is_dir()


def test_fine_tuning_moves_gamma_and_beta_but_never_the_stored_statistics(
    weights, small_data, tmp_path
):
    path, start = weights
    trained = by_role(
        train_with(path, small_data, tmp_path / "run", "--head_epochs=0", "--epochs=2")
    )
    start = by_role(start)
    for (layer, name), value in start.items():
        moved = not np.array_equal(trained[layer, name], value)
        assert moved == (not name.startswith("moving_")), (layer, name)


def test_batch_norm_train_moves_the_statistics_too(weights, small_data, tmp_path):
    path, start = weights
    trained = by_role(
        train_with(
            path,
            small_data,
            tmp_path / "run",
            "--head_epochs=0",
            "--epochs=1",
            "--batch_norm=train",
        )
    )
    for role, value in by_role(start).items():
        assert not np.array_equal(trained[role], value), role


def test_preprocessing_follows_the_contract_of_the_weights(weights, small_data, tmp_path):
    train_with(weights[0], small_data, tmp_path / "run", "--head_epochs=1", "--epochs=0")
    preprocessing = json.loads((tmp_path / "run" / "preprocessing.json").read_text())
    assert preprocessing["channels"] == 3
    assert preprocessing["mean"] == list(CONTRACT.mean)
    assert preprocessing["std"] == list(CONTRACT.std)


def test_weights_of_another_architecture_are_refused_before_anything_is_made(
    weights, small_data, tmp_path
):
    with pytest.raises(ValueError, match="holds tiny, but --backbone=resnet18"):
        train_here(
            f"--data_dir={small_data}",
            f"--workdir={tmp_path / 'run'}",
            f"--weights={weights[0]}",
            "--backbone=resnet18",
        )
    assert not (tmp_path / "run").exists()


def test_a_contract_edited_by_hand_is_refused_before_anything_is_made(
    weights, small_data, tmp_path
):
    copy = tmp_path / "copy.weights.h5"
    copy.write_bytes(weights[0].read_bytes())
    contract = json.loads(contract_path(weights[0]).read_text())
    contract_path(copy).write_text(json.dumps({**contract, "high": 255.0}))
    with pytest.raises(ValueError, match=r"copy\.contract\.json is not what the conversion wrote"):
        train_with(copy, small_data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_weights_without_their_contract_are_refused(weights, small_data, tmp_path):
    alone = tmp_path / "alone.weights.h5"
    alone.write_bytes(weights[0].read_bytes())
    with pytest.raises(ValueError, match="expected the input contract"):
        train_here(
            f"--data_dir={small_data}",
            f"--workdir={tmp_path / 'run'}",
            f"--weights={alone}",
            "--backbone=tiny",
        )
