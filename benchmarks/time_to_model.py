"""From the command to a trained model: tfcovid and a plain PyTorch recipe, seed by seed.

    python -m benchmarks.time_to_model --data_dir=CORONAHACK --weights=mobilenet_v2.weights.h5 \\
        --checkpoint=mobilenet_v2.pt --peers=PYTHON --seeds=0,1,2,3,4

MobileNetV2 from ImageNet weights on CoronaHack's three classes. Recipe A is the same in both tools:
every weight trained for --epochs, the same split, batch, optimizer, schedule, class weights and
ranges of augmentation, --precision. Recipe B is each tool's best: of PyTorch that is A, of tfcovid
what --best says. Seconds are from the start of the process to the best model on the disk, start-up,
reading and decoding included. The figures are those of that model on validation. In each seed the
three run one after the other.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import pandas as pd
import rich.table
from absl import app
from absl import flags as absl_flags

from benchmarks.failing import check_names, check_paths, command_failed, output_of
from tfcovid.console import open_console, say

DATA_DIR = absl_flags.DEFINE_string("data_dir", None, "CoronaHack.", required=True)
WEIGHTS = absl_flags.DEFINE_string("weights", None, "Converted, for tfcovid.", required=True)
CHECKPOINT = absl_flags.DEFINE_string("checkpoint", None, "The same in PyTorch.", required=True)
PEERS = absl_flags.DEFINE_string("peers", None, "Python with torch and torchvision.", required=True)
SEEDS = absl_flags.DEFINE_list("seeds", ["0", "1", "2", "3", "4"], "Of the split and the training.")
EPOCHS = absl_flags.DEFINE_integer("epochs", 3, "Of recipe A.")
BEST = absl_flags.DEFINE_list(
    "best",
    ["--head_epochs=30", "--epochs=0", "--head_augment=false", "--warmup_epochs=0"],
    "Flags of tfcovid's recipe B.",
)
ONLY = absl_flags.DEFINE_list("only", [], "Names of recipes; all if empty.")
PRECISION = absl_flags.DEFINE_enum(
    "precision", "bfloat16", ["bfloat16", "float32"], "Of both tools, with float32 weights."
)
SIZE = absl_flags.DEFINE_integer("image_size", 224, "Pixels.")

SHARED = ("--loss=ce", "--imbalance=class_weight", "--batch_size=32", "--weight_decay=0.05")
ALONE = ("--controls=none", "--heat_map=none", "--task=multiclass", "--backbone=mobilenet_v2")
FIGURES = ("macro_log_loss", "balanced_accuracy")
OURS, PEER, BEST_OURS = "A, tfcovid", "A and B, PyTorch", "B, tfcovid"
WATCH_EVERY_S = 0.05
SCRIPT = pathlib.Path(__file__).with_name("time_to_model_torch.py")


def ours(folder, seed, *recipe):
    """Trains by tfcovid; returns seconds and figures of the best epoch."""
    words = [sys.executable, "-m", "tfcovid.train", f"--data_dir={DATA_DIR.value}", *ALONE]
    words += [*SHARED, f"--weights={WEIGHTS.value}", f"--image_size={SIZE.value}"]
    precision = {"bfloat16": "mixed_bfloat16", "float32": "float32"}[PRECISION.value]
    words += [f"--seed={seed}", f"--workdir={folder}", f"--precision={precision}", *recipe]
    started, trained = time.monotonic(), folder / "checkpoints" / "trained.json"
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while not trained.is_file():
            if process.poll() is not None:
                said = process.stderr.read().decode(errors="replace")
                command_failed("tfcovid.train", process.returncode, said)
            time.sleep(WATCH_EVERY_S)
        seconds = time.monotonic() - started
        process.communicate()  # to its end: the next one wants the machine for itself
    history = pd.read_csv(folder / "history.csv")
    best = history.loc[history["val_macro_log_loss"].idxmin()]
    return {"seconds": seconds, **{name: float(best[f"val_{name}"]) for name in FIGURES}}


def theirs(folder, run, seed):
    """Trains by PyTorch on the split of a run of ours; returns the same."""
    words = [PEERS.value, str(SCRIPT), f"--run={run}", f"--data_dir={DATA_DIR.value}"]
    words += [f"--weights={CHECKPOINT.value}", f"--output={folder / 'best.pt'}", f"--seed={seed}"]
    started = time.monotonic()
    words += [f"--size={SIZE.value}", f"--epochs={EPOCHS.value}", f"--precision={PRECISION.value}"]
    printed = output_of(SCRIPT.name, words)
    return {"seconds": time.monotonic() - started, **json.loads(printed)}


def of_seed(place, seed):
    """Yields what each recipe of a seed gave, after its name."""
    whole = ("--head_epochs=0", f"--epochs={EPOCHS.value}", "--learning_rate=1e-4")
    recipes = {
        OURS: lambda: ours(place / "a", seed, *whole, "--batch_norm=train"),
        PEER: lambda: theirs(place, place / "a", seed),
        BEST_OURS: lambda: ours(place / "b", seed, *BEST.value),
    }
    for recipe, run in recipes.items():
        if recipe in (ONLY.value or recipes):
            yield recipe, run()


def main(_: list[str]) -> None:
    """Prints a line a training, then the table."""
    check_names(ONLY, (OURS, PEER, BEST_OURS))
    check_paths(folders=[DATA_DIR], files=[WEIGHTS, CHECKPOINT], programs=[PEERS])
    # Whether its imports are there, before a training of ours has taken its minutes.
    output_of(f"--peers={PEERS.value}", [PEERS.value, str(SCRIPT), "--help"])
    console = open_console()
    results: dict[str, list[dict[str, float]]] = {}
    for seed in SEEDS.value:
        with tempfile.TemporaryDirectory() as name:
            for recipe, found in of_seed(pathlib.Path(name), seed):
                results.setdefault(recipe, []).append(found)
                figures = ", ".join(f"{key} {found[key]:.4f}" for key in FIGURES)
                say(console, f"seed {seed}, {recipe}: {found['seconds']:.0f} s, {figures}")
    if ONLY.value:
        return
    table = rich.table.Table("recipe", "seconds", *FIGURES, "PyTorch's time over it")
    peer = np.array([found["seconds"] for found in results[PEER]])
    for recipe, rows in results.items():
        columns = {key: np.array([found[key] for found in rows]) for key in ("seconds", *FIGURES)}
        ratio = peer / columns["seconds"]
        cells = [f"{np.median(v):.4g} ({v.min():.4g} to {v.max():.4g})" for v in columns.values()]
        table.add_row(
            recipe, *cells, f"{np.median(ratio):.2f} ({ratio.min():.2f} to {ratio.max():.2f})"
        )
    console.print(table)


if __name__ == "__main__":
    app.run(main)
