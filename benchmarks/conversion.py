"""Conversion of PyTorch checkpoints: ours, keras-hub and onnx2keras on the same files, in turn.

    python3.11 -m venv .venv-peers
    .venv-peers/bin/pip install -r benchmarks/requirements-peers.txt
    python -m benchmarks.conversion --rounds=5

Every measurement is a process of its own. The checkpoints are torchvision networks with random
weights and randomised batch-norm statistics, scaled so that images keep their differences; peers
run in their environment, see `benchmarks/conversion_peers.py`. Prints a table in Markdown: the
relative difference at the logits, batch norms kept, whether a saved model reloads in safe mode,
and seconds: of the conversion proper (from the file to a Keras model in memory, imports not
counted), from the start of the process to that model (ours also writes its files), and, for us,
of the whole command with its proof. keras-hub reads safetensors, onnx2keras what torch.save wrote;
ours is measured on both, and a ratio is theirs over ours from the same kind of file in a round.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from absl import app
from absl import flags as absl_flags

from benchmarks.conversion_peers import process_start_s
from benchmarks.failing import check_names, fail, output_of
from tfcovid import startup
from tfcovid.whole_file import whole_file

BATCH_NORMS = {"resnet50": 53, "resnet18": 20, "densenet121": 121, "mobilenet_v2": 52}
OURS, OURS_SAFE = "ours", "ours, from safetensors"
SUFFIXES = {OURS: ".pth", OURS_SAFE: ".safetensors"}
BESIDE = {"keras-hub": OURS_SAFE}  # the others read PyTorch's format
PEERS = {
    "keras-hub": ("keras_hub", "whole"),
    "onnx2keras": ("onnx2keras", "whole"),
    "onnx2keras with the exporter's defaults": ("onnx2keras", "exporter_defaults"),
    "onnx2keras with the head rebuilt by hand": ("onnx2keras", "headless"),
}

PEERS_PYTHON = absl_flags.DEFINE_string(
    "peers_python", ".venv-peers/bin/python", "Python of the peers' environment."
)
FOLDER = absl_flags.DEFINE_string("folder", "runs/peers", "Where checkpoints and images lie.")
ROUNDS = absl_flags.DEFINE_integer("rounds", 5, "How often each is measured.", lower_bound=1)
NETWORKS = absl_flags.DEFINE_list("networks", list(BATCH_NORMS), "torchvision's names.")
SYSTEMS = absl_flags.DEFINE_list("systems", list(PEERS), "Peers, as in the table; ours always.")
WORKER = absl_flags.DEFINE_string("worker", None, "Measures us on a checkpoint; for the driver.")
RELOAD = absl_flags.DEFINE_string("reload", None, "Loads a saved model; for the worker.")

SCRIPT = pathlib.Path(__file__).with_name("conversion_peers.py")


def drive(folder):
    """Measures all systems on all networks, round after round, and prints the table."""
    check_names(NETWORKS, BATCH_NORMS)
    check_names(SYSTEMS, PEERS)
    peers = pathlib.Path(PEERS_PYTHON.value)
    if not peers.is_file():
        fail(f"--peers_python={peers}: make the environment as the docstring says")
    if not (folder / "images.npy").is_file():
        subprocess.run([peers, SCRIPT, "--make", f"--folder={folder}"], check=True)
    for network in NETWORKS.value:
        write_safetensors(folder / f"{network}.pth")
    records = {}
    for _ in range(ROUNDS.value):
        for network in NETWORKS.value:
            for system in (*SUFFIXES, *SYSTEMS.value):
                record = measure(system, network, folder, peers)
                records.setdefault((network, system), []).append(record)
                print(json.dumps({"system": system, **record}), file=sys.stderr)
    print(
        "| network | converter | relative difference | batch norms | reloads in safe mode "
        "| conversion, s | times ours | process, s | times ours | whole command, s |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for (network, system), runs in records.items():
        beside = system if system in SUFFIXES else BESIDE.get(system, OURS)
        print(row(network, system, runs, records[network, beside]))


def write_safetensors(checkpoint):
    """Writes the same tensors beside a checkpoint as timm publishes them, if that is not done."""
    import safetensors.torch
    import torch

    file = checkpoint.with_suffix(SUFFIXES[OURS_SAFE])
    if file.is_file() and file.stat().st_mtime >= checkpoint.stat().st_mtime:
        return
    with whole_file(file) as part:
        safetensors.torch.save_file(torch.load(checkpoint, weights_only=True), part)


def measure(system, network, folder, peers):
    if system in SUFFIXES:
        command = [sys.executable, "-m", "benchmarks.conversion", f"--folder={folder}"]
        return last_json([*command, f"--worker={folder / network}{SUFFIXES[system]}"])
    peer, recipe = PEERS[system]
    files = {
        "checkpoint": folder / f"{network}.pth",
        "images": folder / "images.npy",
        "expected": folder / f"{network}_logits.npy",
    }
    arguments = [f"--{name}={path}" for name, path in files.items()]
    command = [peers, SCRIPT, f"--peer={peer}", f"--network={network}", f"--recipe={recipe}"]
    return last_json([*command, *arguments])


def last_json(command):
    words = [*map(str, command)]
    return json.loads(output_of(" ".join(words), words, env=quiet()).splitlines()[-1])


def quiet():
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def row(network, system, runs, ours):
    record = runs[-1]
    if not record["supported"]:
        return f"| {network} | {system} | not supported: {record['error']} | | | | | | | |"
    kept = f"{record['batch_norms_kept']} of {BATCH_NORMS[network]}"
    reloads = "yes" if record["reloads_in_safe_mode"] else "no"
    times = []
    for key in ("seconds_convert", "seconds_total"):
        mine = [run[key] for run in runs]
        times += [spread(mine), spread([a / b[key] for a, b in zip(mine, ours, strict=True)])]
    whole = f"{median(runs, 'seconds_command'):.1f}" if "seconds_command" in record else ""
    difference = f"{record['relative_difference']:.1e}"
    cells = (network, system, difference, kept, reloads, *times, whole)
    return f"| {' | '.join(cells)} |"


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def worker(checkpoint, folder):
    """Prints our record on one checkpoint."""
    network = checkpoint.stem
    startup.import_tensorflow()
    import keras
    import numpy as np

    if checkpoint.suffix == SUFFIXES[OURS]:
        import torch  # noqa: F401  its import is not on the clock, as with the peers

    from tfcovid.models.weights_file import load_classifier
    from weights_conversion.command import prepare_process
    from weights_conversion.conversion import build, write
    from weights_conversion.plan import Wishes, make_plan
    from weights_conversion.reading.checkpoint import read_checkpoint
    from weights_conversion.record import Record

    prepare_process()
    start_s = time.perf_counter()
    plan = make_plan(read_checkpoint(checkpoint), Wishes())
    converted = build(plan, [])
    seconds_convert = time.perf_counter() - start_s
    with tempfile.TemporaryDirectory() as scratch:
        write(Record(str(checkpoint)), plan, converted, pathlib.Path(scratch) / "x.weights.h5")
    seconds_total = time.perf_counter() - process_start_s()

    images, expected = (np.load(folder / f) for f in ("images.npy", f"{network}_logits.npy"))
    with tempfile.TemporaryDirectory() as scratch:
        output = pathlib.Path(scratch) / "x.weights.h5"
        start_s = time.perf_counter()
        command = (sys.executable, "-m", "weights_conversion")
        arguments = (f"--checkpoint={checkpoint}", f"--output={output}")
        subprocess.run([*command, *arguments], check=True, capture_output=True)
        seconds_command = time.perf_counter() - start_s
        model, _ = load_classifier(output)
        logits = model.predict(images, verbose=0)
        saved = pathlib.Path(scratch) / "x.keras"
        model.save(saved)
        np.save(pathlib.Path(scratch) / "logits.npy", logits)
        reloaded = subprocess.run(
            [
                sys.executable,
                "-m",
                "benchmarks.conversion",
                f"--folder={folder}",
                f"--reload={saved}",
            ],
            check=False,
        )
    norms = [
        layer
        for layer in model.get_layer("backbone").layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    record = {
        "network": network,
        "supported": True,
        "relative_difference": relative(logits, expected),
        "batch_norms_kept": len(norms),
        "reloads_in_safe_mode": reloaded.returncode == 0,
        "seconds_convert": round(seconds_convert, 3),
        "seconds_total": round(seconds_total, 3),
        "seconds_command": round(seconds_command, 3),
    }
    print(json.dumps(record))


def reload(path, folder):
    """Leaves with 0 if a saved model gives in a new process what it gave before."""
    import keras
    import numpy as np

    import tfcovid.models.batch_norm  # noqa: F401  a registered layer

    model = keras.saving.load_model(path, safe_mode=True)
    logits = model.predict(np.load(folder / "images.npy"), verbose=0)
    before = np.load(path.with_name("logits.npy"))
    sys.exit(relative(logits, before) > 1e-6)


def relative(ours, theirs):
    import numpy as np

    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def main(_):
    folder = pathlib.Path(FOLDER.value)
    if WORKER.value:
        worker(pathlib.Path(WORKER.value), folder)
    elif RELOAD.value:
        reload(pathlib.Path(RELOAD.value), folder)
    else:
        drive(folder)


if __name__ == "__main__":
    app.run(main)
