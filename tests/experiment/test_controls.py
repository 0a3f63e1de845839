"""The controls of a run: what they learn, what they decide, and what is made of it."""

import json

import numpy as np
import pandas as pd
import pytest

from flags import choices
from flags.config import Config, DataConfig, RunConfig
from tests.conftest import SMALL, train_here
from tfcovid.controls.probes import class_of_each_source, fit_probe
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.controls.fitting import (
    CROPPED,
    HIDDEN_VIEWS,
    SIGHTS,
    SOURCE_ALONE,
    SOURCE_CLASSIFIER,
    FittedControls,
    hidden_views,
    left_out_notes,
    pixel_controls,
)
from tfcovid.experiment.controls.scores import SOURCE_NETWORK, control_entries, source_entries

CLASSES = ("Normal", "Pneumonia", "COVID-19")


def tables(n=240, seed=0):
    """Predictions of a good model, and of one control that decides by the source."""
    rng = np.random.default_rng(seed)
    label = rng.choice(CLASSES, n)
    right = rng.random(n) < 0.9
    predictions = pd.DataFrame(
        {
            "image": [f"i{k}" for k in range(n)],
            "group_id": [f"g{k // 2}" for k in range(n)],
            "source": np.where(label == "COVID-19", "ieee8023", "kermany"),
            "label": label,
            "decision": np.where(right, label, rng.choice(CLASSES, n)),
        }
    )
    controls = predictions[["image", "group_id", "source", "label"]].assign(
        **{
            SOURCE_ALONE: np.where(label == "COVID-19", "COVID-19", "Normal"),
            SOURCE_CLASSIFIER: predictions["source"],
        }
    )
    return controls, predictions


def test_control_entry_is_the_mean_recall_of_its_decisions_and_the_paired_difference():
    controls, predictions = tables()
    found = control_entries(controls, predictions, CLASSES, positive="COVID-19", seed=0)[
        SOURCE_ALONE
    ]
    assert found["balanced_accuracy"] == pytest.approx(2 / 3)
    recalls = predictions["decision"].eq(predictions["label"]).groupby(predictions["label"]).mean()
    above = found["above"]
    assert above["difference"] == pytest.approx(recalls.mean() - 2 / 3)
    assert above["low"] < above["difference"] < above["high"]
    assert found["sees"] == "the name of the data set" and not found["lungs"]
    assert (found["of_class"]["precision"], found["of_class"]["recall"]) == (1, 1)
    assert found["of_class"]["intervals"]["recall"]["low"] > 0.9


def test_sources_told_apart_leaves_out_images_of_sources_that_were_not_in_training():
    controls, _ = tables()
    assert source_entries(controls, seed=0)[SOURCE_CLASSIFIER]["balanced_accuracy"] == 1
    controls.loc[:9, "source"], controls.loc[:9, SOURCE_CLASSIFIER] = "third", None
    found = source_entries(controls, seed=0)[SOURCE_CLASSIFIER]
    assert found["sources"] == ["ieee8023", "kermany"] and found["chance"] == 0.5
    assert found["balanced_accuracy"] == 1


def test_images_of_one_source_tell_no_sources_apart():
    controls, _ = tables()
    assert source_entries(controls[controls["source"] == "kermany"], seed=0) == {}


def test_source_decides_for_the_class_that_is_most_often_its_own():
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    sources = np.array(["a", "a", "a", "b", "b", "b", "b"])
    # b holds every image of 1 and 2, a quarter of 0; of equals the first is taken.
    assert class_of_each_source(labels, sources, num_classes=3) == {"a": 0, "b": 1}


@pytest.mark.parametrize(
    ("preprocessing", "pixels", "views"),
    [
        (Preprocessing(32), ["histogram", "border_only", "thumbnail_32"], list(HIDDEN_VIEWS)),
        (
            Preprocessing(32, view="lungs_only"),
            ["histogram", "border_only", "thumbnail_32"],
            [],
        ),
        (Preprocessing(32, chain="lung_crop"), ["histogram", "thumbnail_32"], []),
    ],
)
def test_crops_have_no_control_of_a_border_or_of_painted_lungs(preprocessing, pixels, views):
    assert [control.name for control in pixel_controls(preprocessing)] == pixels
    assert list(hidden_views(preprocessing)) == views


def test_a_note_says_which_controls_crops_leave_out_where_there_are_controls():
    def notes(preprocessing, controls="features"):
        return left_out_notes(
            Config(
                data=DataConfig(preprocessing=choices.Preprocessing(preprocessing)),
                run=RunConfig(controls=choices.Controls(controls)),
            )
        )

    assert notes("lung_crop") == [CROPPED]
    assert notes("lung_crop", "none") == notes("plain") == []


