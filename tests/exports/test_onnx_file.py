"""ONNX files: what they say, what they carry, and what cannot be converted."""

import json
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest

from tests.conftest import ROOT
from tests.exports.modules import CLASSES, contract, expected, module_of, squares
from tests.exports.test_litert import without_operation
from tests.models.classifiers import tiny
from tfcovid.exports.onnx_file import NO_TELEMETRY, load_onnx, onnx_model
from tfcovid.exports.squares import NoOperationError

# Knows the file and nothing else.
PLAIN_CLIENT = """
import json, sys
import numpy as np, onnxruntime
assert not any(name.split(".")[0] in ("tfcovid", "flags", "tensorflow") for name in sys.modules)
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
about = session.get_modelmeta().custom_metadata_map
given, taken = json.loads(about["input"]), json.loads(about["output"])
(probs,) = session.run([taken["name"]], {given["name"]: np.load(sys.argv[2])})
print(json.dumps({"probabilities": probs.tolist(), "labels": json.loads(about["labels"])}))
"""


@pytest.fixture(scope="module")
def module():
    return module_of()


@pytest.fixture
def path(tmp_path, module):
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_model(module, contract()))
    return path


def test_a_file_gives_the_probabilities_of_the_network(path, module):
    images, classify = squares(), load_onnx(path)
    np.testing.assert_allclose(classify(images), expected(module, images), atol=1e-5)
    np.testing.assert_allclose(classify(images[:1]), expected(module, images[:1]), atol=1e-5)


def test_input_and_output_are_those_of_the_contract(path):
    graph = onnx.load(path).graph
    shapes = [
        [one.dim_param or one.dim_value for one in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    ]
    assert shapes == [contract()["input"]["shape"], contract()["output"]["shape"]]
    assert [value.name for value in (*graph.input, *graph.output)] == ["images", "probabilities"]
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_a_file_is_all_that_a_client_needs(tmp_path, path, module):
    np.save(tmp_path / "images.npy", squares())
    client = subprocess.run(
        [sys.executable, "-I", "-c", PLAIN_CLIENT, path, tmp_path / "images.npy"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert client.returncode == 0, client.stderr
    outputs = json.loads(client.stdout)
    np.testing.assert_allclose(outputs["probabilities"], expected(module, squares()), atol=1e-5)
    assert outputs["labels"] == list(CLASSES)


def test_what_cannot_be_converted_is_named():
    module = module_of(tiny())
    module.model = without_operation()
    with pytest.raises(NoOperationError, match="Erfinv"):
        onnx_model(module, contract())


def kept_to_send(folder, code):
    """Runs code in a process whose cache is the folder; returns what ONNX Runtime left there."""
    places = {"XDG_CACHE_HOME": str(folder), "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    environment = {name: value for name, value in os.environ.items() if name != NO_TELEMETRY}
    subprocess.run([sys.executable, "-c", code], env=environment | places, check=True)
    return [path for path in folder.rglob("*") if "onnxruntime" in path.name]


def test_the_runtime_keeps_nothing_to_send_to_its_maker(tmp_path):
    (tmp_path / "plain").mkdir()
    if not kept_to_send(tmp_path / "plain", "import onnxruntime"):
        pytest.skip("this build of onnxruntime sends nothing")
    (tmp_path / "ours").mkdir()
    ours = "from tfcovid.exports.onnx_file import check_extra; check_extra()"
    assert not kept_to_send(tmp_path / "ours", ours)
