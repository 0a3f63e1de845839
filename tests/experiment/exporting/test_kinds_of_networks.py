"""Findings, boosted trees and ensembles: what converts says what the network says."""

import contextlib
import io
import json

import pytest

from flags.export_config import ExportFormat
from tests.conftest import train_here
from tests.experiment.tiny_weights import tiny_weights
from tests.nih_tree import write_nih_tree
from tfcovid.data.sources.synthetic import write_synthetic
from tfcovid.data.tasks import TASK_LABELS
from tfcovid.experiment.exporting import run as exporting

SEEN_AS = ("--image_size=32", "--precision=float32", "--loss=ce", "--controls=none")
TRAINED = ("--epochs=1", "--batch_size=64")
EXACT = ("saved_model", "litert/float32.tflite", "onnx/model.onnx")


def findings_and_classes(folder, data):
    nih = write_nih_tree(folder / "nih", patients=150, image_size=32)
    write_synthetic(folder / "corona", seed=1, image_size=32, patients=60)
    return (
        "--system=chexnet_covid",
        f"--data_dir={nih}",
        f"--extra_data_dir={folder / 'corona'}",
        "--backbone=tiny",
        "--copies=bytes",
        "--validation_fraction=0.2",
        *TRAINED,
    )


def boosted_trees(folder, data):
    return (
        f"--data_dir={data}",
        f"--weights={tiny_weights(folder)}",
        "--task=binary",
        "--backbone=tiny",
        "--classifier=boosted_trees",
    )


def ensemble_with_trees(folder, data):
    return (
        f"--data_dir={data}",
        f"--member_weights={tiny_weights(folder)}",
        "--members=tiny,tiny:boosted_trees",
        "--head_epochs=1",
        *TRAINED,
    )


@pytest.fixture(scope="module", params=[findings_and_classes, boosted_trees, ensemble_with_trees])
def exported(request, small_data, tmp_path_factory):
    """The folder of a run's exports, parity.json and the exit code."""
    folder = tmp_path_factory.mktemp("kinds")
    workdir = folder / "run"
    train_here(*request.param(folder, small_data), f"--workdir={workdir}", *SEEN_AS)
    with pytest.MonkeyPatch.context() as patched, contextlib.redirect_stdout(io.StringIO()):
        patched.setattr(exporting, "ROUNDS", 1)
        code = exporting.export_run(workdir, tuple(ExportFormat))
    content = json.loads((workdir / "exports" / "parity.json").read_text())
    return workdir / "exports", content, code


def test_every_format_says_the_same(exported):
    _, content, code = exported
    assert code == 0
    found = {entry["file"]: entry for entry in content["exports"]}
    for file in EXACT:
        assert found[file]["largest_difference"] < 1e-5, file
        assert found[file]["decisions_changed"] == []
        assert found[file]["balanced_accuracy"] == content["network"]["balanced_accuracy"]
    assert 0 < found["litert/int8.tflite"]["largest_difference"] < 0.5


def test_the_contract_holds_the_whole_decision(exported):
    folder, content, _ = exported
    contract = json.loads((folder / "onnx" / "model.json").read_text())
    task = TASK_LABELS[content["task"]]
    assert contract["labels"] == list(task.classes)
    decision = contract["decision"]
    if task.findings:
        assert list(decision["thresholds"]) == list(task.findings)
        decision = decision["diagnosis"]
    assert decision["positive"] in task.exclusive
