"""LiteRT, TensorFlow Lite of old: one file for phones, browsers and small computers."""

import io
import json
import os
import pathlib
import re
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfcovid.exports.squares import INPUT, OUTPUT, NoOperationError, square_classifier
from tfcovid.serving.exported import ExportedClassifier

EXTRA = "pip install -r requirements-litert.txt"
ENDING = ".tflite"
ENDPOINT = "image"
CONTRACT = "contract.json"
"""The file that a zip reader finds inside."""

FLOAT32, FLOAT16, INT8 = "float32", "float16", "int8"
PRECISIONS = (FLOAT32, FLOAT16, INT8)

# The least that zip knows: two exports of one network are the same file.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
# What turns the image into float32 and the last int8 into probabilities.
_BORDERS = frozenset({"CAST", "DEQUANTIZE"})
_MISSING_OPERATION = re.compile(r"'?(tf\.\w+)'? op|\b(tf\.\w+)\(")


def check_extra() -> None:
    """Raises ValueError, one line, if the runtime is not installed."""
    try:
        import ai_edge_litert.interpreter  # noqa: F401
    except ImportError as error:
        raise ValueError(f"--format=litert needs ai-edge-litert: {EXTRA}") from error


class Conversion:
    """A classifier on its way to LiteRT; a context that keeps its graph between the precisions.

    It takes one image at a time: with no shape left open LiteRT takes its fast kernels.

    Args:
      module: what the SavedModel is made of.
    """

    def __init__(self, module: ExportedClassifier):
        self._module = module
        self._folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> "Conversion":
        function = square_classifier(self._module, batch_size=1)
        # Keras' archive: variables of a SavedModel of our own stay variables in LiteRT, at zero.
        archive = keras.export.ExportArchive()
        archive.track(self._module.model)
        archive.add_endpoint(
            ENDPOINT, function.python_function, input_signature=function.input_signature
        )
        archive.write_out(self._folder.name, verbose=False)
        return self

    def __exit__(self, *exception: object) -> None:
        self._folder.cleanup()

    def __call__(self, precision: str, representative: np.ndarray) -> tuple[bytes, str]:
        """Returns the content of a file, and what is computed how in one line.

        Args:
          precision: one of PRECISIONS: float32; float16 stores the weights in half the bytes and
            computes in float32; int8 has weights and arithmetic of 8 bits where LiteRT has such an
            operation.
          representative: the images whose values set the ranges of int8, uint8
            [n, size, size, 1], n >= 1.

        Raises:
          NoOperationError: if the network has a part that LiteRT has no operation for.
        """
        if precision == FLOAT32:
            return self._converted(lambda _: None), "weights and arithmetic float32"
        if precision == FLOAT16:
            return self._converted(_halve), "weights float16, arithmetic float32"
        content = self._converted(lambda made: _quantize(made, representative))
        return content, _how_quantized(operations_of(content))

    def _converted(self, set_up: Callable[[Any], None]) -> bytes:
        from tensorflow.lite.python.convert_phase import ConverterError

        made = tf.lite.TFLiteConverter.from_saved_model(
            self._folder.name, signature_keys=[ENDPOINT]
        )
        made.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        set_up(made)
        try:
            with warnings.catch_warnings():
                # The converter itself takes the interpreter that it says is due for deletion.
                warnings.filterwarnings("ignore", message="\\s*Warning: tf.lite.Interpreter")
                return made.convert()
        except (ConverterError, RuntimeError) as error:
            raise NoOperationError(why_not_converted(str(error))) from error


def _halve(made) -> None:
    made.optimizations = [tf.lite.Optimize.DEFAULT]
    made.target_spec.supported_types = [tf.float16]


def _quantize(made, representative: np.ndarray) -> None:
    made.optimizations = [tf.lite.Optimize.DEFAULT]
    made.representative_dataset = lambda: ({INPUT: image[np.newaxis]} for image in representative)
    made.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]


def _how_quantized(operations: Mapping[str, Sequence[str]]) -> str:
    """Returns what is computed how: the converter leaves in float32 what it has no int8 for."""
    in_float32 = [name for name in operations["FLOAT32"] if name not in _BORDERS]
    if in_float32:
        return f"weights and arithmetic int8, but float32 in {', '.join(in_float32)}"
    return "weights and arithmetic int8, probabilities in steps of 1/256"


def why_not_converted(message: str) -> str:
    """Returns which operations a converter misses, in a line, from what it says in paragraphs."""
    names = [one or other for one, other in _MISSING_OPERATION.findall(message)]
    if names:
        return f"LiteRT has no operation for {', '.join(dict.fromkeys(names))}"
    first = next((line.strip() for line in message.splitlines() if line.strip()), "no reason given")
    return f"the LiteRT converter says: {first}"


def with_contract(content: bytes, contract: Mapping[str, Any]) -> bytes:
    """Returns a LiteRT file that carries its contract and labels.

    They are appended as a zip archive, which is how LiteRT's metadata keeps label files: a runtime
    reads the model and stops there, `unzip` finds the files.

    Args:
      content: of a LiteRT file.
      contract: what `json.dump` takes, with an entry `labels`.
    """
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        for name, text in (
            (CONTRACT, json.dumps(contract, indent=2, ensure_ascii=False, allow_nan=False)),
            ("labels.txt", "\n".join(contract["labels"])),
        ):
            archive.writestr(zipfile.ZipInfo(name, _NO_TIME), f"{text}\n")
    return file.getvalue()


def operations_of(content: bytes) -> dict[str, list[str]]:
    """Returns which operations compute in which type.

    Args:
      content: of a LiteRT file.

    Returns:
      For each type of a first output, such as INT8 and FLOAT32, the names of the operations that
      give it, each once.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    operators, types = _names(schema.BuiltinOperator), _names(schema.TensorType)
    found: dict[str, dict[str, None]] = {}
    for graph in model.subgraphs:
        for operation in graph.operators:
            code = model.operatorCodes[operation.opcodeIndex]
            # The first 127 codes stand in a field of their own, of one byte.
            name = operators[max(code.builtinCode, code.deprecatedBuiltinCode)]
            given = types[graph.tensors[operation.outputs[0]].type]
            found.setdefault(given, {})[name] = None
    return {given: list(names) for given, names in found.items()}


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def load_litert(path: pathlib.Path) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a LiteRT file as a function, run by LiteRT's own interpreter on all cores.

    Args:
      path: of the file.

    Returns:
      From images uint8 [n, size, size, 1], one after the other, to probabilities float32
      [n, num_classes].
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=os.cpu_count())
    runner = interpreter.get_signature_runner()

    def classify(images: np.ndarray) -> np.ndarray:
        return np.concatenate([runner(**{INPUT: image[np.newaxis]})[OUTPUT] for image in images])

    return classify
