"""Training steps of networks beside torchvision's, on the same device in the same process.

  KERAS_BACKEND=jax XLA_PYTHON_CLIENT_PREALLOCATE=false python -m benchmarks.gpu.speed

The peer is torchvision's network under PyTorch's best settings: torch.compile, channels_last,
automatic mixed precision, fused AdamW. Both hold the batch on the device; what feeds them is not
in the figures. They are timed in turn, round after round.
"""

import itertools
import time

import keras
import numpy as np
from absl import app
from absl import flags as absl_flags

from benchmarks.gpu import backend
from benchmarks.paired_ratios import spread
from tfcovid.losses.focal import SoftmaxFocal
from tfcovid.models.classifier import build_classifier
from tfcovid.training.optimizer import build_optimizer

IMAGE_SIZE = absl_flags.DEFINE_integer("image_size", 224, "Side of the input, pixels.")
BATCH_SIZE = absl_flags.DEFINE_integer("batch", 128, "Images a step.")
ROUNDS = absl_flags.DEFINE_integer("rounds", 5, "How often each is timed.")
STEPS = absl_flags.DEFINE_integer("steps", 20, "Steps a round.")
BACKBONES = absl_flags.DEFINE_list("backbones", ["resnet50"], "Of both; torchvision's names.")
PRECISIONS = {"bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
CHOSEN = absl_flags.DEFINE_list("precisions", list(PRECISIONS), "Mixed with float32.")
NUM_CLASSES, CHANNELS = 3, 3
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 0.05


def trainable(precision, image_size, channels=CHANNELS, backbone="resnet50"):
    """Returns our network, compiled as `tfcovid.train` compiles it."""
    keras.mixed_precision.set_dtype_policy(PRECISIONS[precision])
    model = build_classifier(
        backbone=backbone, num_outputs=NUM_CLASSES, image_size=image_size, channels=channels
    )
    model.compile(
        build_optimizer(
            learning_rate=LEARNING_RATE,
            weight_decay=WEIGHT_DECAY,
            total_steps=10_000,
            warmup_steps=10,
            precision=PRECISIONS[precision],
            initial_loss_scale=2.0**15,
        ),
        loss=SoftmaxFocal(gamma=2.0, sparse=True),
    )
    return model


def ours(precision, images, labels, backbone="resnet50"):
    """Returns what runs steps of our network and waits for the last; it returns the loss."""
    model = trainable(precision, *images.shape[2:], backbone)
    step = backend.compiled_step(model, images, labels)

    def run(steps):
        for _ in range(steps):
            logs = step()
        return backend.as_numbers(logs)

    return run


def torchvision_network(precision, images, labels, backbone="resnet50"):
    """Returns what runs steps of torchvision's network and waits for the last."""
    import torch
    import torchvision

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = torchvision.models.get_model(backbone, num_classes=NUM_CLASSES)
    model = model.to(device, memory_format=torch.channels_last)
    compiled = torch.compile(model)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    scaler = torch.amp.GradScaler(device, enabled=precision == "float16" and device == "cuda")
    dtype = getattr(torch, precision)
    batch = torch.from_numpy(images.transpose(0, 3, 1, 2))
    batch = batch.to(device, memory_format=torch.channels_last)
    classes = torch.from_numpy(labels).long().to(device)

    def run(steps):
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device, dtype):
                loss = torch.nn.functional.cross_entropy(compiled(batch), classes)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def main(_: list[str]) -> None:
    """Prints images a second of both in both precisions, and the ratio of pairs of rounds."""
    rng = np.random.default_rng(0)
    shape = (BATCH_SIZE.value, IMAGE_SIZE.value, IMAGE_SIZE.value, CHANNELS)
    images = rng.normal(size=shape).astype(np.float32)
    labels = rng.integers(0, NUM_CLASSES, BATCH_SIZE.value).astype(np.int32)
    print(
        f"{IMAGE_SIZE.value} px, batches of {BATCH_SIZE.value}, on "
        f"{backend.name_of_the_accelerator()}, Keras on {keras.backend.backend()}: images a "
        "second, training\n\n| network | precision | tfcovid | torchvision | ratio (spread) |\n"
        "|---|---|---|---|---|",
        flush=True,
    )
    for backbone, precision in itertools.product(BACKBONES.value, CHOSEN.value):
        runs = [make(precision, images, labels, backbone) for make in (ours, torchvision_network)]
        seconds = np.zeros((ROUNDS.value, len(runs)))
        for run in runs:
            run(3)
        for round_number in range(ROUNDS.value):
            for which, run in enumerate(runs):
                start = time.perf_counter()
                run(STEPS.value)
                seconds[round_number, which] = time.perf_counter() - start
        rates = BATCH_SIZE.value * STEPS.value / seconds
        medians = " | ".join(f"{rate:,.0f}" for rate in np.median(rates, axis=0))
        ratio = spread(rates[:, 0] / rates[:, 1]).text(2)
        print(f"| {backbone} | {precision} | {medians} | {ratio} |", flush=True)


if __name__ == "__main__":
    app.run(main)
