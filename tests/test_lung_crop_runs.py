"""A run on images cropped to their lungs: what is served, noted and left out, from end to end."""

import json
import shutil

import pandas as pd
import pytest
import tensorflow as tf

from flags import config_json, parse
from tests.conftest import SMALL, evaluate_here, run_entry, train_here
from tests.test_compare import compare_here, random_weights
from tfcovid.data.decode import decode_gray
from tfcovid.data.lung_crop.chain import lung_crop_steps
from tfcovid.experiment.controls.fitting import CROPPED
from tfcovid.serving.client import load_signature, predict_files

CROP = "--preprocessing=lung_crop"


@pytest.fixture(scope="module")
def cropped(small_data, tmp_path_factory):
    """A data set with three images that hold no lungs, and the folder of a run on it."""
    root = tmp_path_factory.mktemp("cropped")
    data = shutil.copytree(small_data, root / "data")
    for value, path in enumerate(sorted(data.rglob("*.jpeg"))[:3]):
        gray = tf.fill([48, 48, 1], tf.cast(70 + value, tf.uint8))
        path.write_bytes(tf.io.encode_jpeg(gray).numpy())
    train_here(f"--data_dir={data}", f"--workdir={root / 'run'}", *SMALL, "--copies=bytes", CROP)
    return data, root / "run"


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def finds_lungs(encoded):
    return lung_crop_steps(decode_gray(encoded), 32).found


def found_in(path):
    return bool(finds_lungs(path.read_bytes()))


def test_predict_says_what_predictions_csv_says_and_where_no_lungs_were_found(cropped):
    data, run = cropped
    table = pd.read_csv(run / "predictions.csv")
    files = [str(data / path) for path in table["path"]]
    said = list(predict_files(load_signature(run / "saved_model"), files, batch_size=7))
    for row, prediction in zip(table.to_dict("records"), said, strict=True):
        assert prediction.decision == row["decision"]
        for name, prob in prediction.probabilities.items():
            assert prob == pytest.approx(row[f"prob_{name}"], abs=1e-5)
        assert prediction.lungs_found == found_in(data / row["path"])
    assert table["prob_Normal"].nunique() > 10


def test_predict_prints_whether_the_lungs_were_found(cropped):
    data, run = cropped
    empty = sorted(data.rglob("*.jpeg"))[0]
    done = run_entry("predict", f"--model={run / 'saved_model'}", empty)
    assert json.loads(done.stdout)["lungs_found"] is False


def test_run_says_in_how_many_images_the_lungs_were_not_found_and_of_which_classes(cropped):
    data, run = cropped
    manifest = pd.read_csv(run / "manifest.csv")
    whole = ~manifest["path"].map(lambda path: found_in(data / path))
    notes = json.loads((run / "metrics.json").read_text())["notes"]
    assert 3 <= whole.sum() < len(manifest)
    first = f"The lungs were not found in {whole.sum()} of {len(manifest)} images, which are"
    assert [note for note in notes if note.startswith(first)]
    (by_class,) = [note for note in notes if note.startswith("Kept whole because")]
    for name, part in whole.groupby(manifest["label"]):
        assert f"{name} {part.sum()} of {len(part)}" in by_class


def test_run_keeps_the_controls_that_hold_for_crops_and_says_which_are_left_out(cropped):
    metrics = json.loads((cropped[1] / "metrics.json").read_text())
    assert {"histogram", "thumbnail_32"} <= set(metrics["controls"])
    assert not [name for name in metrics["controls"] if "border" in name or "hidden" in name]
    assert CROPPED in metrics["notes"]
    assert metrics["preprocessing"] == "lung_crop"
    assert "cropped to the lungs" in (cropped[1] / "report.html").read_text()


def test_record_of_the_run_asks_for_the_crop_again(cropped):
    run = cropped[1]
    assert json.loads((run / "preprocessing.json").read_text())["chain"] == "lung_crop"
    again = parse.flag_values_from_argv(["train", f"--flagfile={run / 'flags.cfg'}"])
    recorded = config_json.from_json((run / "config.json").read_text())
    assert parse.config_from_flags(again).data == recorded.data
    assert recorded.data.preprocessing == "lung_crop"


def test_evaluation_gives_the_figures_of_the_run_again(cropped):
    metrics = json.loads((cropped[1] / "metrics.json").read_text())
    again = evaluate_here(cropped[1])
    assert again["confusion_matrix"] == metrics["confusion_matrix"]
    assert again["brier"] == pytest.approx(metrics["brier"], abs=1e-5)
    assert "images scored, which" in " ".join(again["notes"])


def test_evaluation_on_other_data_crops_them_and_has_the_same_controls(cropped, tmp_path):
    from tfcovid.data.sources.synthetic import write_synthetic

    other = tmp_path / "other"
    write_synthetic(other, seed=5, image_size=48, patients=60)
    scored = evaluate_here(cropped[1], other)
    metrics = json.loads((cropped[1] / "metrics.json").read_text())
    assert set(scored["controls"]) == set(metrics["controls"])
    assert CROPPED in scored["notes"]


def test_comparison_of_crops_has_no_control_of_the_border(small_data, tmp_path):
    weights = random_weights(tmp_path / "a.weights.h5", 0)
    compare_here(
        f"--data_dir={small_data}",
        f"--weights_files={weights}",
        f"--workdir={tmp_path / 'out'}",
        "--tasks=binary",
        "--losses=ce",
        "--image_size=32",
        "--seeds=1",
        CROP,
    )
    content = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert [control["name"] for control in content["controls"]] == ["thumbnail_32"]
    assert CROPPED in content["notes"]
    assert content["settings"]["preprocessing"] == "lung_crop"
    with pytest.raises(ValueError, match="preprocessing was lung_crop and is plain now"):
        compare_here(
            f"--data_dir={small_data}",
            f"--weights_files={weights}",
            f"--workdir={tmp_path / 'out'}",
            "--tasks=binary",
            "--losses=ce",
            "--image_size=32",
            "--seeds=1",
        )
