"""TensorFlow Serving's REST protocol, spoken to a small model."""

import base64
import json

import numpy as np
import pytest
import tensorflow as tf

from tests.data.images import noise
from tests.serving.conftest import PREDICT, b64, client_of, png
from tfcovid.serving.client import load_signature
from tfcovid.serving.protocol import MAX_LISTS, Asked, answer, decoded_base64, parse_predict
from tfcovid.serving.refused import RefusedError
from tfcovid.serving.servable import Servable, Signature

LABELS = ["Normal", "Pneumonia", "COVID-19"]
FILES = [png(i) for i in range(3)]


@pytest.fixture(scope="module")
def expected(model_folder):
    """What the SavedModel itself says of FILES."""
    outputs = load_signature(model_folder)(image_bytes=tf.constant(FILES))
    return {
        "probabilities": outputs["probabilities"].numpy().tolist(),
        "decision": [name.decode() for name in outputs["decision"].numpy()],
        "labels": LABELS,
    }


def asked(client, body, address=PREDICT):
    answer = client.post(address, content=body if isinstance(body, bytes) else json.dumps(body))
    assert answer.headers["content-type"] == "application/json"
    return answer


def close(found):
    return pytest.approx(np.array(found), abs=1e-6)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("address", [PREDICT, "/v1/models/tfcovid/versions/1:predict"])
def test_rows_are_answered_with_one_whole_prediction_each(client, expected, named, address):
    rows = [b64(file) for file in FILES]
    instances = [{"image_bytes": row} for row in rows] if named else rows
    found = asked(client, {"instances": instances}, address).json()["predictions"]
    assert [row["decision"] for row in found] == expected["decision"]
    assert [row["labels"] for row in found] == [LABELS] * 3
    assert np.array([row["probabilities"] for row in found]) == close(expected["probabilities"])


@pytest.mark.parametrize("named", [False, True])
def test_columns_are_answered_with_the_outputs_as_they_are(client, expected, named):
    column = [b64(file) for file in FILES]
    inputs = {"image_bytes": column} if named else column
    found = asked(client, {"inputs": inputs}).json()
    assert found.keys() == {"outputs"} and found["outputs"].keys() == expected.keys()
    assert found["outputs"]["labels"] == LABELS
    assert found["outputs"]["decision"] == expected["decision"]
    assert np.array(found["outputs"]["probabilities"]) == close(expected["probabilities"])


def test_the_signature_of_rows_is_answered_by_rows_and_by_columns(client, expected):
    asks = {"signature_name": "rows"}
    rows = asked(client, {**asks, "instances": [b64(file) for file in FILES]}).json()["predictions"]
    columns = asked(client, {**asks, "inputs": [b64(file) for file in FILES]}).json()["outputs"]
    assert [row["labels"] for row in rows] == columns["labels"] == [LABELS] * 3
    assert [row["decision"] for row in rows] == columns["decision"] == expected["decision"]


def test_decoded_images_are_classified_as_their_files_are(client, expected):
    pixels = [noise(40, 50, seed=i)[..., None].tolist() for i in range(3)]
    found = asked(client, {"signature_name": "image", "inputs": pixels}).json()["outputs"]
    assert np.array(found["probabilities"]) == close(expected["probabilities"])
    rows = asked(client, {"signature_name": "image", "instances": pixels}).json()["predictions"]
    assert [row["decision"] for row in rows] == expected["decision"]


def test_heat_maps_come_with_their_square(client, expected):
    asks = {"signature_name": "explain", "instances": [b64(FILES[0])]}
    (row,) = asked(client, asks).json()["predictions"]
    heat_maps = np.array(row["heatmaps"])
    assert heat_maps.shape == (3, 32, 32) and np.shape(row["square"]) == (32, 32)
    assert heat_maps.min() >= 0 and heat_maps.max() == pytest.approx(1)
    assert np.array(row["probabilities"]) == close(expected["probabilities"][0])


