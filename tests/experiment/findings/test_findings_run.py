"""Whole runs of findings, by the presets of CheXNet, shrunk: what they write is what they say."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from tests.conftest import evaluate_here, train_here
from tests.nih_tree import SEEN, write_nih_tree
from tfcovid.data.blocks import label_matrix
from tfcovid.data.sources.pathologies import PATHOLOGIES
from tfcovid.data.sources.synthetic import write_synthetic
from tfcovid.data.tasks import TASK_LABELS
from tfcovid.serving.client import load_signature, predict_files

SMALL = (
    "--backbone=tiny",
    "--image_size=32",
    "--precision=float32",
    "--copies=bytes",
)
QUICK = (*SMALL, "--epochs=1", "--controls=none")
SINGLE_LABEL = ("accuracy", "balanced_accuracy", "mcc", "cohen_kappa", "confusion_matrix")


def read(path):
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def nih(tmp_path_factory):
    return write_nih_tree(tmp_path_factory.mktemp("nih") / "a", patients=260, image_size=32)


@pytest.fixture(scope="module")
def covid_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("covid") / "corona"
    write_synthetic(folder, seed=1, image_size=32, patients=60)
    return folder


@pytest.fixture(scope="module")
def chexnet(nih, tmp_path_factory):
    """A run of the preset chexnet, long enough to learn what is planted; what the terminal said."""
    workdir = tmp_path_factory.mktemp("runs") / "chexnet"
    shown = train_here(
        "--system=chexnet",
        f"--data_dir={nih}",
        f"--workdir={workdir}",
        *SMALL,
        "--epochs=12",
        "--learning_rate=0.003",
    )
    return workdir, shown


@pytest.fixture(scope="module")
def two_heads(nih, covid_data, tmp_path_factory):
    """A run of the preset chexnet_covid on two data sets."""
    workdir = tmp_path_factory.mktemp("runs") / "covid"
    shown = train_here(
        "--system=chexnet_covid",
        f"--data_dir={nih}",
        f"--extra_data_dir={covid_data}",
        f"--workdir={workdir}",
        *SMALL,
        "--epochs=2",
        "--validation_fraction=0.2",
    )
    return workdir, shown


def tables(workdir, task):
    """Returns predictions.csv, the label matrix, probabilities and the decided matrix."""
    labels = TASK_LABELS[task]
    table = pd.read_csv(workdir / "predictions.csv")
    probs = table[[f"prob_{name}" for name in labels.classes]].to_numpy()
    return (
        table,
        label_matrix(table["label"], labels.blocks),
        probs,
        label_matrix(table["decision"], labels.blocks),
    )


def test_metrics_hold_findings_and_none_of_the_figures_of_exclusive_classes(chexnet):
    workdir, shown = chexnet
    metrics = read(workdir / "metrics.json")
    assert metrics["task"] == "findings14"
    assert metrics["classes"] == read(workdir / "labels.json") == list(PATHOLOGIES)
    assert not set(SINGLE_LABEL) & set(metrics)
    assert set(metrics["per_class"]) == set(PATHOLOGIES)
    entry = metrics["intervals"]["mean_auroc"]
    assert entry["low"] <= metrics["mean_auroc"] <= entry["high"]
    for word in ("mean AUROC over findings", "Pleural_Thickening", "Controls: mean AUROC"):
        assert word in shown


def test_figures_are_those_of_the_predictions_file(chexnet):
    workdir, _ = chexnet
    metrics = read(workdir / "metrics.json")
    _, targets, probs, decided = tables(workdir, "findings14")
    aurocs = []
    for k, name in enumerate(PATHOLOGIES):
        found = metrics["per_class"][name]
        assert found["n_images"] == (targets[:, k] == 1).sum()
        assert found["n_images_unknown"] == 0
        expected = roc_auc_score(targets[:, k], probs[:, k])
        aurocs.append(expected)
        assert found["auroc"] == pytest.approx(expected)
        assert found["recall"] == pytest.approx(decided[targets[:, k] == 1, k].mean())
    assert metrics["mean_auroc"] == pytest.approx(np.mean(aurocs))


def test_a_decision_is_the_findings_above_their_thresholds(chexnet):
    workdir, _ = chexnet
    thresholds = read(workdir / "decision.json")["thresholds"]
    table, _, probs, decided = tables(workdir, "findings14")
    reached = probs.astype(np.float32) >= np.float32([thresholds[name] for name in PATHOLOGIES])
    np.testing.assert_array_equal(decided, reached)
    none = ~reached.any(axis=1)
    assert (table["decision"][none] == "No Finding").all()


def test_what_is_planted_is_learned_and_what_is_not_stays_near_chance(chexnet):
    metrics = read(chexnet[0] / "metrics.json")["per_class"]
    assert metrics["Effusion"]["auroc"] > 0.85
    noise = [metrics[name]["auroc"] for name in PATHOLOGIES if name not in SEEN]
    assert 0.38 < np.mean(noise) < 0.62


def test_controls_stand_beside_each_finding_and_see_nothing_of_it_at_the_border(chexnet):
    workdir, _ = chexnet
    metrics = read(workdir / "metrics.json")
    assert set(metrics["controls"]) == {
        "histogram",
        "border_only",
        "thumbnail_32",
        "border_only_features",
        "lungs_hidden_features",
    }
    border = metrics["controls"]["border_only"]
    assert border["per_class"]["Effusion"]["auroc"] < 0.75
    scores = pd.read_csv(workdir / "control_predictions.csv")
    _, targets, _, _ = tables(workdir, "findings14")
    aurocs = [
        roc_auc_score(targets[:, k], scores[f"border_only: {name}"])
        for k, name in enumerate(PATHOLOGIES)
    ]
    assert border["mean_auroc"] == pytest.approx(np.mean(aurocs))
    above = border["above"]
    assert above["low"] <= above["difference"] <= above["high"]
    assert above["difference"] == pytest.approx(metrics["mean_auroc"] - border["mean_auroc"])


def test_each_finding_has_heat_of_the_films_that_have_it_and_pictures(chexnet):
    workdir, shown = chexnet
    heat = read(workdir / "metrics.json")["heat"]["per_class"]
    table, targets, _, decided = tables(workdir, "findings14")
    listed = pd.read_csv(workdir / "heatmaps" / "heatmaps.csv")
    for k, name in enumerate(PATHOLOGIES):
        entry = heat[name]
        assert entry["n_images"] + entry["without_heat"] == (targets[:, k] == 1).sum()
        right = (targets[:, k] == 1) & (decided[:, k] == 1)
        patients = table.loc[right, "group_id"].nunique()
        assert (listed["class"] == name).sum() == min(4, patients)
    assert "Heat inside the lungs' box" in shown
    page = (workdir / "report.html").read_text()
    assert f"the surest right ones, one a patient, with the heat of {SEEN[0]}" in page


def test_the_plateau_schedule_moved_the_learning_rate_as_the_figure_says(chexnet):
    history = pd.read_csv(chexnet[0] / "history.csv")
    assert {"val_macro_log_loss", "val_mean_auroc"} <= set(history)
    assert read(chexnet[0] / "config.json")["training"]["schedule"] == "plateau"


def test_the_page_names_each_finding_and_holds_its_curve(chexnet):
    page = (chexnet[0] / "report.html").read_text()
    for name in PATHOLOGIES:
        assert name in page
    assert "<svg" in page and "Which findings does this chest X-ray show?" in page


@pytest.mark.parametrize("run", ["chexnet", "two_heads"])
def test_the_saved_model_says_of_each_file_what_the_run_scored(run, request, nih):
    workdir, _ = request.getfixturevalue(run)
    task = read(workdir / "metrics.json")["task"]
    table, _, probs, _ = tables(workdir, task)
    part = table[table["source"] == "nih14"].head(20)
    # Of two data sets together, paths begin at the folder that holds both.
    root = next(
        folder for folder in (nih, *nih.parents) if (folder / part["path"].iloc[0]).is_file()
    )
    files = [str(root / path) for path in part["path"]]
    found = list(predict_files(load_signature(workdir / "saved_model"), files, batch_size=8))
    np.testing.assert_allclose(
        [list(one.probabilities.values()) for one in found],
        probs[part.index],
        rtol=1e-4,
        atol=1e-6,
    )
    assert [one.decision for one in found] == part["decision"].tolist()
    assert list(found[0].probabilities) == list(TASK_LABELS[task].classes)


@pytest.mark.parametrize("run", ["chexnet", "two_heads"])
def test_an_evaluation_of_the_own_test_split_gives_the_same_figures(run, request):
    workdir, _ = request.getfixturevalue(run)
    first, again = read(workdir / "metrics.json"), evaluate_here(workdir)
    for name, found in first["per_class"].items():
        for key, value in found.items():
            assert again["per_class"][name][key] == pytest.approx(value, rel=1e-4), (name, key)
    assert again["mean_auroc"] == pytest.approx(first["mean_auroc"])
    assert again["controls"] == first["controls"]


def test_other_data_is_scored_by_the_same_thresholds_with_its_own_controls(chexnet, tmp_path):
    workdir, _ = chexnet
    other = write_nih_tree(tmp_path / "other", seed=9, patients=60, image_size=32)
    # Patients of another hospital: the same numbers are other people.
    table = (other / "Data_Entry_2017_v2020.csv").read_text().splitlines()
    rows = [line.split(",") for line in table[1:]]
    moved = [",".join([*row[:3], str(9000 + int(row[3])), *row[4:]]) for row in rows]
    (other / "Data_Entry_2017_v2020.csv").write_text("\n".join([table[0], *moved]) + "\n")
    found = evaluate_here(workdir, other)
    assert found["n_images"] > 40 and found["per_class"]["Effusion"]["auroc"] > 0.8
    assert set(found["controls"]) == set(read(workdir / "metrics.json")["controls"])
    assert "mean_auroc" in found["drop"]
    with pytest.raises(ValueError, match=r"--prevalence=0\.1: this run's task is findings14"):
        evaluate_here(workdir, prevalence=0.1)


def test_two_heads_have_the_classes_figures_under_their_own_key(two_heads):
    workdir, shown = two_heads
    metrics = read(workdir / "metrics.json")
    _, targets, probs, decided = tables(workdir, "findings14_covid")
    np.testing.assert_allclose(probs[:, :3].sum(axis=1), 1, rtol=1e-5)
    known = (targets[:, :3] >= 0).all(axis=1)
    own = metrics["diagnosis"]
    assert own["classes"] == ["Normal", "Pneumonia", "COVID-19"]
    assert own["n_images"] == known.sum() < len(targets)
    assert own["accuracy"] == pytest.approx(
        (targets[known, :3].argmax(axis=1) == decided[known, :3].argmax(axis=1)).mean()
    )
    unknown = metrics["per_class"]["Mass"]["n_images_unknown"]
    assert unknown == (targets[:, 3 + PATHOLOGIES.index("Mass")] < 0).sum() > 0
    assert "Confusion matrix of the classes" in shown
    assert "findings: " in " ".join(metrics["notes"])


def test_labels_of_the_manifest_say_what_each_data_set_knows(two_heads):
    manifest = pd.read_csv(two_heads[0] / "manifest.csv")
    of_covid = manifest[manifest["source"] == "synthetic"]["label"]
    assert set(of_covid) == {
        "Normal; No Finding",
        "Pneumonia; Pneumonia finding|?",
        "COVID-19; ?",
    }
    of_nih = manifest[manifest["source"] == "nih14"]["label"]
    assert not of_nih.str.contains("COVID-19").any()
    assert (of_nih[of_nih.str.endswith("; No Finding")] == "Normal; No Finding").all()
    assert of_nih.str.startswith("?; ").any()


def test_pneumonia_alone_is_an_ordinary_run_of_two_classes(nih, tmp_path):
    workdir = tmp_path / "run"
    train_here("--system=chexnet_pneumonia", f"--data_dir={nih}", f"--workdir={workdir}", *QUICK)
    metrics = read(workdir / "metrics.json")
    assert metrics["classes"] == ["non-Pneumonia", "Pneumonia"]
    assert set(SINGLE_LABEL) <= set(metrics)
    again = evaluate_here(workdir)
    assert again["confusion_matrix"] == metrics["confusion_matrix"]
    table = pd.read_csv(workdir / "predictions.csv").head(8)
    files = [str(nih / path) for path in table["path"]]
    found = list(predict_files(load_signature(workdir / "saved_model"), files, batch_size=8))
    np.testing.assert_allclose(
        [one.probabilities["Pneumonia"] for one in found], table["prob_Pneumonia"], rtol=1e-4
    )


def test_a_cross_validation_tests_each_image_once_and_pools(nih, tmp_path):
    workdir = tmp_path / "folds"
    train_here(
        "--task=findings14",
        "--split=kfold",
        "--folds=2",
        f"--data_dir={nih}",
        f"--workdir={workdir}",
        *QUICK,
    )
    table, targets, probs, _ = tables(workdir, "findings14")
    assert set(table["fold"]) == {0, 1} and table["image"].is_unique
    metrics = read(workdir / "metrics.json")
    assert metrics["folds"] == 2 and metrics["n_images"] == len(table)
    k = PATHOLOGIES.index("Effusion")
    expected = roc_auc_score(targets[:, k], probs[:, k])
    assert metrics["per_class"]["Effusion"]["auroc"] == pytest.approx(expected)
    own = read(workdir / "fold-1" / "decision.json")["thresholds"]
    part = table[table["fold"] == 1]
    reached = part["prob_Effusion"].astype(np.float32) >= np.float32(own["Effusion"])
    assert (part["decision"].str.split("|").map(lambda names: "Effusion" in names) == reached).all()
    assert "Cross-validated:" in (workdir / "report.html").read_text()


def test_a_manifest_is_taken_over_and_the_publisher_s_lists_are_the_test_split(tmp_path):
    data = write_nih_tree(tmp_path / "lists", patients=80, image_size=32, lists=True)
    first, second = tmp_path / "first", tmp_path / "second"
    asked = ("--task=findings14", f"--data_dir={data}", *QUICK)
    train_here(*asked, "--split=official", f"--workdir={first}")
    manifest = pd.read_csv(first / "manifest.csv")
    listed = set((data / "test_list.txt").read_text().split())
    assert set(manifest.loc[manifest["split"] == "test", "image"]) <= listed
    assert not set(manifest.loc[manifest["split"] != "test", "image"]) & listed
    train_here(*asked, f"--manifest={first / 'manifest.csv'}", f"--workdir={second}")
    for name in ("manifest.csv", "predictions.csv"):
        assert (second / name).read_bytes() == (first / name).read_bytes()


def test_data_without_such_labels_is_refused_before_a_folder_is_made(covid_data, nih, tmp_path):
    workdir = tmp_path / "run"
    asked = (f"--workdir={workdir}", *QUICK)
    with pytest.raises(ValueError, match="the task findings14 has no image of Atelectasis, "):
        train_here("--task=findings14", f"--data_dir={covid_data}", *asked)
    with pytest.raises(ValueError, match=r"findings14_covid has no image of COVID-19; found"):
        train_here("--task=findings14_covid", f"--data_dir={nih}", *asked)
    assert not workdir.exists()
