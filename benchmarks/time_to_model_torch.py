"""A plain PyTorch recipe, as `benchmarks.time_to_model` runs it in the peers' environment.

Reads the manifest of a run of ours, so that both train on the same split, and fine-tunes
torchvision's MobileNetV2 as its tutorials do: ImageFolder's decoding (Pillow), random affine and
colour jitter, a DataLoader with persistent workers, AdamW under a cosine with a warm-up, class
weights, channels_last, and bfloat16 autocast or float32. Prints a line of JSON: the best model's
figures on validation.
"""

import argparse
import csv
import json
import pathlib

import numpy as np
import torch

try:
    import torchvision
except RuntimeError:
    # Its wheel for CUDA beside a CPU build of PyTorch asks for two operators.
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision
from PIL import Image
from torch import nn
from torchvision.transforms import v2

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Films(torch.utils.data.Dataset):
    """X-rays of a manifest's split."""

    def __init__(self, rows, root, classes, transform):
        self.files = [root / row["path"] for row in rows]
        self.labels = [classes.index(row["label"]) for row in rows]
        self.transform = transform

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        with Image.open(self.files[index]) as image:
            return self.transform(image.convert("RGB")), self.labels[index]


def transforms(size, *, augment):
    moved = [
        v2.RandomApply([v2.RandomAffine(10, translate=(0.05, 0.05), scale=(0.9, 1.1))], p=0.5),
        v2.ColorJitter(brightness=0.1, contrast=0.1),
    ]
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize((size, size), antialias=True),
            *(moved if augment else []),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


def network(weights, num_classes):
    model = torchvision.models.mobilenet_v2()
    state = renamed(torch.load(weights, weights_only=True), model)
    model.load_state_dict(state, strict=False)  # all but the head, which `renamed` has checked
    model.classifier = nn.Linear(model.last_channel, num_classes)
    return model.to(memory_format=torch.channels_last)


def renamed(state, model):
    """Returns weights in the old flat naming under torchvision's names: the order is the same."""
    ours = [name for name in model.state_dict() if name.startswith("features.")]
    theirs = [name for name in state if name.startswith("features.")]
    ours = [name for name in ours if not name.endswith("num_batches_tracked")]
    theirs = [name for name in theirs if not name.endswith("num_batches_tracked")]
    assert len(ours) == len(theirs), (len(ours), len(theirs))
    found = {}
    for own, other in zip(ours, theirs, strict=True):
        assert model.state_dict()[own].shape == state[other].shape, (own, other)
        found[own] = state[other]
    return found


@torch.inference_mode()
def probabilities(model, loader, bfloat16):
    model.eval()
    found = []
    for images, _ in loader:
        images = images.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            found.append(model(images).float().softmax(1))
    return torch.cat(found).numpy()


def figures(labels, probs):
    """Returns what is compared: every class counts alike, whatever its number of images."""
    of_class = [probs[labels == k] for k in range(probs.shape[1])]
    losses = [-np.log(np.maximum(held[:, k], 1e-12)).mean() for k, held in enumerate(of_class)]
    recalls = [(held.argmax(1) == k).mean() for k, held in enumerate(of_class)]
    return {"macro_log_loss": float(np.mean(losses)), "balanced_accuracy": float(np.mean(recalls))}


def options():
    """Returns what was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=pathlib.Path)
    parser.add_argument("--data_dir", type=pathlib.Path)
    parser.add_argument("--weights", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--size", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--learning_rate", type=float, default=1e-4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--precision", choices=("bfloat16", "float32"), default="bfloat16")
    return parser.parse_args()


def loaders(asked, classes):
    """Returns the training and the validation images of the run's manifest, in batches."""
    with (asked.run / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    def films(split):
        chosen = [row for row in rows if row["split"] == split]
        transform = transforms(asked.size, augment=split == "train")
        return Films(chosen, asked.data_dir, classes, transform)

    shared = {"num_workers": asked.workers, "persistent_workers": asked.workers > 0}
    return (
        torch.utils.data.DataLoader(films("train"), asked.batch_size, shuffle=True, **shared),
        torch.utils.data.DataLoader(films("validation"), 64, **shared),
    )


def cosine_with_warm_up(optimizer, steps, warm_up):
    """Returns the schedule of the learning rate, stepped after each batch."""

    def factor(step):
        if step < warm_up:
            return step / warm_up
        return 0.5 * (1 + np.cos(np.pi * (step - warm_up) / max(1, steps - warm_up)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def class_weighted_loss(labels, num_classes):
    """Returns cross-entropy in which every class counts alike, the mean over a batch."""
    counts = np.bincount(labels, minlength=num_classes)
    weights = torch.tensor(len(labels) / (num_classes * counts), dtype=torch.float32)
    each = nn.CrossEntropyLoss(weights, reduction="none")
    return lambda logits, targets: each(logits.float(), targets).mean()


def train_epoch(model, batches, loss_of, optimizer, schedule, bfloat16):
    """Trains on every batch once."""
    model.train()
    for images, targets in batches:
        images = images.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = model(images)
        optimizer.zero_grad(set_to_none=True)
        loss_of(logits, targets).backward()
        optimizer.step()
        schedule.step()


def main():
    """Trains, keeps the best epoch, and prints its figures."""
    asked = options()
    torch.manual_seed(asked.seed)
    classes = json.loads((asked.run / "labels.json").read_text())
    train, held_out = loaders(asked, classes)
    model = network(asked.weights, len(classes))
    optimizer = torch.optim.AdamW(model.parameters(), asked.learning_rate, weight_decay=0.05)
    steps = asked.epochs * len(train)
    warm_up = len(train) if asked.epochs > 1 else max(1, steps // 10)
    schedule = cosine_with_warm_up(optimizer, steps, warm_up)
    loss_of = class_weighted_loss(np.asarray(train.dataset.labels), len(classes))
    truth = np.asarray(held_out.dataset.labels)
    best, bfloat16 = {"macro_log_loss": float("inf")}, asked.precision == "bfloat16"
    for _ in range(asked.epochs):
        train_epoch(model, train, loss_of, optimizer, schedule, bfloat16)
        now = figures(truth, probabilities(model, held_out, bfloat16))
        if now["macro_log_loss"] < best["macro_log_loss"]:
            best = now
            torch.save(model.state_dict(), asked.output)
    print(json.dumps(best))


if __name__ == "__main__":
    main()
