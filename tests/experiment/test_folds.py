"""A cross-validation in one command: what is pooled, and what each fold is by itself."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.conftest import SMALL, evaluate_here, train_here
from tfcovid.metrics.decision import rule_from_description

FOLDS = 3
CROSS = ("--split=kfold", f"--folds={FOLDS}", "--epochs=1", "--heat_map=layer_cam")


@pytest.fixture(scope="module")
def crossed(small_data, tmp_path_factory):
    """A finished cross-validation, and what the terminal showed."""
    workdir = tmp_path_factory.mktemp("runs") / "crossed"
    shown = train_here(f"--data_dir={small_data}", f"--workdir={workdir}", *SMALL, *CROSS)
    return workdir, shown


def read(path):
    return json.loads(path.read_text())


def test_every_image_is_tested_once_by_a_network_that_has_not_seen_its_patient(crossed):
    workdir, _ = crossed
    table = pd.read_csv(workdir / "predictions.csv")
    manifest = pd.read_csv(workdir / "manifest.csv")
    assert list(table["image"]) == list(manifest["image"])
    assert (table["fold"] == manifest["fold"]).all()
    for fold in range(FOLDS):
        own = pd.read_csv(workdir / f"fold-{fold}" / "manifest.csv")
        trained = own[own["split"] != "test"]
        tested = table[table["fold"] == fold]
        assert set(tested["image"]) == set(own.loc[own["split"] == "test", "image"])
        assert not set(tested["group_id"]) & set(trained["group_id"])


def test_pooled_figures_are_those_of_the_pooled_predictions(crossed):
    workdir, _ = crossed
    metrics, table = read(workdir / "metrics.json"), pd.read_csv(workdir / "predictions.csv")
    assert metrics["folds"] == FOLDS and metrics["n_images"] == len(table)
    recalls = table["label"].eq(table["decision"]).groupby(table["label"]).mean()
    assert metrics["balanced_accuracy"] == pytest.approx(recalls.mean())
    covid = metrics["intervals"]["per_class.COVID-19.recall"]
    assert covid["n_patients"] == table.loc[table["label"] == "COVID-19", "group_id"].nunique()
    controls = pd.read_csv(workdir / "control_predictions.csv")
    assert list(controls["image"]) == list(table["image"])
    recalls = controls["border_only"].eq(controls["label"]).groupby(controls["label"]).mean()
    assert metrics["controls"]["border_only"]["balanced_accuracy"] == pytest.approx(recalls.mean())


def test_pooled_heat_is_that_of_every_image_of_a_class(crossed):
    workdir, _ = crossed
    pooled, table = read(workdir / "metrics.json")["heat"], pd.read_csv(workdir / "predictions.csv")
    of_folds = [read(workdir / f"fold-{k}" / "metrics.json")["heat"] for k in range(FOLDS)]
    for name, entry in pooled["per_class"].items():
        parts = [fold["per_class"][name] for fold in of_folds]
        for key in ("n_images", "without_heat"):
            assert entry[key] == sum(part[key] for part in parts)
        assert entry["n_images"] + entry["without_heat"] == (table["label"] == name).sum()
        summed = sum((part["share"] or 0) * part["n_images"] for part in parts)
        assert entry["share"] == pytest.approx(summed / entry["n_images"])


def test_each_image_is_decided_by_the_rule_of_its_own_fold(crossed):
    workdir, _ = crossed
    classes = read(workdir / "labels.json")
    rules = read(workdir / "decision.json")["folds"]
    table = pd.read_csv(workdir / "predictions.csv")
    assert len({rule["temperature"] for rule in rules}) == FOLDS
    for fold, described in enumerate(rules):
        part = table[table["fold"] == fold]
        probs = part[[f"prob_{name}" for name in classes]].to_numpy()
        decided = np.array(classes)[rule_from_description(classes, described).decide(probs)]
        assert (part["decision"] == decided).all()


def test_fold_of_a_cross_validation_is_the_run_of_that_fold_alone(crossed, small_data, tmp_path):
    workdir, _ = crossed
    alone = tmp_path / "alone"
    train_here(f"--data_dir={small_data}", f"--workdir={alone}", *SMALL, *CROSS, "--fold=1")
    for name in ("manifest.csv", "history.csv", "predictions.csv", "metrics.json", "decision.json"):
        assert (workdir / "fold-1" / name).read_bytes() == (alone / name).read_bytes(), name


def test_page_and_terminal_say_that_it_is_a_cross_validation(crossed):
    workdir, shown = crossed
    page = " ".join((workdir / "report.html").read_text().split())
    assert "Cross-validated:" in page and 'href="fold-2/report.html"' in page
    assert f"each image tested once, in {FOLDS} folds" in shown
    assert (workdir / "fold-0" / "report.html").is_file()
    assert not (workdir / "saved_model").exists() and (workdir / "fold-0" / "saved_model").is_dir()


def test_cross_validation_as_a_whole_has_no_model_to_evaluate(crossed):
    workdir, _ = crossed
    with pytest.raises(ValueError, match=r"a model for each fold; expected one of .*fold-0"):
        evaluate_here(workdir)
