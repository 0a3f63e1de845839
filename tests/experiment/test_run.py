import json
import os
import pathlib

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tests.conftest import SMALL, SMALL_WITH_HEAT, evaluate_here, train_here
from tests.graph_nodes import operations
from tfcovid.experiment.run import claim_folder
from tfcovid.metrics.decision import rule_from_description

CLASSES = ["Normal", "Pneumonia", "COVID-19"]
CONTRACT_FILES = (
    "flags.cfg",
    "config.json",
    "environment.json",
    "labels.json",
    "preprocessing.json",
    "manifest.csv",
    "rejected.csv",
    "history.csv",
    "decision.json",
    "predictions.csv",
    "control_predictions.csv",
    "controls/probes.npz",
    "metrics.json",
    "report.html",
    "checkpoints/model.keras",
    "saved_model/saved_model.pb",
)
CONTRACT_FIGURES = (
    "n_images",
    "n_patients",
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "mcc",
    "cohen_kappa",
    "brier",
    "ece",
)


def metrics_of(workdir):
    return json.loads((workdir / "metrics.json").read_text())


def test_run_folder_holds_the_contract_and_nothing_half_written(finished_run):
    for name in CONTRACT_FILES:
        assert (finished_run / name).is_file(), name
    assert not [path for path in finished_run.rglob("*") if path.name.startswith(".part")]


def test_metrics_have_the_figures_of_the_contract_with_intervals_beside(finished_run):
    metrics = metrics_of(finished_run)
    assert metrics["classes"] == json.loads((finished_run / "labels.json").read_text()) == CLASSES
    for key in CONTRACT_FIGURES:
        assert isinstance(metrics[key], int | float), key
    for key in ("accuracy", "balanced_accuracy", "per_class.COVID-19.recall"):
        interval = metrics["intervals"][key]
        assert interval["low"] <= interval["high"]
        assert interval["n_patients"] > 0
    assert np.sum(metrics["confusion_matrix"]) == metrics["n_images"]
    assert set(metrics["controls"]) == {
        "histogram",
        "border_only",
        "thumbnail_32",
        "border_only_features",
        "lungs_hidden_features",
    }


def test_metrics_are_those_of_the_predictions_file(finished_run):
    metrics = metrics_of(finished_run)
    predictions = pd.read_csv(finished_run / "predictions.csv")
    assert len(predictions) == metrics["n_images"]
    assert (predictions["label"] == predictions["decision"]).mean() == pytest.approx(
        metrics["accuracy"]
    )
    probs = predictions[[f"prob_{name}" for name in CLASSES]]
    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=1e-6)
    rule = rule_from_description(CLASSES, json.loads((finished_run / "decision.json").read_text()))
    assert rule.weights is not None  # class weights shifted the prior: the decision is balanced
    decided = np.array(CLASSES)[rule.decide(probs.to_numpy())]
    assert (decided == predictions["decision"]).all()


def test_calibration_and_decision_are_recorded_as_they_were_resolved(finished_run):
    asked = json.loads((finished_run / "config.json").read_text())["decision"]
    decision, metrics = (
        json.loads((finished_run / name).read_text()) for name in ("decision.json", "metrics.json")
    )
    assert (asked["calibration"], asked["operating_point"]) == ("auto", "auto")
    assert list(decision["bias"]) == CLASSES
    assert decision["operating_point"]["chosen"] == "balanced"
    assert decision["log_loss"]["after"] < decision["log_loss"]["before"]
    assert metrics["calibration"]["after"]["ece"] == pytest.approx(metrics["ece"])
    for found in (metrics["calibration"][key] for key in ("before", "after")):
        assert sum(b["n_images"] for b in found["reliability"]) == metrics["n_images"]
    assert "at_prevalence" not in metrics


def test_threshold_of_one_class_of_several_is_served_as_it_was_scored(small_data, tmp_path):
    workdir = tmp_path / "run"
    shown = train_here(
        f"--data_dir={small_data}",
        f"--workdir={workdir}",
        *SMALL,
        "--epochs=1",
        "--operating_point=sensitivity",
        "--operating_value=0.8",
        "--operating_class=COVID-19",
        "--prevalence=0.05",
    )
    metrics = metrics_of(workdir)
    decision = json.loads((workdir / "decision.json").read_text())
    assert decision["operating_point"]["sensitivity"] >= 0.8
    assert list(decision["thresholds"]) == ["COVID-19"]
    predictions = pd.read_csv(workdir / "predictions.csv")
    reached = predictions["prob_COVID-19"].astype(np.float32) >= np.float32(
        decision["thresholds"]["COVID-19"]
    )
    assert reached.any() and ((predictions["decision"] == "COVID-19") == reached).all()
    found, figures = metrics["at_prevalence"], metrics["per_class"]["COVID-19"]
    hits, alarms = 0.05 * figures["recall"], 0.95 * (1 - figures["specificity"])
    assert found["ppv"] == pytest.approx(hits / (hits + alarms))
    assert "Where 5 % have COVID-19" in shown
    again = evaluate_here(workdir, prevalence=0.2)
    assert again["confusion_matrix"] == metrics["confusion_matrix"]
    assert again["at_prevalence"]["prevalence"] == 0.2
    assert again["at_prevalence"]["ppv"] > found["ppv"]


