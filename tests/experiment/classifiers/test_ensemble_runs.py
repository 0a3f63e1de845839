"""Runs of ensembles and of boosted trees: scored, exported and evaluated like any network."""

import json

import keras
import numpy as np
import pandas as pd
import pytest

from tests.conftest import SMALL, evaluate_here, train_here
from tests.experiment.tiny_weights import tiny_weights
from tfcovid.metrics.calibration import probabilities_from_logits

NO_BACKBONE = tuple(flag for flag in SMALL if not flag.startswith("--backbone"))
# Pretrained, and boosted trees on the same weights as they are: two inputs, two kinds of head.
MEMBERS = "--members=tiny,tiny:boosted_trees,tiny"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights"))


def ensemble_run(small_data, weights, workdir, *arguments):
    shown = train_here(
        f"--data_dir={small_data}",
        f"--workdir={workdir}",
        f"--member_weights={weights}",
        "--loss=ce",
        "--head_epochs=1",
        MEMBERS,
        *NO_BACKBONE,
        *arguments,
    )
    return workdir, shown


@pytest.fixture(scope="module")
def soft_vote(small_data, weights, tmp_path_factory):
    """The folder of an ensemble by soft vote, and what the terminal showed."""
    workdir = tmp_path_factory.mktemp("runs") / "vote"
    return ensemble_run(small_data, weights, workdir, "--heat_map=layer_cam")


def predictions(workdir):
    return pd.read_csv(workdir / "predictions.csv")


def probs_of(table):
    return table[[name for name in table if name.startswith("prob_")]].to_numpy()


def test_every_member_is_a_classifier_of_its_own_in_the_run_s_folder(soft_vote):
    members = soft_vote[0] / "members"
    assert {path.name for path in members.iterdir()} == {"tiny", "tiny-2", "tiny-boosted_trees"}
    for member in members.iterdir():
        for file in ("checkpoints/model.keras", "history.csv", "preprocessing.json"):
            assert (member / file).is_file(), (member.name, file)
        assert json.loads((member / "preprocessing.json").read_text())["channels"] == 3


def test_an_ensemble_has_heat_maps_of_the_members_that_have_gradients(soft_vote):
    workdir, _ = soft_vote
    assert json.loads((workdir / "metrics.json").read_text())["heat"]["method"] == "layer_cam"
    assert len(list((workdir / "heatmaps").glob("*.png"))) > 0


def test_the_same_member_again_is_another_network(soft_vote):
    first, second = (
        keras.models.load_model(
            soft_vote[0] / "members" / name / "checkpoints" / "model.keras", compile=False
        ).get_layer("logits")
        for name in ("tiny", "tiny-2")
    )
    assert not np.allclose(first.kernel, second.kernel)


def test_boosted_trees_leave_the_backbone_as_its_weights_are(soft_vote, weights):
    from tfcovid.models.backbones import build_backbone
    from tfcovid.models.weights_file import load_backbone_weights

    own = soft_vote[0] / "members" / "tiny-boosted_trees" / "checkpoints" / "model.keras"
    backbone = build_backbone("tiny", image_size=32, channels=3)
    load_backbone_weights(backbone, weights)
    model = keras.models.load_model(own, compile=False)
    for ours, its in zip(
        backbone.get_weights(), model.get_layer("backbone").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, its)


def test_the_ensemble_s_logits_are_the_log_of_its_members_mean_probabilities(soft_vote):
    gray = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 1)) / 255
    ensemble = load(soft_vote[0])
    of_members = []
    for name in ("tiny", "tiny-boosted_trees", "tiny-2"):
        own = soft_vote[0] / "members" / name
        asked = json.loads((own / "preprocessing.json").read_text())
        seen = (gray * (asked["high"] - asked["low"]) + asked["low"] - asked["mean"]) / asked["std"]
        logits = keras.ops.convert_to_numpy(load(own)(seen.astype(np.float32)))
        of_members.append(probabilities_from_logits(logits))
    logits = keras.ops.convert_to_numpy(ensemble(gray.astype(np.float32)))
    np.testing.assert_allclose(logits, np.log(np.mean(of_members, axis=0)), rtol=0, atol=1e-5)


def load(workdir):
    return keras.models.load_model(workdir / "checkpoints" / "model.keras", compile=False)


def test_each_member_s_own_score_stands_beside_the_ensemble_s(soft_vote):
    workdir, shown = soft_vote
    metrics = json.loads((workdir / "metrics.json").read_text())
    assert list(metrics["members"]) == ["tiny", "tiny-boosted_trees", "tiny-2"]
    decided = pd.read_csv(workdir / "member_predictions.csv")
    assert decided["image"].tolist() == predictions(workdir)["image"].tolist()
    for name, entry in metrics["members"].items():
        recalls = (decided[name] == decided["label"]).groupby(decided["label"]).mean()
        assert entry["balanced_accuracy"] == pytest.approx(recalls.mean())
        assert entry["interval"]["low"] <= entry["balanced_accuracy"] <= entry["interval"]["high"]
        difference = metrics["balanced_accuracy"] - entry["balanced_accuracy"]
        assert entry["above"]["difference"] == pytest.approx(difference)
        assert name in shown
    page = (workdir / "report.html").read_text()
    assert "tiny-boosted_trees" in page and "Each member alone" in page


