"""Whole exports of a small finished run: what is written is what the network says, or nothing."""

import io
import json
import shutil
import sys
from contextlib import redirect_stdout

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from flags.export_config import ExportFormat
from tests.conftest import SMALL, run_entry, train_here
from tfcovid.controls.probes import balanced_accuracy
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.exporting import run as exporting
from tfcovid.experiment.exporting.images import draw_by_label
from tfcovid.experiment.exporting.network import Network
from tfcovid.exports import litert, onnx_file
from tfcovid.metrics.decision import rule_from_description
from tfcovid.serving.client import load_signature

FILES = (
    "saved_model",
    "litert/float32.tflite",
    "litert/float16.tflite",
    "litert/int8.tflite",
    "onnx/model.onnx",
)


def export_here(workdir, *formats):
    """Exports in this process; returns the exit code, the terminal and parity.json."""
    with redirect_stdout(io.StringIO()) as shown:
        code = exporting.export_run(workdir, formats or tuple(ExportFormat))
    return code, shown.getvalue(), parity_of_run(workdir)


def parity_of_run(workdir):
    return json.loads((workdir / "exports" / "parity.json").read_text())


def entries(workdir):
    return {entry["file"]: entry for entry in parity_of_run(workdir)["exports"]}


@pytest.fixture(autouse=True)
def short_measurement(monkeypatch):
    monkeypatch.setattr(exporting, "ROUNDS", 3)


@pytest.fixture(scope="module")
def exported(finished_run, tmp_path_factory):
    """A copy of the finished run with every format, its exit code and its terminal."""
    workdir = tmp_path_factory.mktemp("exported") / "run"
    shutil.copytree(finished_run, workdir)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(exporting, "ROUNDS", 3)
        return workdir, *export_here(workdir)[:2]


@pytest.fixture(scope="module")
def measured(exported, small_data):
    """Squares and labels of the validation split, and what the Keras model says: by hand."""
    workdir = exported[0]
    manifest = pd.read_csv(workdir / "manifest.csv", dtype=str)
    rows = manifest[manifest["split"] == "validation"]
    preprocessing = Preprocessing.from_json(
        json.loads((workdir / "preprocessing.json").read_text())
    )
    squares = np.stack(
        [
            preprocessing.image_from_bytes(tf.io.read_file(str(small_data / path))).numpy()
            for path in rows["path"]
        ]
    )
    model = keras.models.load_model(workdir / "checkpoints" / "model.keras", compile=False)
    rule = rule_from_description(
        json.loads((workdir / "labels.json").read_text()),
        json.loads((workdir / "decision.json").read_text()),
    )
    probs = rule.probabilities(model.predict(preprocessing.network_input(squares), verbose=0))
    return rows, squares, probs, rule


def test_every_format_and_precision_is_written_beside_its_contract(exported):
    workdir, code, shown = exported
    assert code == 0
    folder = workdir / "exports"
    assert [entry["file"] for entry in parity_of_run(workdir)["exports"]] == list(FILES)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    contracts = {file.rsplit(".", 1)[0] + ".json" for file in FILES[1:]}
    outside = {path for path in found if not path.startswith("saved_model/")}
    assert outside == {*FILES[1:], *contracts, "parity.json", "parity.html"}
    assert "5 of 5 exports written" in shown


@pytest.mark.parametrize("file", FILES[1:])
def test_the_figures_of_parity_are_those_of_the_file(exported, measured, file):
    workdir = exported[0]
    rows, squares, ours, rule = measured
    path = workdir / "exports" / file
    load = litert.load_litert if path.suffix == ".tflite" else onnx_file.load_onnx
    probs, entry = load(path)(squares), entries(workdir)[file]
    apart = np.abs(probs.astype(float) - ours)
    assert parity_of_run(workdir)["images"]["n_images"] == len(rows)
    assert entry["largest_difference"] == pytest.approx(apart.max(), rel=0.05, abs=2e-6)
    assert entry["mean_difference"] == pytest.approx(apart.mean(), rel=0.05, abs=1e-6)
    before, after = rule.decide(ours), rule.decide(probs)
    names = rows["image"].to_numpy()[before != after].tolist()
    assert [one["image"] for one in entry["decisions_changed"]] == names
    labels = rows["label"].to_numpy(str)
    classes = np.asarray(rule.classes)
    assert entry["balanced_accuracy"] == pytest.approx(balanced_accuracy(labels, classes[after]))
    assert entry["bytes"] == path.stat().st_size


