"""A finished run scored again: what must be noticed, and what must be left out."""

import json
import shutil

import pandas as pd
import pytest
from PIL import Image

from tests.conftest import SMALL, evaluate_here, train_here
from tfcovid.data.sources.synthetic import write_synthetic


@pytest.fixture
def own(small_data, tmp_path):
    """A run on a copy of the small data, both of which a test may change."""
    data = shutil.copytree(small_data, tmp_path / "data")
    train_here(f"--data_dir={data}", f"--workdir={tmp_path / 'run'}", *SMALL, "--epochs=1")
    return tmp_path / "run", data


def test_changed_test_image_is_noticed(own):
    workdir, data = own
    paths = pd.read_csv(workdir / "predictions.csv")["path"]
    shutil.copy(data / paths[1], data / paths[0])
    with pytest.raises(ValueError, match=r"1 of .* test images are missing, bad or not"):
        evaluate_here(workdir)


def test_own_test_split_keeps_notes_and_controls_of_the_run(finished_run):
    again = evaluate_here(finished_run)
    ours = json.loads((finished_run / "metrics.json").read_text())
    assert again["controls"] == ours["controls"]
    assert again["notes"] == ours["notes"]
    assert again["intervals"].keys() == ours["intervals"].keys()


def test_images_that_the_run_was_trained_on_are_left_out_and_counted(finished_run, small_data):
    metrics = evaluate_here(finished_run, small_data)
    manifest = pd.read_csv(finished_run / "manifest.csv")
    assert metrics["n_images"] == (manifest["split"] == "test").sum()
    (note,) = [note for note in metrics["notes"] if "left out" in note]
    assert note.startswith(f"{(manifest['split'] != 'test').sum()} of {len(manifest)} images")
    ours = json.loads((finished_run / "metrics.json").read_text())
    for name, control in ours["controls"].items():  # the same images, the same fitted controls
        there = metrics["controls"][name]
        assert there["balanced_accuracy"] == pytest.approx(control["balanced_accuracy"])


def test_data_set_without_a_class_is_scored_and_says_so(finished_run, tmp_path):
    other = tmp_path / "other"
    write_synthetic(other, seed=5, image_size=48, patients=60)
    table = pd.read_csv(other / "Chest_xray_Corona_Metadata.csv", index_col=0)
    table = table[table["Label_2_Virus_category"] != "COVID-19"]
    table.to_csv(other / "Chest_xray_Corona_Metadata.csv")
    patients = pd.read_csv(other / "patients.csv")
    patients.assign(patient_id="other" + patients["patient_id"]).to_csv(
        other / "patients.csv", index=False
    )
    metrics = evaluate_here(finished_run, other)
    assert metrics["n_images"] == len(table)
    assert metrics["per_class"]["COVID-19"]["recall"] is None
    assert "balanced_accuracy" not in metrics["drop"]  # over two classes here, three there
    own = json.loads((finished_run / "metrics.json").read_text())
    drop = metrics["drop"]["per_class.Normal.recall"]
    assert drop["a"] == own["per_class"]["Normal"]["recall"]
    assert drop["low"] <= drop["difference"] <= drop["high"]
    assert any("No image of COVID-19" in note for note in metrics["notes"])


def test_a_copy_in_another_size_and_codec_is_not_scored(finished_run, small_data, tmp_path):
    manifest = pd.read_csv(finished_run / "manifest.csv")
    trained = manifest[(manifest["split"] == "train") & (manifest["label"] == "Normal")].iloc[0]
    other = tmp_path / "other"
    write_synthetic(other, seed=6, image_size=48, patients=60)
    patients = pd.read_csv(other / "patients.csv")
    patients.assign(patient_id="other" + patients["patient_id"]).to_csv(
        other / "patients.csv", index=False
    )
    table = pd.read_csv(other / "Chest_xray_Corona_Metadata.csv")
    name = table.loc[table["Label"] == "Normal", "X_ray_image_name"].iloc[0]
    with Image.open(small_data / trained["path"]) as image:
        image.resize((80, 80), Image.Resampling.BICUBIC).save(next(other.rglob(name)))
    scored = {
        by_content: evaluate_here(finished_run, other, by_content=by_content)
        for by_content in (True, False)
    }
    assert scored[False]["n_images"] - scored[True]["n_images"] >= 1
    listed = [pd.read_csv(path) for path in finished_run.glob("evaluations/*-other/rejected.csv")]
    assert any(name in set(table["image"]) for table in listed)


def test_lost_controls_are_an_error_and_not_a_score_without_them(own, tmp_path):
    workdir, _ = own
    other = tmp_path / "other"
    write_synthetic(other, seed=8, image_size=48, patients=60)
    (workdir / "controls" / "probes.npz").unlink()
    with pytest.raises(ValueError, match=r"probes.npz: expected the controls of the run"):
        evaluate_here(workdir, other, by_content=False)
    assert not list(workdir.glob("evaluations/*"))  # nothing half written


def test_controls_of_an_earlier_version_are_left_out_and_said(own):
    workdir, _ = own
    path = workdir / "metrics.json"
    metrics = json.loads(path.read_text())
    for control in metrics["controls"].values():
        del control["above"]
    path.write_text(json.dumps(metrics))
    again = evaluate_here(workdir)
    assert again["controls"] == {} and any("an earlier version" in n for n in again["notes"])
