"""A run on prepared records is the run on the image files: bit for bit, and scored again alike."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.conftest import SMALL, evaluate_here, run_entry, train_here
from tfcovid.data.sources.synthetic import write_synthetic
from tfcovid.training.run_record import RunFolder

pytest.importorskip("apache_beam")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs, `files-run` and `records-run`, on a data set with copies of several sizes."""
    root = tmp_path_factory.mktemp("records")
    data = root / "files"
    write_synthetic(data, seed=8, image_size=48, patients=200)
    table = pd.read_csv(data / "Chest_xray_Corona_Metadata.csv", index_col=0)
    copy = table[table["Label"] == "Normal"].iloc[[0]].assign(X_ray_image_name="twice.png")
    first = next(data.rglob(table["X_ray_image_name"][copy.index[0]]))
    with Image.open(first) as image:
        image.resize((96, 90), Image.Resampling.BICUBIC).save(first.with_name("twice.png"))
    pd.concat([table, copy], ignore_index=True).to_csv(data / "Chest_xray_Corona_Metadata.csv")
    run_entry(
        "prepare",
        f"--data_dir={data}",
        f"--output_dir={root / 'records'}",
        "--image_size=32",
        "--shards=3",
    )
    for kind in ("files", "records"):
        # A view: records hold full squares, files are painted while they are decoded.
        arguments = (f"--data_dir={root / kind}", f"--workdir={root / kind}-run")
        train_here(*arguments, *SMALL, "--view=lungs_only", "--move_share=1")
    return root


def test_manifest_figures_and_weights_are_bit_equal(runs):
    ours, theirs = (RunFolder(runs / f"{kind}-run") for kind in ("records", "files"))
    for name in ("manifest", "rejected", "history", "predictions", "decision", "metrics"):
        assert getattr(ours, name).read_bytes() == getattr(theirs, name).read_bytes(), name
    assert "copy of" in ours.rejected.read_text()
    models = [keras.models.load_model(run.best_model, compile=False) for run in (ours, theirs)]
    for mine, other in zip(*(model.weights for model in models), strict=True):
        np.testing.assert_array_equal(mine.numpy(), other.numpy(), err_msg=mine.path)


def test_a_run_that_reads_records_in_place_is_bit_equal(runs, tmp_path):
    arguments = (f"--data_dir={runs / 'records'}", f"--workdir={tmp_path / 'run'}", *SMALL)
    shown = train_here(*arguments, "--view=lungs_only", "--move_share=1", "--cache_budget_mib=0")
    assert "cache: records, read in place in" in shown
    for name in ("manifest.csv", "history.csv", "predictions.csv", "decision.json", "metrics.json"):
        assert (tmp_path / "run" / name).read_bytes() == (runs / "files-run" / name).read_bytes()


def test_image_files_are_not_read_as_records(runs, tmp_path):
    found = r"--cache=records: --data_dir=.*files is coronahack \(image files\), not records of"
    with pytest.raises(ValueError, match=found):
        train_here(f"--data_dir={runs / 'files'}", *SMALL, "--cache=records")


def test_records_of_records_are_refused_in_one_line(runs, tmp_path):
    records = runs / "records"
    asked = (f"--data_dir={records}", f"--output_dir={tmp_path / 'again'}", "--image_size=32")
    done = run_entry("prepare", *asked, "--on_bad_image=set_aside", check=False)
    expected = f"error: --data_dir={records}: holds records already, made by tfcovid.prepare; name"
    assert done.returncode == 1 and done.stderr.startswith(expected)
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "again").exists()


def test_a_run_on_records_is_scored_again_without_the_image_files(runs):
    again = evaluate_here(runs / "records-run")
    first = json.loads((runs / "records-run" / "metrics.json").read_text())
    assert again["confusion_matrix"] == first["confusion_matrix"]
    assert again["brier"] == pytest.approx(first["brier"], abs=1e-6)


def test_records_of_the_runs_own_images_leave_nothing_but_its_test_split(runs):
    scored = evaluate_here(runs / "files-run", runs / "records")
    manifest = pd.read_csv(runs / "files-run" / "manifest.csv")
    assert scored["n_images"] == (manifest["split"] == "test").sum()


def test_another_image_size_and_the_stream_without_cache_are_refused(runs, tmp_path):
    arguments = (f"--data_dir={runs / 'records'}", f"--workdir={tmp_path / 'run'}", *SMALL)
    with pytest.raises(ValueError, match=r"--image_size=48: the records in .* are of 32 px"):
        train_here(*arguments, "--image_size=48")
    with pytest.raises(ValueError, match="--cache=none decodes the image files again"):
        train_here(*arguments, "--cache=none")
    with pytest.raises(
        ValueError, match=r"--preprocessing=lung_crop: the records in .* hold whole"
    ):
        train_here(*arguments, "--preprocessing=lung_crop")
    assert not (tmp_path / "run").exists()


def test_the_audit_reads_records(runs, tmp_path):
    found = {}
    for kind in ("files", "records"):
        run_entry("audit", f"--data_dir={runs / kind}", f"--workdir={tmp_path / kind}")
        found[kind] = json.loads((tmp_path / kind / "audit.json").read_text())
    assert found["records"]["files"].pop("colour_annotated") is None
    assert found["files"]["files"].pop("colour_annotated") == 0
    for key in ("counts", "copies", "shortcuts", "associations", "files", "rejected"):
        assert found["records"][key] == found["files"][key], key