def test_float32_is_the_network_and_less_is_near_it(exported):
    found = entries(exported[0])
    for file in ("saved_model", "litert/float32.tflite", "onnx/model.onnx"):
        assert found[file]["largest_difference"] < 1e-5
        assert found[file]["decisions_changed"] == []
    assert 0 < found["litert/float16.tflite"]["largest_difference"] < 0.01
    assert 0 < found["litert/int8.tflite"]["largest_difference"] < 0.3


def test_the_saved_model_is_the_first_one_again(exported, measured, small_data):
    workdir, rows = exported[0], measured[0]
    files = [(small_data / path).read_bytes() for path in rows["path"]]
    first, again = (
        load_signature(folder / "saved_model")(image_bytes=tf.constant(files))
        for folder in (workdir, workdir / "exports")
    )
    assert first.keys() == again.keys()
    for name in first:
        np.testing.assert_array_equal(first[name].numpy(), again[name].numpy())


def test_the_ranges_of_int8_come_from_training_images_of_every_label(exported):
    workdir = exported[0]
    manifest = pd.read_csv(workdir / "manifest.csv", dtype=str).set_index("image")
    drawn = manifest.loc[entries(workdir)["litert/int8.tflite"]["representative"]]
    assert set(drawn["split"]) == {"train"}
    assert drawn.index.is_unique
    train = manifest[manifest["split"] == "train"]
    rarest = train["label"].value_counts().min()
    assert drawn["label"].value_counts().min() >= min(rarest, len(drawn) // 3)


def test_the_page_stands_alone_and_names_every_file(exported):
    text = (exported[0] / "exports" / "parity.html").read_text()
    assert all(file in text for file in FILES)
    assert "Not a medical device" in text
    assert "http" not in text.replace("http-equiv", "")
    assert "<script" not in text


def test_a_second_export_replaces_its_own_and_keeps_the_others(exported, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(exported[0], workdir)
    before = entries(workdir)
    code, _, _ = export_here(workdir, ExportFormat.SAVED_MODEL)
    after = entries(workdir)
    assert code == 0
    assert after.keys() == before.keys()
    assert after["onnx/model.onnx"] == before["onnx/model.onnx"]
    (workdir / "exports" / "onnx" / "model.onnx").write_bytes(b"another file")
    export_here(workdir, ExportFormat.SAVED_MODEL)
    assert "onnx/model.onnx" not in entries(workdir)


def test_an_export_of_a_broken_weight_is_refused_and_leaves_nothing(
    exported, tmp_path, monkeypatch, capsys
):
    workdir = tmp_path / "run"
    shutil.copytree(exported[0], workdir)
    honest = Network.module

    def broken(self):
        module = honest(self)
        module.model = keras.models.clone_model(self.model)
        module.model.set_weights(self.model.get_weights())
        kernel = module.model.get_layer("logits").kernel
        kernel.assign(kernel * 1.01)
        return module

    monkeypatch.setattr(Network, "module", broken)
    code, shown, parity = export_here(workdir, ExportFormat.LITERT, ExportFormat.ONNX)
    assert code == 1
    refused = [entry for entry in parity["exports"] if entry["format"] != "saved_model"]
    assert [entry["file"] for entry in refused] == list(FILES[1:])
    assert all("off, more than 0.0001" in entry["refused"] for entry in refused)
    for file in FILES[1:]:
        path = workdir / "exports" / file
        assert not path.exists()
        assert not path.with_suffix(".json").exists()
    assert not list((workdir / "exports").rglob(".part-*"))
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 4
    assert "1 of 5 exports written" in shown


def test_one_format_that_cannot_be_converted_stops_no_other(exported, tmp_path, monkeypatch):
    workdir = tmp_path / "run"
    shutil.copytree(exported[0], workdir)

    def without(*_):
        raise onnx_file.NoOperationError("ONNX has no operation for Erfinv")

    monkeypatch.setattr(onnx_file, "onnx_model", without)
    code, _, parity = export_here(workdir, ExportFormat.ONNX, ExportFormat.SAVED_MODEL)
    found = {entry["file"]: entry for entry in parity["exports"]}
    assert code == 1
    assert found["onnx/model.onnx"]["refused"] == "ONNX has no operation for Erfinv"
    assert "refused" not in found["saved_model"]


@pytest.mark.parametrize(
    ("of_format", "module", "words"),
    [
        (ExportFormat.LITERT, "ai_edge_litert.interpreter", "requirements-litert.txt"),
        (ExportFormat.ONNX, "onnxruntime", "requirements-onnx.txt"),
    ],
)
def test_a_missing_extra_is_named_before_anything_is_done(
    tmp_path, monkeypatch, of_format, module, words
):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=words):
        exporting.export_run(tmp_path, [of_format])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--workdir=RUN", "--format=tensorrt"], "--format=tensorrt: expected one or several of"),
        (["--workdir=RUN", "--format=onnx,"], "expected one or several of"),
        (["--workdir=RUN"], "--format: expected one or several of saved_model, litert, onnx"),
        (["--format=saved_model"], "--workdir: expected the folder of a finished run"),
        (["--workdir=RUN", "--format=onnx", "--seed=1"], "--seed: export does not read it"),
        (["--workdir=RUN", "--format=saved_model"], "found no metrics.json"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, arguments, words):
    (tmp_path / "checkpoints").mkdir()
    arguments = [argument.replace("RUN", str(tmp_path)) for argument in arguments]
    done = run_entry("export", *arguments, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
    assert not (tmp_path / "exports").exists()


@pytest.mark.parametrize("damage", ["cut", "changed", "nothing", "missing"])
def test_a_damaged_model_is_one_line_that_says_what_to_do(finished_run, tmp_path, damage):
    workdir = tmp_path / "run"
    shutil.copytree(finished_run, workdir)
    path = workdir / "checkpoints" / "model.keras"
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(
        {
            "cut": content[:half],
            "changed": content[:half] + bytes(1000) + content[half + 1000 :],
            "nothing": b"",
            "missing": b"",
        }[damage]
    )
    words = r"model\.keras: damaged or incomplete, .*; train again, or copy it"
    if damage == "missing":
        path.unlink()
        words = r"model\.keras: expected the network of a run, there is no such file"
    with pytest.raises(ValueError, match=words):
        exporting.export_run(workdir, [ExportFormat.SAVED_MODEL])


def test_a_place_that_exports_cannot_be_written_to_is_one_line(finished_run, tmp_path, monkeypatch):
    workdir = tmp_path / "run"
    shutil.copytree(finished_run, workdir)
    (workdir / "exports").write_text("a file")
    words = r"exports: expected a folder that exports can be written into \({}\); move away"
    with pytest.raises(ValueError, match=words.format("File exists")):
        exporting.export_run(workdir, [ExportFormat.SAVED_MODEL])
    (workdir / "exports").unlink()
    monkeypatch.setattr(exporting.os, "access", lambda *_: False)
    with pytest.raises(ValueError, match=words.format("Permission denied")):
        exporting.export_run(workdir, [ExportFormat.SAVED_MODEL])


def test_the_command_ends_in_a_table_and_says_nothing_on_stderr(finished_run, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(finished_run, workdir)
    done = run_entry("export", f"--workdir={workdir}", "--format=onnx")
    assert done.stderr == ""
    assert "1 of 1 exports written; each decides all" in done.stdout
    assert str(workdir / "exports" / "onnx" / "model.onnx") in done.stdout


def test_images_that_changed_since_the_run_are_refused(small_data, finished_run, tmp_path):
    workdir, data = tmp_path / "run", tmp_path / "data"
    shutil.copytree(finished_run, workdir)
    shutil.copytree(small_data, data)
    config = json.loads((workdir / "config.json").read_text())
    config["sources"]["data_dir"] = str(data)
    (workdir / "config.json").write_text(json.dumps(config))
    manifest = pd.read_csv(workdir / "manifest.csv", dtype=str)
    path = data / manifest.loc[manifest["split"] == "validation", "path"].iloc[0]
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ValueError, match=r"1 of .* validation images are missing, bad or not"):
        export_here(workdir, ExportFormat.SAVED_MODEL)


def test_a_network_trained_in_half_precision_is_exported_in_float32(small_data, tmp_path):
    workdir = tmp_path / "half"
    flags = [flag for flag in SMALL if not flag.startswith(("--precision", "--epochs"))]
    train_here(
        f"--data_dir={small_data}",
        f"--workdir={workdir}",
        *flags,
        "--epochs=1",
        "--precision=mixed_float16",
        "--controls=none",
    )
    code, _, parity = export_here(workdir, ExportFormat.LITERT)
    assert code == 0
    assert {entry["file"] for entry in parity["exports"]} == set(FILES[1:4])
    assert "FLOAT16" not in parity["exports"][0]["operations"]


def test_labels_are_drawn_in_turn():
    labels = pd.Series(["a"] * 50 + ["b"] * 3 + ["c"] * 20)
    drawn = draw_by_label(labels, 12, seed=0)
    assert labels[drawn].value_counts().to_dict() == {"a": 5, "b": 3, "c": 4} or (
        labels[drawn].value_counts().to_dict() == {"a": 4, "b": 3, "c": 5}
    )
    np.testing.assert_array_equal(drawn, draw_by_label(labels, 12, seed=0))
    assert not np.array_equal(drawn, draw_by_label(labels, 12, seed=1))
    np.testing.assert_array_equal(draw_by_label(labels, 500, seed=0), np.arange(73))
