"""The commands as a user types them, each in a process of its own."""

import json
import os
import pathlib
import shutil

import pandas as pd
import pytest
from PIL import Image

from tests.conftest import run_entry


@pytest.fixture
def scans(finished_run, small_data):
    """Two test images of the run and what the run says of them."""
    predictions = pd.read_csv(finished_run / "predictions.csv")[:2]
    return [str(small_data / path) for path in predictions["path"]], predictions


def test_predict_gives_the_probabilities_of_the_run(finished_run, scans):
    files, predictions = scans
    done = run_entry("predict", f"--model={finished_run / 'saved_model'}", *files)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["image"] for line in lines] == files
    for line, row in zip(lines, predictions.to_dict("records"), strict=True):
        assert line["decision"] == row["decision"]
        for name, prob in line["probabilities"].items():
            assert prob == pytest.approx(row[f"prob_{name}"], abs=1e-5)
    assert not done.stderr


def test_predict_takes_a_pattern_and_writes_a_whole_file_flags_last(finished_run, scans, tmp_path):
    files, _ = scans
    for index, name in enumerate(files):
        shutil.copy(name, tmp_path / f"{index}.png")
    (tmp_path / "broken.png").write_bytes(b"broken")
    out = tmp_path / "out.jsonl"
    done = run_entry(
        "predict",
        tmp_path / "broken.png",
        f"--model={finished_run / 'saved_model'}",
        f"--pattern={tmp_path}/*.png",
        f"--output={out}",
        check=False,
    )
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["image"] for line in lines] == [
        str(tmp_path / name) for name in ("broken.png", "0.png", "1.png")
    ]
    assert "error" in lines[0] and "decision" in lines[1] and "decision" in lines[2]
    assert done.returncode == 1
    assert done.stderr == "error: 1 of 3 images could not be classified\n"


def test_predict_draws_heat_maps_beside_the_same_probabilities(finished_run, scans, tmp_path):
    files, predictions = scans
    other = tmp_path / "other" / pathlib.Path(files[0]).name
    other.parent.mkdir()
    shutil.copy(files[1], other)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"broken")
    folder = tmp_path / "new" / "heat"
    done = run_entry(
        "predict",
        f"--model={finished_run / 'saved_model'}",
        f"--heatmap_dir={folder}",
        *files,
        other,
        broken,
        check=False,
    )
    *lines, bad = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and bad.keys() == {"image", "error"}
    assert lines[0]["probabilities"] == pytest.approx(
        {name: predictions[f"prob_{name}"][0] for name in lines[0]["probabilities"]}, abs=1e-5
    )
    assert len({line["heatmap"] for line in lines}) == 3
    card = json.loads(
        (finished_run / "saved_model" / "assets.extra" / "model_card.json").read_text()
    )
    assert {line["rule"] for line in lines} == {card["card"]["Decision"]}
    assert [line["warnings"] for line in lines] == [[]] * 3
    assert {path.name for path in folder.iterdir()} == {
        pathlib.Path(line["heatmap"]).name for line in lines
    }
    for line in lines:
        assert line["heatmap_class"] == line["decision"]
        with Image.open(line["image"]) as film, Image.open(line["heatmap"]) as heat:
            assert heat.size == film.size and heat.mode == "RGB"


def test_predict_writes_names_that_are_not_utf_8_and_keeps_a_damaged_jpeg_quiet(
    finished_run, tmp_path
):
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg")
    Image.effect_noise((64, 64), 50).save(tmp_path / "good.jpg")
    content = (tmp_path / "good.jpg").read_bytes()
    pathlib.Path(odd).write_bytes(content[: len(content) // 2])
    out = tmp_path / "out.jsonl"
    model = f"--model={finished_run / 'saved_model'}"
    done = run_entry("predict", model, f"--output={out}", odd, tmp_path / "good.jpg", check=False)
    first, second = [json.loads(line) for line in out.read_text().splitlines()]
    assert first["image"] == odd and "does not decode" in first["error"]
    assert second["decision"]
    assert done.stderr == "error: 1 of 2 images could not be classified\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["x.png"], "--model"),
        (["--model=no/such/model", "x.png"], "expected a SavedModel folder"),
        (["--model=runs", "--output=", "x.png"], "--output="),
        (["--model=runs", "--output=/", "x.png"], "--output="),
        (["--model=runs", "--output=no/such/out.jsonl", "x.png"], "--output="),
        (["--model=runs"], "no image was named"),
        (["--model=runs", "--epochs=3", "x.png"], "--epochs: predict does not read it"),
        (["--model=runs", "--pattern=no/such/*.png"], "matches no file"),
    ],
)
def test_predict_says_what_it_lacks(arguments, expected):
    done = run_entry("predict", *arguments, check=False)
    assert done.returncode == 1
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1


def test_evaluate_scores_the_test_split_as_the_run_did(finished_run):
    run_entry("evaluate", f"--workdir={finished_run}")
    (again,) = (finished_run / "evaluations").glob("*-test/metrics.json")
    ours = json.loads((finished_run / "metrics.json").read_text())
    theirs = json.loads(again.read_text())
    assert theirs["confusion_matrix"] == ours["confusion_matrix"]
    assert theirs["balanced_accuracy"] == pytest.approx(ours["balanced_accuracy"])
    assert theirs["brier"] == pytest.approx(ours["brier"], abs=1e-5)


def test_evaluate_on_another_folder_scores_what_the_run_has_not_seen(
    finished_run, small_data, tmp_path
):
    other = shutil.copytree(small_data, tmp_path / "other")
    run_entry("evaluate", f"--workdir={finished_run}", f"--data_dir={other}")
    (metrics,) = (finished_run / "evaluations").glob("*-other/metrics.json")
    manifest = pd.read_csv(finished_run / "manifest.csv")
    unseen = (manifest["split"] == "test").sum()
    assert json.loads(metrics.read_text())["n_images"] == unseen


def test_evaluate_refuses_a_folder_that_is_no_finished_run(tmp_path):
    done = run_entry("evaluate", f"--workdir={tmp_path}", check=False)
    assert done.returncode == 1
    assert "expected the folder of a finished run" in done.stderr
