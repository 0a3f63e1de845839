"""ONNX: one file for the runtimes of other frameworks."""

import json
import logging
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfcovid.exports.squares import INPUT, OUTPUT, NoOperationError, square_classifier
from tfcovid.serving.exported import ExportedClassifier

EXTRA = "pip install -r requirements-onnx.txt"
# Read when ONNX Runtime is imported. Its builds send events about each session to their maker, and
# keep a number of this machine, unless this is set. Source: Privacy.md in its package.
NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
# Old enough for every runtime of the last years, new enough for every layer here.
OPSET = 18
BATCH = "batch"


def check_extra() -> None:
    """Raises ValueError, one line, if converter or runtime are not installed."""
    try:
        import_runtime()
        import onnx  # noqa: F401
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise ValueError(f"--format=onnx needs tf2onnx, onnx and onnxruntime: {EXTRA}") from error


def import_runtime() -> Any:
    """Returns the module onnxruntime, imported so that it sends nothing to anyone."""
    os.environ[NO_TELEMETRY] = "1"
    import onnxruntime

    return onnxruntime


def onnx_model(module: ExportedClassifier, contract: Mapping[str, Any]) -> bytes:
    """Returns the content of an ONNX file that takes any number of images and carries its contract.

    Args:
      module: what the SavedModel is made of.
      contract: of the file; it travels in the file's metadata, an entry each, JSON where it is no
        text.

    Raises:
      NoOperationError: if the network has a part that ONNX has no operation for.
    """
    import onnx
    import tf2onnx

    # It logs each pass; what it cannot convert is found below.
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    function = square_classifier(module, batch_size=None)
    model, _ = tf2onnx.convert.from_function(
        function, input_signature=function.input_signature, opset=OPSET
    )
    there = {schema.name for schema in onnx.defs.get_all_schemas()}
    missing = dict.fromkeys(node.op_type for node in model.graph.node if node.op_type not in there)
    if missing:
        raise NoOperationError(f"ONNX has no operation for {', '.join(missing)}")
    for value, of in ((model.graph.input[0], "input"), (model.graph.output[0], "output")):
        # The converter leaves sizes open that are known.
        kind = value.type.tensor_type.elem_type
        known = onnx.helper.make_tensor_type_proto(kind, contract[of]["shape"])
        value.type.CopyFrom(known)
    texts = {
        name: entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False)
        for name, entry in contract.items()
    }
    onnx.helper.set_model_props(model, texts)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def load_onnx(path: pathlib.Path) -> Callable[[np.ndarray], np.ndarray]:
    """Returns an ONNX file as a function, run by ONNX Runtime on all cores.

    Args:
      path: of the file.

    Returns:
      From images uint8 [n, size, size, 1] to probabilities float32 [n, num_classes].
    """
    onnxruntime = import_runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count() or 1
    session = onnxruntime.InferenceSession(
        str(path), sess_options=options, providers=["CPUExecutionProvider"]
    )

    def classify(images: np.ndarray) -> np.ndarray:
        return np.asarray(session.run([OUTPUT], {INPUT: images})[0])

    return classify
