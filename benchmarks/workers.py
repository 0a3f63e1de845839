"""Trains as one process, and shared by several; compares weights, losses, figures and predictions.

    python -m benchmarks.workers --data_dir=CORONAHACK --backbones=resnet18
    python -m benchmarks.workers --data_dir=CORONAHACK --backbones=mobilenet_v2 \
        --weights=mobilenet_v2.weights.h5 --learning_rate=1e-5 --image_size=128

Fifty steps of eight images in ten steps an epoch, the last of them with a single image, so that all
workers but one get an empty part; focal loss with class weights, an L2 penalty on the head, batch
normalisation over the whole batch, augmentation. The workers are processes on loopback, with
--namespaces each in a network namespace of its own (Linux, as root), and --mirrored logical devices
of one process. float64 is to agree to 1e-10. The other precisions, whose last batch has three
images, are to be no further from one process than twice what one process is from itself with the
order inside each batch turned round.
Exit code 1 where it is not so.

A training may be chaotic, so that no two orders of summation agree after fifty steps, in float64
either: MobileNetV2 from random weights at 1e-3 differs from itself, turned round, by more than 1.
Hence its converted weights and smaller rate.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import rich.table
from absl import app
from absl import flags as absl_flags

from benchmarks.differences import differences
from benchmarks.failing import check_paths, command_failed
from tfcovid.console import open_console, say
from tfcovid.data.sources import coronahack

DATA_DIR = absl_flags.DEFINE_string("data_dir", None, "CoronaHack.", required=True)
BACKBONES = absl_flags.DEFINE_list("backbones", ["resnet18"], "Networks.")
WORKERS = absl_flags.DEFINE_list("workers", ["2", "3"], "Numbers of processes.")
MIRRORED = absl_flags.DEFINE_list("mirrored", ["2"], "Numbers of logical devices.")
PRECISIONS = absl_flags.DEFINE_list("precisions", ["float64"], "float64, float32, mixed_bfloat16 …")
NAMESPACES = absl_flags.DEFINE_bool("namespaces", False, "A network namespace a worker.")
WEIGHTS = absl_flags.DEFINE_string("weights", None, "Of weights_conversion; random without.")
LEARNING_RATE = absl_flags.DEFINE_float("learning_rate", 1e-3, "Peak, of AdamW.")
SIZE = absl_flags.DEFINE_integer("image_size", 32, "Side of the input, pixels.")
EPOCHS = absl_flags.DEFINE_integer("epochs", 5, "Of ten steps.")
PORT = absl_flags.DEFINE_integer("port", 24600, "The first of those used.")

LIMIT = 1e-10  # of float64, relative
SPREAD = 2.0  # of what rounding does to one process, from one order of the images to another
_IMAGES = 120
_BRIDGE, _NET = "tfworkers", "10.77.0"


def process(images, output, *more):
    """Returns the command of one process."""
    return [
        *(sys.executable, "-m", "benchmarks.workers_process", f"--images={images}"),
        *(f"--output={output}", f"--size={SIZE.value}", f"--epochs={EPOCHS.value}"),
        *([f"--weights={WEIGHTS.value}"] if WEIGHTS.value else []),
        f"--learning_rate={LEARNING_RATE.value}",
        *more,
    ]


def run(commands, environments):
    """Runs processes side by side; ends this one too if one of them fails."""
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    running = [
        subprocess.Popen(
            command, env={**quiet, **more}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for command, more in zip(commands, environments, strict=True)
    ]
    for one in running:
        shown, _ = one.communicate(timeout=1800)
        if one.returncode:
            command_failed("benchmarks.workers_process", one.returncode, shown.decode())


def tf_config(addresses, index):
    """Returns the environment of one worker."""
    task = {"type": "worker", "index": index}
    return {"TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task})}


@contextlib.contextmanager
def namespaces(count):
    """Makes network namespaces on one bridge, as hosts of a network; gives their names."""

    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    names = [f"{_BRIDGE}{index}" for index in range(count)]
    ip("link", "add", _BRIDGE, "type", "bridge")
    try:
        ip("link", "set", _BRIDGE, "up")
        for index, name in enumerate(names):
            ip("netns", "add", name)
            ip("link", "add", f"tfw{index}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", f"tfw{index}", "master", _BRIDGE, "up")
            ip("-n", name, "addr", "add", f"{_NET}.{index + 1}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", _BRIDGE], capture_output=True, check=False)


def by_workers(count, images, output, port, *more):
    """Trains shared by processes."""
    commands = [process(images, output, "--distribute=multi_worker", *more) for _ in range(count)]
    if not NAMESPACES.value:
        addresses = [f"127.0.0.1:{port + index}" for index in range(count)]
        run(commands, [tf_config(addresses, index) for index in range(count)])
        return
    addresses = [f"{_NET}.{index + 1}:{port}" for index in range(count)]
    with namespaces(count) as names:
        inside = [
            ["ip", "netns", "exec", name, *command]
            for name, command in zip(names, commands, strict=True)
        ]
        run(inside, [tf_config(addresses, index) for index in range(count)])


def listed(folder, place):
    """Writes the first images of each class, class by class, and returns where."""
    reading = coronahack.read(folder)
    rows = reading.rows
    of = {"Normal": 0, "Bacterial": 1, "Viral": 1, "COVID-19": 2}
    labels = rows["finding"].map(of)
    chosen = [rows[labels == label].head(_IMAGES // 3) for label in range(3)]
    found = [
        (str(reading.root / path), label)
        for label, part in enumerate(chosen)
        for path in part["path"]
    ]
    order = np.random.default_rng(0).permutation(len(found))
    where = place / "images.json"
    where.write_text(json.dumps([found[index] for index in order]))
    return where


def main(_: list[str]) -> int:
    """Prints the table."""
    check_paths(folders=[DATA_DIR], files=[WEIGHTS])
    console, all_hold, port = open_console(), True, PORT.value
    table = rich.table.Table(
        *("network", "precision", "shared by", "weights", "losses", "figures", "predictions"),
        *("images/s", "holds"),
    )
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        images = listed(DATA_DIR.value, place)
        for backbone in BACKBONES.value:
            for precision in PRECISIONS.value:
                exact = precision == "float64"
                # A batch of one image has one order: nothing to compare its rounding with.
                more = [f"--backbone={backbone}", f"--precision={precision}"]
                more += ["--last=1" if exact else "--last=3"]
                run([process(images, place / "one.npz", *more)], [{}])
                own = differences(place / "one.npz", place / "one.npz")
                results = [("one process", own, None)]
                run([process(images, place / "turned.npz", *more, "--permuted")], [{}])
                turned = differences(place / "one.npz", place / "turned.npz")
                results.append(("one process, order turned round", turned, None))
                limit = LIMIT if exact else SPREAD * turned[0]
                for count in map(int, WORKERS.value):
                    by_workers(count, images, place / "many.npz", port, *more)
                    port += count
                    far = differences(place / "one.npz", place / "many.npz")
                    results.append((f"{count} workers", far, far[0] <= limit))
                for count in map(int, MIRRORED.value):
                    devices = ["--distribute=mirrored", f"--logical={count}"]
                    run([process(images, place / "many.npz", *more, *devices)], [{}])
                    far = differences(place / "one.npz", place / "many.npz")
                    results.append((f"{count} devices", far, far[0] <= limit))
                for shared, far, holds in results:
                    all_hold = all_hold and holds is not False
                    cells = [f"{value:.1e}" for value in far[:4]]
                    verdict = "" if holds is None else "yes" if holds else "NO"
                    row = [backbone, precision, shared, *cells, f"{far[4]:.1f}", verdict]
                    say(console, "  ".join(row))
                    table.add_row(*row)
    console.print(table)
    return 0 if all_hold else 1


if __name__ == "__main__":
    app.run(main)