def test_an_empty_signature_name_is_the_default_one(client, expected):
    (row,) = asked(client, {"signature_name": "", "instances": [b64(FILES[0])]}).json()[
        "predictions"
    ]
    assert row["decision"] == expected["decision"][0]


def test_more_images_than_a_batch_holds_are_all_answered_in_order(servable, expected):
    with client_of(servable, max_batch_size=2) as client:
        found = asked(client, {"instances": [b64(file) for file in FILES + FILES]}).json()
    assert [row["decision"] for row in found["predictions"]] == expected["decision"] * 2


def test_status_is_that_of_tensorflow_serving(client):
    expected = {
        "model_version_status": [
            {
                "version": "1",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }
    for address in ("/v1/models/tfcovid", "/v1/models/tfcovid/versions/1"):
        assert client.get(address).json() == expected


def test_metadata_names_signatures_tensors_and_shapes(client):
    found = client.get("/v1/models/tfcovid/metadata").json()
    assert found["model_spec"] == {"name": "tfcovid", "signature_name": "", "version": "1"}
    signatures = found["metadata"]["signature_def"]["signature_def"]
    assert {"serving_default", "rows", "image", "explain"} <= signatures.keys()
    default = signatures["serving_default"]
    assert default["method_name"] == "tensorflow/serving/predict"
    assert default["inputs"]["image_bytes"]["dtype"] == "DT_STRING"
    sizes = [dim["size"] for dim in default["outputs"]["probabilities"]["tensor_shape"]["dim"]]
    assert sizes == ["-1", "3"]


def test_the_folder_of_a_version_gives_its_number(model_folder, tmp_path):
    (tmp_path / "7").symlink_to(model_folder)
    assert Servable(tmp_path / "7").version == "7"


@pytest.mark.parametrize(
    ("method", "address", "status", "message"),
    [
        ("POST", "/v1/models/other:predict", 404, "Servable not found for request: Latest(other)"),
        ("GET", "/v1/models/other", 404, "Servable not found for request: Latest(other)"),
        (
            "POST",
            "/v1/models/tfcovid/versions/2:predict",
            404,
            "Servable not found for request: Specific(tfcovid, 2)",
        ),
        ("GET", "/v1/models/tfcovid/versions/2/metadata", 404, "Specific(tfcovid, 2)"),
        ("GET", PREDICT, 400, "Malformed request: GET /v1/models/tfcovid:predict"),
        ("POST", "/v1/models/tfcovid:classify", 400, "Malformed request: POST"),
        ("POST", "/v1/models/tfcovid", 400, "Malformed request: POST"),
        ("GET", "/v1/models/tfcovid/labels/stable", 400, "Malformed request: GET"),
        ("GET", "/elsewhere", 404, "Not Found: GET /elsewhere"),
        ("PUT", "/api/classify", 405, "Method Not Allowed: PUT"),
    ],
)
def test_a_wrong_address_is_a_status_and_one_line(client, method, address, status, message):
    answer = client.request(method, address, content=b"{}" if method == "POST" else None)
    assert answer.status_code == status
    assert answer.json().keys() == {"error"}
    assert message in answer.json()["error"] and "\n" not in answer.json()["error"]


GOOD = b64(FILES[0])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "JSON Parse error"),
        (b"no json", "JSON Parse error"),
        (b"\xff\xfe\x00", "expected JSON in UTF-8"),
        (b"[" * 1_000_000, "nested too deep"),
        (b'{"instances":' + b"[" * 1_000_000, "nested too deep"),
        (b'{"instances":' + b'{"a":' * 100_000, "nested too deep"),
        (b"[" + b"[]," * (MAX_LISTS + 1) + b"[]]", "more than 2000000 lists"),
        (b"9" * 10_000, "the JSON has a number of too many digits"),
        ([], "expected a JSON object"),
        ({}, "found neither"),
        ({"instances": [GOOD], "inputs": [GOOD]}, "found both"),
        ({"instances": []}, "'instances': expected a list of at least one image"),
        ({"instances": GOOD}, "'instances': expected a list"),
        ({"inputs": []}, "'inputs': expected a list of at least one image"),
        ({"inputs": {"pixels": [GOOD]}}, "Missing named input: image_bytes"),
        ({"instances": [{"image_bytes": GOOD, "more": 1}]}, "keys must be equal to: image_bytes"),
        ({"instances": [GOOD, 7]}, "instances[1]: expected the bytes of a file"),
        ({"instances": ["text"]}, "instances[0]: expected the bytes of a file"),
        ({"instances": [{"b64": "@@@@"}]}, "instances[0]: no valid base64"),
        ({"instances": [{"b64": "å"}]}, "instances[0]: no valid base64"),
        ({"instances": [{"b64": 5}]}, "instances[0]: expected a string under 'b64'"),
        ({"signature_name": "regress", "instances": [GOOD]}, '"regress" not found'),
        ({"signature_name": 3, "instances": [GOOD]}, "'signature_name': expected a string"),
        ({"signature_name": "image", "instances": [[[0.5]]]}, "whole numbers from 0 to 255"),
        ({"signature_name": "image", "instances": [[[[256]]]]}, "whole numbers from 0 to 255"),
        ({"signature_name": "image", "instances": [[[[True]]]]}, "whole numbers from 0 to 255"),
        ({"signature_name": "image", "instances": [[[[1], [2]], [[3]]]]}, "of equal lengths"),
        ({"signature_name": "image", "instances": [[[[1, 2]]]]}, "expected 1 or 3 channels"),
        ({"signature_name": "image", "instances": [[[[1]]]]}, "too small: 1 by 1"),
    ],
)
def test_a_wrong_body_is_400_and_one_line(client, body, message):
    answer = asked(client, body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    assert "\n" not in answer.json()["error"] and len(answer.json()["error"]) < 300
    assert asked(client, {"instances": [GOOD]}).status_code == 200


def test_line_breaks_and_missing_padding_of_base64_are_forgiven():
    wrapped = base64.encodebytes(FILES[0]).decode()
    assert "\n" in wrapped.strip()
    assert decoded_base64(wrapped, "here") == FILES[0]
    assert decoded_base64("YWI", "here") == b"ab"
    with pytest.raises(RefusedError, match="here: no valid base64"):
        decoded_base64("Y", "here")


def one_output(**shared):
    return Signature("f", "x", tf.string, 0, frozenset(shared))


def test_the_name_of_a_single_output_is_dropped():
    rows = [{"y": np.float32(0.5)}, {"y": np.float32(2)}]
    for by_rows, key in ((True, "predictions"), (False, "outputs")):
        written = answer(Asked(one_output(), [b"", b""], by_rows), rows)
        assert json.loads(written) == {key: [0.5, 2.0]}


def test_strings_of_an_output_named_bytes_are_base64():
    rows = [{"raw_bytes": b"\xff", "text": "ü".encode()}]
    written = answer(Asked(one_output(), [b""], True), rows)
    assert json.loads(written) == {"predictions": [{"raw_bytes": {"b64": "/w=="}, "text": "ü"}]}


def test_an_output_without_batch_axis_stands_once_in_columns_and_in_every_row():
    names = np.array([b"a", b"b"], object)
    rows = [{"labels": names, "y": np.int64(i)} for i in range(2)]
    signature = one_output(labels=True)
    columns = json.loads(answer(Asked(signature, [b"", b""], False), rows))
    assert columns == {"outputs": {"labels": ["a", "b"], "y": [0, 1]}}
    by_rows = json.loads(answer(Asked(signature, [b"", b""], True), rows))
    assert by_rows == {"predictions": [{"labels": ["a", "b"], "y": i} for i in range(2)]}


def test_inputs_may_be_one_input_by_its_name_or_alone():
    for inputs in ([b64(b"x")], {"x": [b64(b"x")]}):
        body = json.dumps({"signature_name": "f", "inputs": inputs}).encode()
        assert parse_predict(body, {"f": one_output()}).rows == [b"x"]
