"""LiteRT files: what they say, what they carry, and what cannot be converted."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.exports.modules import CLASSES, RULE, contract, expected, module_of, squares
from tests.models.classifiers import tiny
from tfcovid.exports import litert
from tfcovid.exports.squares import NoOperationError

# How far a probability may lie from the network's: of random weights, which spread further than
# trained ones.
OFF = {litert.FLOAT32: 1e-5, litert.FLOAT16: 2e-2, litert.INT8: 0.2}

# Knows the file and nothing else: runtime, zip reader, and the decision as the contract words it.
PLAIN_CLIENT = """
import json, sys, zipfile
import numpy as np
from ai_edge_litert.interpreter import Interpreter
assert not any(name.split(".")[0] in ("tfcovid", "flags", "tensorflow") for name in sys.modules)
with zipfile.ZipFile(sys.argv[1]) as inside:
    contract = json.loads(inside.read("contract.json"))
    labels = inside.read("labels.txt").decode().split()
assert labels == contract["labels"]
given, taken = contract["input"], contract["output"]
images = np.load(sys.argv[2])
assert list(images.shape[1:]) == given["shape"][1:] and str(images.dtype) == given["dtype"]
runner = Interpreter(model_path=sys.argv[1]).get_signature_runner()
probs = np.concatenate([runner(**{given["name"]: one[None]})[taken["name"]] for one in images])
decision = contract["decision"]
positive = labels.index(decision["positive"])
rest = probs.copy()
rest[:, positive] = -1
reached = probs[:, positive] >= np.float32(decision["threshold"])
decided = [labels[i] for i in np.where(reached, positive, rest.argmax(axis=1))]
print(json.dumps({"probabilities": probs.tolist(), "decided": decided}))
"""


@pytest.fixture(scope="module")
def module():
    return module_of()


@pytest.fixture(scope="module")
def contents(module):
    """The content of each precision, and how it says it computes."""
    with litert.Conversion(module) as convert:
        return {one: convert(one, squares(16, seed=2)) for one in litert.PRECISIONS}


def written(tmp_path, contents, precision):
    path = tmp_path / f"{precision}.tflite"
    path.write_bytes(contents[precision][0])
    return path


@pytest.mark.parametrize("precision", litert.PRECISIONS)
def test_a_file_gives_the_probabilities_of_the_network(tmp_path, module, contents, precision):
    images = squares()
    probs = litert.load_litert(written(tmp_path, contents, precision))(images)
    ours = expected(module, images)
    assert probs.dtype == np.float32
    np.testing.assert_allclose(probs, ours, atol=OFF[precision])
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=0.02)
    assert np.ptp(ours, axis=0).min() > 2 * OFF[litert.FLOAT16]


def test_less_precise_files_are_smaller(contents):
    sizes = [len(contents[precision][0]) for precision in litert.PRECISIONS]
    assert sizes[1] < 0.7 * sizes[0]
    assert sizes[2] < 0.5 * sizes[0]


def test_int8_computes_in_int8_but_for_its_borders(contents):
    content, how = contents[litert.INT8]
    operations = litert.operations_of(content)
    assert how == "weights and arithmetic int8, probabilities in steps of 1/256"
    assert {"CONV_2D", "FULLY_CONNECTED", "SOFTMAX"} <= set(operations["INT8"])
    assert set(operations["FLOAT32"]) <= {"CAST", "DEQUANTIZE"}


class Wave(keras.layers.Layer):
    """Something that LiteRT computes in float32 alone."""

    def call(self, inputs):
        """Returns logits of another size, in their order."""
        return inputs + 0.1 * tf.cumsum(inputs, axis=-1)


def test_what_stays_in_float32_under_int8_is_named():
    base = tiny()
    module = module_of(keras.Model(base.input, Wave()(base.output)))
    with litert.Conversion(module) as convert:
        content, how = convert(litert.INT8, squares(8, seed=2))
    assert how == "weights and arithmetic int8, but float32 in CUMSUM"
    assert "CONV_2D" in litert.operations_of(content)["INT8"]


def test_the_probabilities_of_int8_come_in_steps_as_is_said(tmp_path, contents):
    probs = litert.load_litert(written(tmp_path, contents, litert.INT8))(squares())
    np.testing.assert_array_equal(probs * 256, np.round(probs * 256))


def test_float32_computes_in_float32_throughout(contents):
    operations = litert.operations_of(contents[litert.FLOAT32][0])
    assert "CONV_2D" in operations["FLOAT32"]
    assert not {"INT8", "FLOAT16"} & set(operations)


def test_a_file_is_all_that_a_client_needs(tmp_path, module, contents):
    images = squares()
    path = tmp_path / "float32.tflite"
    content = contents[litert.FLOAT32][0]
    path.write_bytes(litert.with_contract(content, contract(batch=1)))
    np.save(tmp_path / "images.npy", images)
    client = subprocess.run(
        [sys.executable, "-I", "-c", PLAIN_CLIENT, path, tmp_path / "images.npy"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert client.returncode == 0, client.stderr
    outputs, ours = json.loads(client.stdout), expected(module, images)
    np.testing.assert_allclose(outputs["probabilities"], ours, atol=1e-5)
    assert outputs["decided"] == [CLASSES[index] for index in RULE.decide(ours)]
    assert len(set(outputs["decided"])) > 1


def test_the_same_network_gives_the_same_file(module, contents):
    with litert.Conversion(module) as convert:
        again, _ = convert(litert.FLOAT32, squares(1))
    first = litert.with_contract(contents[litert.FLOAT32][0], contract())
    assert litert.with_contract(again, contract()) == first


class InverseErf(keras.layers.Layer):
    """An operation that LiteRT and ONNX lack."""

    def call(self, x):
        return tf.math.erfinv(tf.tanh(x) / 2)


def without_operation():
    """A classifier with a part that no format has an operation for."""
    plain = tiny()
    return keras.Model(plain.input, InverseErf()(plain.output))


def test_what_cannot_be_converted_is_named():
    module = module_of(tiny())
    module.model = without_operation()
    with litert.Conversion(module) as convert, pytest.raises(NoOperationError, match=r"tf\.Erfinv"):
        convert(litert.FLOAT32, squares(1))
