"""Phase 1 on features that are computed once is phase 1 on the images, but for rounding."""

import keras
import numpy as np
import pandas as pd
import pytest

from tests.conftest import SMALL, train_here
from tests.experiment.tiny_weights import tiny_weights
from tests.test_resume import EVERY_STEP, NO_CONTROLS, fingerprint, killed_at
from tfcovid.experiment import features_once
from tfcovid.models.classifier import build_classifier
from tfcovid.training.head_on_features import head_on_features

PHASES = ("--head_epochs=3", "--epochs=1", "--learning_rate=1e-12", NO_CONTROLS)


@pytest.fixture(scope="module")
def asked(small_data, tmp_path_factory):
    weights = tiny_weights(tmp_path_factory.mktemp("weights"))
    return (f"--data_dir={small_data}", f"--weights={weights}", *SMALL, *PHASES)


def head_of(workdir):
    model = keras.models.load_model(workdir / "checkpoints" / "model.keras", compile=False)
    return model.get_layer("logits").get_weights()


@pytest.mark.parametrize("more", [(), ("--imbalance=weighted_sampling", "--loss=ce")])
def test_the_head_is_that_of_a_training_on_the_images(asked, tmp_path, monkeypatch, more):
    once = (*asked, *more, "--head_augment=false")
    shown = train_here(*once, f"--workdir={tmp_path / 'once'}")
    assert "phase 1: on" in shown and "features, computed once" in shown
    with monkeypatch.context() as patch:
        patch.setattr(features_once, "head_on_features", lambda _: None)
        shown = train_here(*once, f"--workdir={tmp_path / 'images'}")
        assert "phase 1: on images" in shown
    for ours, theirs in zip(head_of(tmp_path / "once"), head_of(tmp_path / "images"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    tables = [pd.read_csv(tmp_path / name / "history.csv") for name in ("once", "images")]
    assert list(tables[0]["phase"]) == ["1_head"] * 3 + ["2_fine_tuning"]
    pd.testing.assert_frame_equal(*tables, rtol=1e-4, atol=1e-5)


def test_a_run_killed_in_it_goes_on_to_the_same_files(asked, tmp_path, monkeypatch):
    once = (*asked, "--head_augment=false", "--dropout=.3")
    train_here(*once, f"--workdir={tmp_path / 'whole'}")
    for number in (2, 3):
        assert killed_at(monkeypatch, number, *once, f"--workdir={tmp_path / 'cut'}")
    train_here(*once, f"--workdir={tmp_path / 'cut'}", keeping=EVERY_STEP)
    assert fingerprint(tmp_path / "cut") == fingerprint(tmp_path / "whole")


def test_features_over_the_budget_are_not_kept(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(features_once, "_MIB", 1.0)  # the flag takes no less than one
    shown = train_here(*asked, "--head_augment=false", f"--workdir={tmp_path / 'run'}")
    assert "phase 1: on images; features of" in shown and "over the budget" in shown


@pytest.mark.parametrize(
    ("backbone", "alone"),
    [("tiny", True), ("resnet18", True), ("mobilenet_v2", True), ("alexnet", False)],
)
def test_only_a_head_behind_weightless_pooling_is_trained_alone(backbone, alone):
    model = build_classifier(backbone=backbone, num_outputs=3, image_size=64, channels=1)
    model.get_layer("backbone").trainable = False
    head = head_on_features(model)
    assert (head is not None) == alone
    if head is not None:
        assert {id(one) for one in head.trainable_variables} == {
            id(one) for one in model.trainable_variables
        }
