"""A SavedModel as the server sees it: signatures of one input, called on rows of a batch."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2

from tfcovid.serving.client import load_signature
from tfcovid.serving.exported import ASSETS

DEFAULT_SIGNATURE = "serving_default"
EXPLAIN = "explain"


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function of a SavedModel with one input, whose 0-th axis is the batch.

    Attributes:
      name: by which it is asked for.
      input_name: of its tensor.
      dtype: of its tensor, `tf.string` or `tf.uint8`.
      rank: of one row of it: 0 of encoded images, 3 of decoded ones.
      shared: the outputs that have no batch axis, because they say the same of every row.
    """

    name: str
    input_name: str
    dtype: tf.DType
    rank: int
    shared: frozenset[str]


class Servable:
    """A loaded SavedModel.

    Args:
      folder: such as RUN/saved_model.

    Raises:
      ValueError: as `load_signature`.
    """

    def __init__(self, folder: pathlib.Path):
        default = load_signature(folder)
        self.folder = folder
        # TensorFlow Serving's layout: MODEL/VERSION/saved_model.pb.
        self.version = folder.name if folder.name.isdecimal() else "1"
        self._functions = dict(default._model.signatures)
        self.signatures = {
            name: _signature(name, function) for name, function in self._functions.items()
        }
        # The first call takes longer: not that of the first client.
        black = tf.io.encode_png(tf.zeros([64, 64, 1], tf.uint8)).numpy()
        for name in self.signatures.keys() & {DEFAULT_SIGNATURE, EXPLAIN}:
            (outputs,) = self.call(name, [black])
            self.labels = [label.decode() for label in outputs["labels"]]

    @property
    def explains(self) -> bool:
        """Whether the model has heat maps."""
        return EXPLAIN in self.signatures

    def call(self, name: str, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Returns the outputs of each row: arrays, of a single string bytes.

        Args:
          name: of the signature.
          rows: bytes of encoded images, or uint8 arrays [height, width, channels] of one shape.

        Raises:
          tf.errors.OpError: if the graph refuses one of them, which it does not name.
        """
        signature = self.signatures[name]
        batch = list(rows) if signature.dtype == tf.string else np.stack(rows)
        given = {signature.input_name: tf.constant(batch, signature.dtype)}
        outputs = {key: value.numpy() for key, value in self._functions[name](**given).items()}
        return [
            {key: value if key in signature.shared else value[i] for key, value in outputs.items()}
            for i in range(len(rows))
        ]

    def signature_defs(self) -> dict[str, Any]:
        """Returns the signatures as the SavedModel declares them, in protobuf's JSON."""
        saved = saved_model_pb2.SavedModel.FromString((self.folder / "saved_model.pb").read_bytes())
        return {
            name: json_format.MessageToDict(
                definition,
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=True,
            )
            for name, definition in sorted(saved.meta_graphs[0].signature_def.items())
        }

    def model_card(self) -> Mapping[str, Any] | None:
        """Returns the card that travels with the model, or None if it was exported without one.

        Raises:
          ValueError: if the card is no JSON object.
        """
        path = self.folder / ASSETS / "model_card.json"
        if not path.is_file():
            return None
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: expected JSON; copy the model once more: {error}") from error
        if not isinstance(card, dict):
            raise ValueError(f"{path}: expected a JSON object; copy the model once more")
        return card


def _signature(name: str, function) -> Signature:
    _, inputs = function.structured_input_signature
    ((input_name, spec),) = inputs.items()
    shared = {
        key
        for key, output in function.structured_outputs.items()
        if output.shape.rank == 0 or output.shape[0] is not None
    }
    return Signature(name, input_name, spec.dtype, spec.shape.rank - 1, frozenset(shared))
