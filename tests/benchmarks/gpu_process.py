"""Runs the measurements for a GPU on this backend's CPU, small, and prints what they found."""

import json
import sys

import numpy as np
from PIL import Image

from benchmarks.gpu import backend, feeding, losses, speed, training
from tfcovid.data.image_store import ImageStore
from tfcovid.data.preprocess import Preprocessing


def rates(folder):
    """Returns images a second of the pipeline, of the step and of both together."""
    paths = [f"{folder}/{number}.png" for number in range(8)]
    for number, path in enumerate(paths):
        Image.fromarray(np.full((32, 32), 30 * number, np.uint8)).save(path)
    store, _ = ImageStore.load(paths, Preprocessing(32, channels=1), cache="memory")
    runs = feeding.subjects(store, "bfloat16", channels=1, batch_size=4, steps=3, backbone="tiny")
    return {name: run() for name, run in runs.items()}


def main(folder):
    """Prints one JSON object: figures of losses, gradients, an epoch, a step and its feeding."""
    rng = np.random.default_rng(0)
    labels = np.arange(60, dtype=np.int32) % 3
    images = rng.integers(0, 100, (60, 32, 32, 1)) + 50 * labels[:, None, None, None]
    path = f"{folder}/images.npz"
    np.savez(path, images=images.astype(np.uint8), labels=labels, is_train=np.arange(60) < 48)
    batch = rng.normal(size=(4, 32, 32, 3)).astype(np.float32)
    epoch = list(training.epochs(path, "tiny", 6, ["mixed_float16"]))
    step = speed.ours("bfloat16", batch, labels[:4], backbone="tiny")
    backend.allow_float64()
    found = {
        "losses": {
            f"{name}, {logits}, {dtype}": losses.differences(name, dtype, scale, 500)
            for name in losses.LOSSES
            if "0.5" not in name  # As the others, and half a minute less.
            for logits, scale in losses.SCALES.items()
            for dtype in losses.EPSILON
        },
        "gradients": list(training.gradient_differences(path, "tiny", 8, ["mixed_bfloat16"])),
        "epoch": epoch,
        "rates": rates(folder),
        "step": [step(1)["loss"], step(5)["loss"]],
    }
    print(json.dumps(found, default=float))


if __name__ == "__main__":
    main(sys.argv[1])
