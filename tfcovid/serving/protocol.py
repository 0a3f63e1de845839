"""TensorFlow Serving's REST protocol: what a request asks, and how an answer is written.

Source: https://www.tensorflow.org/tfx/serving/api_rest; what the page leaves open is as in
tensorflow_serving/util/json_tensor.cc. Three things differ:

- "Use this format if all named input tensors have the same 0-th dimension", says the page of rows,
  and TensorFlow Serving refuses outputs that do not: `labels`, the names of the classes, has no
  batch axis. Here each prediction holds all of it, as every row of the answer is to be whole.
- An empty list of images is an error in the column format too.
- The bytes of a DICOM file are taken where those of a JPEG or PNG file are.
"""

import base64
import binascii
import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfcovid.serving.refused import RefusedError
from tfcovid.serving.servable import DEFAULT_SIGNATURE, Signature

# A list takes 20 times the memory of its two characters: 32 MiB of "[" would become 700.
MAX_LISTS = 2_000_000
B64 = "b64"


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a request of `:predict` asks for.

    Attributes:
      signature: to be called.
      rows: bytes of files, or uint8 arrays [height, width, channels]; at least one.
      by_rows: whether it came as `instances` and is answered with `predictions`; else it came as
        `inputs` and is answered with `outputs`.
    """

    signature: Signature
    rows: list[Any]
    by_rows: bool


def parse_predict(body: bytes, signatures: Mapping[str, Signature]) -> Asked:
    """Returns what the body of a request asks for.

    Args:
      body: JSON as the protocol describes it.
      signatures: of the model, by name.

    Raises:
      RefusedError: with status 400, if it is not in the protocol.
    """
    asked = _json_object(body)
    name = asked.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise RefusedError(400, "'signature_name': expected a string")
    # An unset name of a protobuf is the empty one.
    signature = signatures.get(name or DEFAULT_SIGNATURE)
    if signature is None:
        raise RefusedError(
            400,
            f'Serving signature name: "{name[:100]}" not found in signature def; '
            f"the model has {', '.join(sorted(signatures))}",
        )
    formats = asked.keys() & {"instances", "inputs"}
    if len(formats) != 1:
        found = "both" if formats else "neither"
        raise RefusedError(
            400, f"expected one of 'instances' (rows) and 'inputs' (columns), found {found}"
        )
    (key,) = formats
    values = _named(asked[key], key, signature.input_name)
    rows = [_row(value, f"{key}[{i}]", signature) for i, value in enumerate(values)]
    return Asked(signature, rows, by_rows=key == "instances")


def answer(asked: Asked, outputs: Sequence[Mapping[str, Any]]) -> bytes:
    """Returns the JSON that answers a request.

    Args:
      asked: the request.
      outputs: of each of its rows, by name.
    """
    names = sorted(outputs[0])
    if asked.by_rows:
        rows = [{name: _json_value(row[name], name) for name in names} for row in outputs]
        values = rows if len(names) > 1 else [row[names[0]] for row in rows]
        return _encoded({"predictions": values})
    columns = {
        name: _json_value(outputs[0][name], name)
        if name in asked.signature.shared
        else [_json_value(row[name], name) for row in outputs]
        for name in names
    }
    return _encoded({"outputs": columns if len(names) > 1 else columns[names[0]]})


def decoded_base64(text: Any, where: str) -> bytes:
    """Returns the bytes that base64 stands for; line breaks and missing padding are forgiven.

    Args:
      text: of `{"b64": text}`.
      where: it stands in the request, for the message.

    Raises:
      RefusedError: with status 400, if it is no base64.
    """
    if not isinstance(text, str):
        raise RefusedError(400, f"{where}: expected a string under '{B64}'")
    packed = "".join(text.split())
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RefusedError(400, f"{where}: no valid base64 ({error})") from error


def _json_object(body: bytes) -> dict[str, Any]:
    if body.count(b"[") + body.count(b"{") > MAX_LISTS:
        raise RefusedError(400, f"the JSON has more than {MAX_LISTS} lists and objects")
    try:
        found = json.loads(body)
    except RecursionError as error:
        raise RefusedError(400, "the JSON is nested too deep") from error
    except UnicodeDecodeError as error:
        raise RefusedError(400, "expected JSON in UTF-8") from error
    except json.JSONDecodeError as error:
        raise RefusedError(400, f"JSON Parse error: {error}") from error
    except ValueError as error:  # Python reads no number of thousands of digits
        raise RefusedError(400, "the JSON has a number of too many digits") from error
    if not isinstance(found, dict):
        raise RefusedError(400, 'expected a JSON object, such as {"instances": [{"b64": "…"}]}')
    return found


def _named(values: Any, key: str, input_name: str) -> list[Any]:
    """Returns the values of the only input, whichever way they were named."""
    if key == "inputs" and isinstance(values, dict) and values.keys() != {B64}:
        if input_name not in values:
            raise RefusedError(400, f"Missing named input: {input_name} in 'inputs' object.")
        values = values[input_name]
    if not isinstance(values, list) or not values:
        raise RefusedError(400, f"'{key}': expected a list of at least one image")
    if key == "inputs":
        return values
    return [
        _of_instance(value, f"instances[{i}]", input_name)
        if isinstance(value, dict) and value.keys() != {B64}
        else value
        for i, value in enumerate(values)
    ]


def _of_instance(instance: dict[str, Any], where: str, input_name: str) -> Any:
    if instance.keys() != {input_name}:
        raise RefusedError(400, f"{where}: keys must be equal to: {input_name}")
    return instance[input_name]


def _row(value: Any, where: str, signature: Signature) -> Any:
    if signature.dtype == tf.string:
        return _bytes(value, where)
    return _pixels(value, where, signature.rank)


def _bytes(value: Any, where: str) -> bytes:
    if isinstance(value, dict) and value.keys() == {B64}:
        return decoded_base64(value[B64], where)
    raise RefusedError(400, f'{where}: expected the bytes of a file as {{"{B64}": "…"}}')


def _pixels(value: Any, where: str, rank: int) -> np.ndarray:
    expected = f"{where}: expected whole numbers from 0 to 255 in {rank} nested lists"
    try:
        pixels = np.array(value)
    except (ValueError, OverflowError) as error:
        raise RefusedError(400, f"{expected} of equal lengths") from error
    if pixels.ndim != rank or not pixels.size or pixels.dtype.kind not in "iu":
        raise RefusedError(400, expected)
    if pixels.min() < 0 or pixels.max() > 255:
        raise RefusedError(400, expected)
    return pixels.astype(np.uint8)


def _json_value(value: Any, name: str) -> Any:
    """Returns an output of a row as JSON has it: bytes, an array of them, or one of numbers."""
    if isinstance(value, bytes):
        # "Named tensors that have _bytes as a suffix in their name are considered to have binary
        # values", says the page.
        return _as_b64(value) if name.endswith("_bytes") else value.decode()
    if value.dtype == object:
        return [_json_value(part, name) for part in value]
    return value.tolist()


def _as_b64(value: bytes) -> dict[str, str]:
    return {B64: base64.b64encode(value).decode()}


def _encoded(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()