def test_a_class_that_is_not_there_is_refused_before_anything_is_written(small_data, tmp_path):
    workdir = tmp_path / "run"
    with pytest.raises(ValueError, match="--operating_class=covid: expected Normal, Pneumonia"):
        train_here(
            f"--data_dir={small_data}", f"--workdir={workdir}", *SMALL, "--operating_class=covid"
        )
    assert not workdir.exists()


def test_predictions_are_the_test_rows_of_the_manifest(finished_run):
    manifest = pd.read_csv(finished_run / "manifest.csv")
    predictions = pd.read_csv(finished_run / "predictions.csv")
    test = manifest[manifest["split"] == "test"]
    assert list(test["image"]) == list(predictions["image"])
    assert manifest.groupby("group_id")["split"].nunique().max() == 1


def test_saved_model_gives_the_predictions_of_the_run(finished_run, small_data):
    predictions = pd.read_csv(finished_run / "predictions.csv")[:40]
    model = tf.saved_model.load(str(finished_run / "saved_model"))
    contents = [(small_data / path).read_bytes() for path in predictions["path"]]
    served = model.signatures["serving_default"](image_bytes=tf.constant(contents))
    expected = predictions[[f"prob_{name}" for name in CLASSES]].to_numpy()
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-5)
    assert [d.decode() for d in served["decision"].numpy()] == list(predictions["decision"])


def test_the_saved_models_batch_norms_are_folded_into_its_convolutions(finished_run):
    model = tf.saved_model.load(str(finished_run / "saved_model"))
    made = operations(model.signatures["serving_default"])
    assert {"Conv2D", "BiasAdd"} <= made
    assert not [name for name in made if "BatchNorm" in name]


def test_tensorboard_has_what_the_test_split_reached(finished_run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(finished_run / "tensorboard" / "test"))
    events.Reload()
    tags = set(events.Tags()["tensors"])
    assert {
        "test/ROC",
        "test/precision-recall",
        "test/reliability",
        "test/confusion matrix",
    } <= tags
    assert {f"test/{name}/pr_curves" for name in ("Normal", "Pneumonia", "COVID-19")} <= tags
    assert "_hparams_/session_start_info" in tags
    metrics = json.loads((finished_run / "metrics.json").read_text())
    (reached,) = events.Tensors("test/balanced_accuracy")
    assert tf.make_ndarray(reached.tensor_proto) == pytest.approx(metrics["balanced_accuracy"])


def test_errors_and_subgroups_are_in_the_metrics_and_on_the_page(finished_run):
    metrics = json.loads((finished_run / "metrics.json").read_text())
    table = pd.read_csv(finished_run / "predictions.csv")
    wrong = table[table["label"] != table["decision"]]
    assert sum(pair["n_images"] for pair in metrics["errors"]["confusions"]) == len(wrong)
    page = (finished_run / "report.html").read_text()
    for entry in metrics["errors"]["missed"]["COVID-19"]:
        assert entry["image"] in set(wrong["image"]) and entry["path"] in page
    assert page.count("data:image/png;base64,") >= 1
    for parts in metrics["subgroups"].values():
        assert sum(part["n_images"] for part in parts.values()) == len(table)


