"""The heat maps of a whole run: figures, pictures, the SavedModel's own."""

import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image

from tests.conftest import SMALL, train_here
from tfcovid.data.preprocess import LUNG_BOX
from tfcovid.experiment.model_assets import training_data_sha256
from tfcovid.explain.lung_share import box_mask, heat_inside
from tfcovid.explain.overlays import overlay


@pytest.fixture(scope="module")
def served(finished_run, small_data):
    """What the SavedModel's `explain` says of the run's test images."""
    files = pd.read_csv(finished_run / "predictions.csv")["path"]
    model = tf.saved_model.load(str(finished_run / "saved_model"))
    contents = [(small_data / path).read_bytes() for path in files]
    found = model.signatures["explain"](image_bytes=tf.constant(contents))
    return {name: value.numpy() for name, value in found.items()}


def test_the_runs_shares_are_those_of_the_saved_models_heat_maps(finished_run, served):
    table = pd.read_csv(finished_run / "predictions.csv")
    heat = json.loads((finished_run / "metrics.json").read_text())["heat"]
    inside = box_mask((LUNG_BOX.top, LUNG_BOX.bottom, LUNG_BOX.left, LUNG_BOX.right), 32)
    assert heat["box_share_of_image"] == pytest.approx(inside.mean())
    shares = heat_inside(served["heatmaps"], inside)
    assert sum(entry["n_images"] for entry in heat["per_class"].values()) > 10
    for index, (name, entry) in enumerate(heat["per_class"].items()):
        of_class = shares[(table["label"] == name).to_numpy(), index]
        assert entry["without_heat"] == np.isnan(of_class).sum()
        if entry["n_images"] == 0:
            assert entry["share"] is None and np.isnan(of_class).all()
            continue
        assert entry["share"] == pytest.approx(np.nanmean(of_class), abs=1e-4)
        if entry["n_patients"] > 1:
            ends = heat["intervals"][name]
            assert ends["low"] <= entry["share"] <= ends["high"]


def test_the_pictures_are_the_overlays_that_their_list_says(finished_run, served):
    table = pd.read_csv(finished_run / "predictions.csv")
    listed = pd.read_csv(finished_run / "heatmaps" / "heatmaps.csv")
    files = {path.name for path in (finished_run / "heatmaps").glob("*.png")}
    assert files == set(listed["file"]) and set(listed["role"]) == {"typical", "errors"}
    labels = [label.decode() for label in served["labels"]]
    for row in listed.to_dict("records"):
        at = table.index[table["image"] == row["image"]][0]
        assert row["class"] == table["decision"][at]
        assert row["role"] == "errors" or table["label"][at] == row["class"]
        assert row["probability"] == pytest.approx(table[f"prob_{row['class']}"][at], abs=1e-6)
        expected = overlay(served["square"][at], served["heatmaps"][at, labels.index(row["class"])])
        with Image.open(finished_run / "heatmaps" / row["file"]) as picture:
            apart = np.abs(np.asarray(picture).astype(int) - expected)
        assert apart.max() <= 1


def test_tensorboard_has_the_heat_maps_of_each_class(finished_run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(finished_run / "tensorboard" / "test"))
    events.Reload()
    listed = pd.read_csv(finished_run / "heatmaps" / "heatmaps.csv")
    typical = set(listed.loc[listed["role"] == "typical", "class"])
    assert {f"test/heat of {name}" for name in typical} <= set(events.Tags()["tensors"])


def test_the_saved_model_carries_labels_input_and_what_it_was_trained_on(finished_run):
    folder = finished_run / "saved_model" / "assets.extra"
    for name in ("labels", "preprocessing"):
        expected = json.loads((finished_run / f"{name}.json").read_text())
        assert json.loads((folder / f"{name}.json").read_text()) == expected
    card = json.loads((folder / "model_card.json").read_text())
    assert "Not a medical device" in card["warning"]
    assert "Not for diagnosis" in card["card"]["Purpose"]
    manifest = pd.read_csv(finished_run / "manifest.csv")
    assert card["training_data_sha256"] == training_data_sha256(manifest)
    shuffled = manifest.sample(frac=1, random_state=0)
    assert training_data_sha256(shuffled) == card["training_data_sha256"]
    first = manifest.index[manifest["split"] == "train"][0]
    other = manifest.copy()
    other.loc[first, "label"] = "COVID-19" if manifest["label"][first] == "Normal" else "Normal"
    assert training_data_sha256(other) != card["training_data_sha256"]


def test_a_run_without_heat_maps_has_none_anywhere(small_data, tmp_path):
    workdir = tmp_path / "run"
    train_here(
        f"--data_dir={small_data}",
        f"--workdir={workdir}",
        *SMALL,
        "--epochs=1",
        "--controls=none",
    )
    assert "heat" not in json.loads((workdir / "metrics.json").read_text())
    assert not (workdir / "heatmaps").exists()
    assert "explain" not in tf.saved_model.load(str(workdir / "saved_model")).signatures
    assert "Heat maps" not in (workdir / "report.html").read_text()