def test_fitted_controls_come_back_from_their_file_as_they_were(tmp_path):
    rng = np.random.default_rng(0)
    probe = fit_probe(rng.normal(size=(60, 5)), rng.integers(0, 3, 60), seed=0)
    fitted = FittedControls({"histogram": probe}, ("a", "b"), {"a": 0, "b": 2})
    fitted.save(tmp_path / "probes.npz")
    again = FittedControls.load(tmp_path / "probes.npz")
    features = rng.normal(size=(40, 5))
    assert (again.probes["histogram"].decide(features) == probe.decide(features)).all()
    assert again.sources == ("a", "b") and again.class_of_source == {"a": 0, "b": 2}
    whole = (tmp_path / "probes.npz").read_bytes()
    for damaged in (b"no file of arrays", b"", b"PK", whole[:200], whole[:-30]):
        (tmp_path / "probes.npz").write_bytes(damaged)
        with pytest.raises(ValueError, match="expected the controls of a run"):
            FittedControls.load(tmp_path / "probes.npz")


def test_control_file_gives_the_figures_of_the_run(finished_run):
    metrics = json.loads((finished_run / "metrics.json").read_text())
    table = pd.read_csv(finished_run / "control_predictions.csv")
    predictions = pd.read_csv(finished_run / "predictions.csv")
    assert list(table["image"]) == list(predictions["image"])
    for name, control in metrics["controls"].items():
        recalls = table[name].eq(table["label"]).groupby(table["label"]).mean()
        assert control["balanced_accuracy"] == pytest.approx(recalls.mean())


@pytest.fixture(scope="module")
def two_sources(small_data, tmp_path_factory):
    """A run with fully trained controls on two data sets, of which one is brighter."""
    from PIL import Image

    from tfcovid.data.sources.synthetic import write_synthetic

    other = tmp_path_factory.mktemp("data") / "other"
    write_synthetic(other, seed=7, image_size=48, patients=120)
    for path in sorted(other.rglob("*.jpeg")) + sorted(other.rglob("*.png")):
        with Image.open(path) as image:
            brighter = image.convert("L").point(lambda value: 90 + value * 0.6)
        brighter.save(path)
    table = pd.read_csv(other / "patients.csv")
    table.assign(patient_id="other" + table["patient_id"]).to_csv(
        other / "patients.csv", index=False
    )
    rows = pd.DataFrame({"path": sorted(p.relative_to(other).as_posix() for p in other.rglob("*"))})
    rows = rows[rows["path"].str.endswith((".jpeg", ".png"))]
    meta = pd.read_csv(other / "Chest_xray_Corona_Metadata.csv").set_index("X_ray_image_name")
    own = rows["path"].str.rsplit("/", n=1).str[-1]
    normal = own.map(meta["Label"]).eq("Normal")
    covid = own.map(meta["Label_2_Virus_category"]).eq("COVID-19")
    rows["finding"] = np.where(normal, "Normal", np.where(covid, "COVID-19", "Pneumonia"))
    rows["patient_id"] = own.map(table.set_index("image")["patient_id"]).to_numpy()
    rows.to_csv(other / "labels.csv", index=False)
    for name in ("patients.csv", "Chest_xray_Corona_Metadata.csv"):
        (other / name).unlink()
    workdir = tmp_path_factory.mktemp("runs") / "full"
    train_here(
        f"--data_dir={small_data}",
        f"--extra_data_dir=csv:{other}",
        f"--workdir={workdir}",
        *SMALL,
        "--epochs=1",
        "--controls=full",
        "--copies=bytes",
    )
    return workdir


def test_full_controls_are_networks_trained_without_lungs_and_on_the_sources(two_sources):
    metrics = json.loads((two_sources / "metrics.json").read_text())
    assert set(SIGHTS) == set(metrics["controls"])
    for name in ("border_only_network", "lungs_hidden_network", SOURCE_NETWORK):
        assert (two_sources / "controls" / name / "checkpoints" / "model.keras").is_file()
        assert len(pd.read_csv(two_sources / "controls" / name / "history.csv")) == 1
    told = metrics["sources_told_apart"]
    assert set(told) == {SOURCE_CLASSIFIER, SOURCE_NETWORK}
    assert told[SOURCE_CLASSIFIER]["balanced_accuracy"] > 0.9


def test_class_of_interest_is_scored_inside_each_source(two_sources):
    metrics = json.loads((two_sources / "metrics.json").read_text())
    table = pd.read_csv(two_sources / "predictions.csv")
    assert len(metrics["inside_sources"]) == table["source"].nunique() == 2
    for source, found in metrics["inside_sources"].items():
        part = table[table["source"] == source]
        covid = part[part["label"] == "COVID-19"]
        assert found["n_images"] == len(covid)
        assert found["recall"] == pytest.approx((covid["decision"] == "COVID-19").mean())
        assert found["intervals"]["auroc"]["low"] <= found["auroc"]