def test_tensorboard_has_scalars_and_pictures_of_the_phase(finished_run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tags = {}
    for split in ("train", "validation"):
        events = EventAccumulator(str(finished_run / "tensorboard" / "1_training" / split))
        events.Reload()
        tags[split] = set(events.Tags()["tensors"])
    assert {"epoch/loss", "batch/learning_rate", "augmented inputs"} <= tags["train"]
    assert {"epoch/macro_log_loss", "confusion matrix"} <= tags["validation"]


def comparable(workdir):
    files = ("manifest.csv", "predictions.csv", "metrics.json", "history.csv", "decision.json")
    return {name: (workdir / name).read_bytes() for name in files}


def test_one_seed_gives_bit_identical_runs_whatever_the_parallelism(
    finished_run, small_data, tmp_path
):
    again = tmp_path / "again"
    place = (f"--data_dir={small_data}", f"--workdir={again}")
    train_here(*place, "--num_parallel_calls=1", *SMALL_WITH_HEAT)
    assert comparable(again) == comparable(finished_run)


def test_another_seed_gives_another_run(finished_run, small_data, tmp_path):
    other = tmp_path / "other"
    place = (f"--data_dir={small_data}", f"--workdir={other}")
    train_here(*place, "--seed=1", *SMALL_WITH_HEAT)
    ours, theirs = comparable(finished_run), comparable(other)
    assert all(ours[name] != theirs[name] for name in ours)


def test_run_again_from_its_own_flag_file_is_the_same_run(finished_run, tmp_path):
    again = tmp_path / "again"
    train_here(f"--flagfile={finished_run / 'flags.cfg'}", f"--workdir={again}")
    assert comparable(again) == comparable(finished_run)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--task=binary", "--loss=focal", "--focal_alpha=0.8", "--imbalance=none"),
        ("--task=pneumonia", "--loss=ce", "--imbalance=weighted_sampling"),
        (
            "--task=etiology",
            "--loss=ce",
            "--imbalance=effective_number",
            "--split=kfold",
            "--fold=3",
        ),
        ("--task=viral", "--focal_alpha=inverse_frequency", "--imbalance=none", "--cache=none"),
        ("--task=pneumonia", "--split=official", "--view=border_only", "--controls=none"),
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_every_task_loss_and_imbalance_trains_to_a_report(small_data, tmp_path, arguments):
    workdir = tmp_path / "run"
    train_here(f"--data_dir={small_data}", f"--workdir={workdir}", *SMALL, "--epochs=1", *arguments)
    metrics = metrics_of(workdir)
    predictions = pd.read_csv(workdir / "predictions.csv")
    probs = predictions[[f"prob_{name}" for name in metrics["classes"]]].to_numpy()
    assert probs.shape[1] == len(metrics["classes"])
    if len(metrics["classes"]) == 2:
        described = json.loads((workdir / "decision.json").read_text())
        assert described["operating_point"]["asked"] == "youden"
        rule = rule_from_description(metrics["classes"], described)
        decided = np.array(metrics["classes"])[rule.decide(probs)]
        assert (predictions["decision"] == decided).all()
    assert bool(metrics["controls"]) == ("--controls=none" not in arguments)


def test_split_of_an_earlier_run_is_taken_over(finished_run, small_data, tmp_path):
    workdir = tmp_path / "run"
    train_here(
        f"--data_dir={small_data}",
        f"--workdir={workdir}",
        f"--manifest={finished_run / 'manifest.csv'}",
        "--seed=9",
        *SMALL,
        "--epochs=1",
    )
    ours = pd.read_csv(workdir / "manifest.csv").set_index("image")
    theirs = pd.read_csv(finished_run / "manifest.csv").set_index("image")
    pd.testing.assert_series_equal(ours["split"], theirs["split"])
    pd.testing.assert_series_equal(ours["group_id"], theirs["group_id"])


def test_record_says_what_was_asked_and_on_what(finished_run):
    config = json.loads((finished_run / "config.json").read_text())
    environment = json.loads((finished_run / "environment.json").read_text())
    assert config["model"]["backbone"] == "tiny"
    assert environment["precision"] == "float32"
    assert environment["packages"]["tensorflow"] == tf.__version__
    assert environment["tf_enable_onednn_opts"] == os.environ.get("TF_ENABLE_ONEDNN_OPTS")


def test_paths_in_the_record_are_relative_to_the_data_folder(finished_run):
    for name in ("manifest.csv", "predictions.csv"):
        paths = pd.read_csv(finished_run / name)["path"]
        assert not any(pathlib.PurePosixPath(path).is_absolute() for path in paths)


def test_runs_that_begin_in_one_second_have_folders_of_their_own(tmp_path):
    wanted = tmp_path / "20261123T000000Z-binary-ce"
    folders = [claim_folder(wanted, numbered=True).path.name for _ in range(3)]
    assert folders == [wanted.name, f"{wanted.name}-2", f"{wanted.name}-3"]
    with pytest.raises(ValueError, match="expected a new or empty folder"):
        claim_folder(wanted, numbered=False)


def test_record_names_the_kind_of_data_and_whole_paths(finished_run, small_data):
    data = json.loads((finished_run / "config.json").read_text())["sources"]
    assert data["data"] == "coronahack"
    assert data["data_dir"] == str(small_data)