def test_the_saved_model_of_an_ensemble_says_what_its_predictions_say(soft_vote):
    workdir = soft_vote[0]
    before = predictions(workdir)
    evaluate_here(workdir)
    (evaluation,) = (workdir / "evaluations").iterdir()
    after = predictions(evaluation)
    np.testing.assert_allclose(probs_of(after), probs_of(before), rtol=0, atol=1e-5)
    assert after["decision"].tolist() == before["decision"].tolist()


def test_the_controls_see_the_features_of_all_members(soft_vote):
    controls = json.loads((soft_vote[0] / "metrics.json").read_text())["controls"]
    assert {"border_only_features", "lungs_hidden_features", "thumbnail_32"} <= set(controls)


@pytest.mark.parametrize("combine", ["stacking", "member_weights"])
def test_a_fitted_combination_is_scored_by_fits_that_have_not_seen_the_patient(
    small_data, weights, tmp_path, combine
):
    workdir, _ = ensemble_run(
        small_data, weights, tmp_path / "run", f"--combine={combine}", "--controls=none"
    )
    evaluate_here(workdir)
    (evaluation,) = (workdir / "evaluations").iterdir()
    np.testing.assert_allclose(
        probs_of(predictions(evaluation)), probs_of(predictions(workdir)), rtol=0, atol=1e-5
    )
    decision = json.loads((workdir / "decision.json").read_text())
    combined = json.loads((workdir / "metrics.json").read_text())["combined"]
    assert combined["by"] == combine and combined["spread"] >= 0
    # The fit counts every class the same; what it does to the prior is taken back.
    assert set(decision["bias"]) == {"Normal", "Pneumonia", "COVID-19"}


def test_boosted_trees_alone_are_a_run_like_any_other(small_data, weights, tmp_path):
    workdir = tmp_path / "run"
    shown = train_here(
        f"--data_dir={small_data}",
        f"--workdir={workdir}",
        f"--weights={weights}",
        "--task=binary",
        "--loss=ce",
        "--classifier=boosted_trees",
        "--backbone=tiny",
        "--image_size=32",
        "--precision=float32",
    )
    assert "trees: " in shown
    history = pd.read_csv(workdir / "history.csv")
    assert set(history["phase"]) == {"boosting"}
    evaluate_here(workdir)
    (evaluation,) = (workdir / "evaluations").iterdir()
    np.testing.assert_allclose(
        probs_of(predictions(evaluation)), probs_of(predictions(workdir)), rtol=0, atol=1e-5
    )
    assert "members" not in json.loads((workdir / "metrics.json").read_text())


def test_the_folds_of_an_ensemble_are_pooled_with_their_members(small_data, weights, tmp_path):
    workdir, _ = ensemble_run(
        small_data,
        weights,
        tmp_path / "run",
        "--split=kfold",
        "--folds=2",
        "--epochs=1",
        "--controls=none",
    )
    decided = pd.read_csv(workdir / "member_predictions.csv")
    table = predictions(workdir)
    assert decided["image"].tolist() == table["image"].tolist()
    folds = [
        pd.read_csv(workdir / f"fold-{k}" / "member_predictions.csv").set_index("image")
        for k in range(2)
    ]
    for image, fold, own in zip(table["image"], table["fold"], decided["tiny-2"], strict=True):
        assert folds[fold].loc[image, "tiny-2"] == own
    members = json.loads((workdir / "metrics.json").read_text())["members"]
    assert set(members) == {"tiny", "tiny-boosted_trees", "tiny-2"}


def test_member_weights_of_an_architecture_that_no_member_has_are_refused(
    small_data, weights, tmp_path
):
    with pytest.raises(ValueError, match=r"holds tiny: expected one file for each architecture of"):
        train_here(
            f"--data_dir={small_data}",
            f"--workdir={tmp_path / 'run'}",
            f"--member_weights={weights}",
            "--members=resnet18,squeezenet",
            *NO_BACKBONE,
        )
    assert not (tmp_path / "run").exists()


def test_too_few_patients_to_fit_a_combination_are_said_before_any_training(
    finished_run, tmp_path, small_data
):
    manifest = pd.read_csv(finished_run / "manifest.csv", dtype=str)
    rare = (manifest["split"] == "validation") & (manifest["label"] == "COVID-19")
    keep = manifest.loc[rare, "group_id"].iloc[0]
    manifest.loc[rare & (manifest["group_id"] != keep), "split"] = "train"
    manifest.to_csv(tmp_path / "manifest.csv", index=False)
    expected = r"--combine=stacking: expected two patients of every class .* COVID-19 has 1; raise"
    with pytest.raises(ValueError, match=expected):
        train_here(
            f"--data_dir={small_data}",
            f"--workdir={tmp_path / 'run'}",
            f"--manifest={tmp_path / 'manifest.csv'}",
            "--members=tiny,tiny",
            "--combine=stacking",
            *NO_BACKBONE,
        )
    assert not (tmp_path / "run" / "members").exists()
