"""Every architecture as a LiteRT and an ONNX file: does it convert, is it equal, how fast is it.

    python -m benchmarks.exports --images=FOLDER --image_size=224

Each network has random weights, and a rule whose temperature and biases spread its probabilities
over the images, so that agreement proves something. It is converted in a process of its own, and
compared with the Keras model on X-rays drawn from the folder. Latency is measured in turns with the
Keras model's. What a trained network's int8 file decides is told by `python -m tfcovid.export`;
of random weights int8 is only timed.

Prints a line of JSON for each network as it is done, then the table.
"""

import json
import pathlib
import resource
import subprocess
import sys
import tempfile

import keras
import numpy as np
import rich.table
import tensorflow as tf
from absl import app
from absl import flags as absl_flags

from benchmarks.failing import check_names, fail, images_below
from flags.choices import Backbone
from flags.config import Config
from tfcovid.console import open_console
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment import class_export
from tfcovid.exports import litert, onnx_file
from tfcovid.exports.contract import contract_of
from tfcovid.exports.parity import time_side_by_side
from tfcovid.exports.squares import NoOperationError
from tfcovid.metrics.decision import DecisionRule
from tfcovid.metrics.scaling import Scaling
from tfcovid.models.classifier import build_classifier

IMAGES = absl_flags.DEFINE_string("images", None, "X-rays, searched to the bottom.", required=True)
BACKBONES = absl_flags.DEFINE_list("backbones", None, "Which; all where it is not given.")
SIZE = absl_flags.DEFINE_integer("image_size", 224, "Side of the input, pixels.")
COUNT = absl_flags.DEFINE_integer("count", 32, "X-rays that are compared; 100 set int8's ranges.")
ROUNDS = absl_flags.DEFINE_integer("rounds", 10, "How often each file is timed.")
ALONE = absl_flags.DEFINE_string("alone", None, "One architecture, in this process.")

CLASSES = ("Normal", "Pneumonia", "COVID-19")
REPRESENTATIVE = 100
KERAS = "keras"
FILES = (*(f"litert/{precision}" for precision in litert.PRECISIONS), "onnx")


def drawn_squares(preprocessing, count):
    """Returns uint8 [count, size, size, 1]."""
    every = images_below(IMAGES)
    if len(every) < count:
        fail(f"--images={IMAGES.value}: expected {count} X-rays or more. Received: {len(every)}")
    drawn = np.random.default_rng(0).choice(len(every), count, replace=False)
    contents = (every[i].read_bytes() for i in drawn)
    return np.stack([preprocessing.image_from_bytes(content).numpy() for content in contents])


def spreading_rule(logits):
    """Returns a rule under which no class wins everywhere: logits of mean 0 and deviation 1."""
    deviation = float((logits - logits.mean(axis=0)).std())
    bias = -logits.mean(axis=0) / deviation
    bias -= bias.mean()
    return DecisionRule(CLASSES, Scaling(deviation, tuple(map(float, bias))), "COVID-19", None)


def measure(name):
    """Returns the figures of one architecture."""
    keras.utils.set_random_seed(0)
    preprocessing = Preprocessing(SIZE.value, channels=3, mean=(0.5,) * 3, std=(0.25,) * 3)
    model = build_classifier(backbone=name, num_outputs=3, image_size=SIZE.value, channels=3)
    squares = drawn_squares(preprocessing, COUNT.value + REPRESENTATIVE)
    images, representative = squares[: COUNT.value], squares[COUNT.value :]
    network = tf.function(
        lambda given: model(preprocessing.network_input(given), training=False),
        input_signature=[tf.TensorSpec([None, SIZE.value, SIZE.value, 1], tf.uint8)],
    )
    logits = network(images).numpy()
    rule = spreading_rule(logits)
    module = class_export.module_of(Config(), model, rule, preprocessing)
    found = {"backbone": name, "parameters": model.count_params(), "files": {}}
    subjects = {KERAS: lambda given: rule.probabilities(network(given).numpy())}
    with tempfile.TemporaryDirectory() as folder:
        paths = dict(converted(module, rule, preprocessing, representative, pathlib.Path(folder)))
        for file, path in paths.items():
            if isinstance(path, str):
                found["files"][file] = {"refused": path}
                continue
            load = onnx_file.load_onnx if file == "onnx" else litert.load_litert
            subjects[file] = load(path)
            apart = np.abs(subjects[file](images) - rule.probabilities(logits))
            found["files"][file] = {"largest": float(apart.max()), "bytes": path.stat().st_size}
        speed = time_side_by_side(subjects, images, rounds=ROUNDS.value, budget_s=120)
    for file, figures in found["files"].items():
        if file in speed:
            figures["ms"] = speed[file]["latency_ms"]["p50"]
            figures["images_per_second"] = speed[file]["images_per_second"]
    found["keras_ms"] = speed[KERAS]["latency_ms"]["p50"]
    found["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return found


def converted(module, rule, preprocessing, representative, folder):
    """Yields the path of each file, or why there is none."""
    try:
        with litert.Conversion(module) as convert:
            for precision in litert.PRECISIONS:
                path = folder / f"{precision}{litert.ENDING}"
                path.write_bytes(convert(precision, representative)[0])
                yield f"litert/{precision}", path
    except NoOperationError as reason:
        yield "litert/float32", str(reason)
    contract = contract_of(
        task="multiclass",
        classes=CLASSES,
        preprocessing=preprocessing,
        decision=class_export.OF_CLASSES.decision_of(rule),
        batch=onnx_file.BATCH,
        precision="weights and arithmetic float32",
        model_sha256="0" * 64,
        model_card={"warning": "Random weights."},
    )
    try:
        (folder / "model.onnx").write_bytes(onnx_file.onnx_model(module, contract))
        yield "onnx", folder / "model.onnx"
    except NoOperationError as reason:
        yield "onnx", str(reason)


def in_own_process(name):
    """Returns the figures of one architecture, or how its process ended."""
    asked = [f"--{flag.name}={flag.value}" for flag in (IMAGES, SIZE, COUNT, ROUNDS)]
    command = [sys.executable, "-m", "benchmarks.exports", f"--alone={name}", *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"backbone": name, "failed": done.stderr[-500:]}
    return json.loads(done.stdout.splitlines()[-1])


def row(found, file):
    """Returns a row of the table."""
    figures = found["files"][file]
    title = (found["backbone"], f"{found['parameters']:,}", file)
    if "refused" in figures:
        return *title, figures["refused"], "", "", ""
    return (
        *title,
        "" if file == "litert/int8" else f"{figures['largest']:.1e}",
        f"{figures['bytes'] / 1e6:.1f}",
        f"{figures['ms']:.1f}",
        f"{found['keras_ms'] / figures['ms']:.2f}",
    )


def main(_):
    """Prints what became of each architecture."""
    if ALONE.value:
        print(json.dumps(measure(ALONE.value)))
        return
    images_below(IMAGES)
    known = [one.value for one in Backbone]
    check_names(BACKBONES, known)
    console = open_console()
    table = rich.table.Table(
        *("network", "parameters", "file", "largest difference"),
        *("MB", "ms an image", "times Keras' speed"),
    )
    for name in BACKBONES.value or known:
        found = in_own_process(name)
        print(json.dumps(found), flush=True)
        for file in found.get("files", {}):
            table.add_row(*row(found, file))
    console.print(table)


if __name__ == "__main__":
    app.run(main)
