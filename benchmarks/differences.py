"""How far what two processes of `benchmarks.workers` came to is apart."""

import json

import numpy as np

SMALLEST = 1e-4  # of a tensor that is zero but for rounding, a ratio would say nothing


def differences(one, other):
    """Returns the largest relative differences of weights, losses, figures and predictions.

    Of a tensor, relative to its largest entry, or to SMALLEST where all are smaller.
    """
    with np.load(one) as a, np.load(other) as b:
        far = {name: relative(a[name], b[name]) for name in a.files}
    logits = far.pop("logits")
    told = [json.loads(path.with_suffix(".json").read_text()) for path in (one, other)]
    pairs = [
        (name, left[name], right[name])
        for left, right in zip(told[0]["histories"], told[1]["histories"], strict=True)
        for name in left
    ]
    losses = [relative(a, b) for name, a, b in pairs if name.endswith("loss")]
    figures = [relative(a, b) for name, a, b in pairs if not name.endswith("loss")]
    speed = told[1]["images_per_s"]
    return max(far.values()), max(losses), max(figures), logits, speed


def relative(a, b):
    """Returns the largest difference relative to the largest entry, or to SMALLEST."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(np.max(np.abs(a - b)) / max(float(np.max(np.abs(a))), SMALLEST)) if a.size else 0.0
