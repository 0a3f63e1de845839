"""The PyTorch side of the speed benchmarks: takes requests on stdin, answers on stdout.

    PYTHON benchmarks/torch_peer.py --threads=2 [--clock=cpu]

One JSON object a line, both ways; `{"do": NAME, …}` is answered by `{"answer": …}` or by
`{"error": …}`. Runs in an environment of its own, with PyTorch and torchvision, and imports nothing
of tfcovid. Logs go to stderr.

  train    makes a network and its optimizer: network, size, batch, channels, mode
           ('eager' or 'compile'), channels_last, precision ('float32' or 'bfloat16')
  steps    count: takes so many training steps, timed one by one; seconds of each
  classify makes a network for inference: network, size, mode, channels_last, precision, decoder
           ('cv2' or 'pil')
  images   paths, batch: classifies these files from their bytes, batch by batch; seconds in all
  matmul   size, precision, count: seconds of each product of two square matrices
  forget   drops what train and classify made
  versions of Python's packages
"""

import argparse
import contextlib
import functools
import gc
import importlib.metadata
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

NUM_CLASSES = 3
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 0.05
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# What a request that cannot be fulfilled here raises.
REFUSALS = (ArithmeticError, AttributeError, ImportError, LookupError, RuntimeError, ValueError)


@functools.cache  # the stubs last as long as the library object does
def import_torchvision():
    """Returns torchvision; its wheel for CUDA needs two stubs beside a CPU build of PyTorch."""
    import torch

    try:
        import torchvision
    except RuntimeError:
        import_torchvision.library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            import_torchvision.library.define(
                f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        import torchvision
    return torchvision


def network_of(name, *, channels_last):
    """Returns torchvision's network, or torchxrayvision's for 'xrv_densenet121'."""
    import torch

    if name.startswith("xrv_"):
        import_torchvision()
        import torchxrayvision

        network = torchxrayvision.models.DenseNet(num_classes=NUM_CLASSES)
    else:
        network = getattr(import_torchvision().models, name)(num_classes=NUM_CLASSES)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return network.to(memory_format=layout)


def autocast(precision):
    import torch

    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast("cpu", getattr(torch, precision))


class Peer:
    """Answers requests; holds what the last `train` and `classify` made."""

    def __init__(self, threads, clock):
        import torch

        torch.set_num_threads(threads)
        self.clock = clock
        self.step = self.probabilities = None

    def train(self, *, network, size, batch, channels, mode, channels_last, precision):
        import torch

        torch.manual_seed(0)
        model = network_of(network, channels_last=channels_last).train()
        images = torch.randn(batch, channels, size, size)
        if channels_last:
            images = images.to(memory_format=torch.channels_last)
        labels = torch.randint(0, NUM_CLASSES, (batch,))
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
        )
        called = torch.compile(model) if mode == "compile" else model

        def step():
            optimizer.zero_grad(set_to_none=True)
            with autocast(precision):
                loss = torch.nn.functional.cross_entropy(called(images), labels)
            loss.backward()
            optimizer.step()
            return loss.item()

        self.step = step
        return sum(parameter.numel() for parameter in model.parameters())

    def steps(self, *, count):
        seconds = []
        for _ in range(count):
            start = self.clock()
            self.step()
            seconds.append(self.clock() - start)
        return seconds

    def classify(self, *, network, size, mode, channels_last, precision, decoder):
        import torch

        torch.manual_seed(0)
        model = network_of(network, channels_last=channels_last).eval()
        called = torch.compile(model) if mode == "compile" else model
        decode = DECODERS[decoder]
        gray = network.startswith("xrv_")

        def probabilities(files):
            images = torch.from_numpy(np.stack([decode(file, size) for file in files]))
            if gray:
                batch = (images.float() * (2048 / 255) - 1024)[:, None]
            else:
                scales = torch.tensor([1 / 255 / std for std in STD])
                offsets = torch.tensor([-m / s for m, s in zip(MEAN, STD, strict=True)])
                batch = torch.addcmul(offsets, images.float()[..., None], scales)
                batch = batch.permute(0, 3, 1, 2)
            layout = torch.channels_last if channels_last else torch.contiguous_format
            batch = batch.contiguous(memory_format=layout)
            with torch.inference_mode(), autocast(precision):
                return torch.softmax(called(batch).float(), -1)

        self.probabilities = probabilities

    def images(self, *, paths, batch):
        files = [Path(path).read_bytes() for path in paths]
        start = self.clock()
        for first in range(0, len(files), batch):
            self.probabilities(files[first : first + batch])
        return self.clock() - start

    def matmul(self, *, size, precision, count):
        import torch

        a, b = (torch.randn(size, size).to(getattr(torch, precision)) for _ in range(2))
        with torch.inference_mode():
            return timed(lambda: a @ b, count, self.clock)

    def forget(self):
        import torch

        self.step = self.probabilities = None
        torch.compiler.reset()
        gc.collect()

    def versions(self):
        packages = ("torch", "torchvision", "torchxrayvision", "opencv-python-headless", "Pillow")
        found = {}
        for package in packages:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                found[package] = importlib.metadata.version(package)
        return found


def timed(function, count, clock):
    function()
    seconds = []
    for _ in range(count):
        start = clock()
        function()
        seconds.append(clock() - start)
    return seconds


def decode_cv2(content, size):
    import cv2

    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)


def decode_pil(content, size):
    import io

    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("L").resize((size, size), Image.Resampling.BOX))


# 'cpu' is that of all threads: of one thread, what a wall would show on an idle machine.
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
DECODERS = {"cv2": decode_cv2, "pil": decode_pil}
REQUESTS = (
    *("train", "steps", "classify", "images"),
    *("matmul", "forget", "versions"),
)


def answer_to(peer, request):
    """Returns {"answer": …}, or {"error": one line} where it cannot be done."""
    do = request.pop("do", None)
    if do not in REQUESTS:
        return {"error": f"no request is called {do!r}"}
    try:
        return {"answer": getattr(peer, do)(**request)}
    except (*REFUSALS, TypeError) as error:
        return {"error": " ".join(f"{type(error).__name__}: {error}".split())[:500]}


def serve(peer, requests, answer):
    """Answers each line of `requests` by a call of `answer`, until they end."""
    for line in requests:
        answer(json.dumps(answer_to(peer, json.loads(line))) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    args = parser.parse_args()
    stdout = os.dup(1)
    os.dup2(2, 1)  # what libraries print must not stand among the answers
    serve(
        Peer(args.threads, CLOCKS[args.clock]),
        sys.stdin,
        lambda line: os.write(stdout, line.encode()),
    )


if __name__ == "__main__":
    main()
