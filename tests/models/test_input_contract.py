import dataclasses
import json
import pathlib

import pytest

from tfcovid.models.input_contract import InputContract, contract_path

CONTRACT = InputContract(
    architecture="densenet121",
    channels=3,
    low=0.0,
    high=1.0,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    image_size=224,
    head_outputs=2,
    class_names=("Atelectasis", "Cardiomegaly"),
    source_sha256="0123456789abcdef" * 4,
    proof={"relative_error": 2.9e-7, "tensors": 606},
)


def test_json_gives_back_the_same_contract():
    assert InputContract.from_json(CONTRACT.to_json()) == CONTRACT


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("architecture", "densenet"),
        ("channels", 0),
        ("channels", True),
        ("low", float("nan")),
        ("high", 0.0),
        ("mean", (0.5,)),
        ("mean", [0.5, 0.5, 0.5]),
        ("std", (0.2, 0.2, 0.0)),
        ("std", (0.2, 0.2, float("inf"))),
        ("image_size", 224.0),
        ("class_names", ("a", "a")),
        ("class_names", "ab"),
        ("source_sha256", "0123"),
        ("proof", None),
        ("weights_sha256", "not a hash"),
    ],
)
def test_a_wrong_field_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"Received: {field}="):
        dataclasses.replace(CONTRACT, **{field: value})


def test_missing_and_unknown_fields_are_refused_by_name():
    fields = json.loads(CONTRACT.to_json())
    del fields["mean"]
    with pytest.raises(ValueError, match=r"lacks \['mean'\] and has the unknown fields \['Mean'\]"):
        InputContract.from_json(json.dumps({**fields, "Mean": 0}))


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_text_that_is_no_json_object_is_refused(text):
    with pytest.raises(ValueError, match=r"not (JSON|a JSON object)"):
        InputContract.from_json(text)


def test_a_proof_that_is_not_finite_is_not_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        dataclasses.replace(CONTRACT, proof={"relative_error": float("nan")}).to_json()


def test_the_contract_stands_beside_the_weights():
    expected = pathlib.Path("a.b/chexnet.v1.contract.json")
    assert contract_path("a.b/chexnet.v1.weights.h5") == expected


def test_another_ending_is_refused():
    with pytest.raises(ValueError, match=r"must be called X\.weights\.h5. Received: chexnet\.h5"):
        contract_path("chexnet.h5")
