"""Random predictions with several images a patient, for the tests of this folder."""

import numpy as np


def random_predictions(n=300, num_classes=3, *, seed=0, skill=2.0, images_per_group=2):
    """Returns labels, probs, decisions and group ids; the last class is the rarest."""
    rng = np.random.default_rng(seed)
    shares = np.r_[np.full(num_classes - 1, 0.9 / (num_classes - 1)), 0.1]
    groups = max(num_classes, n // images_per_group)
    of_group = np.r_[
        np.arange(num_classes), rng.choice(num_classes, groups - num_classes, p=shares)
    ]
    group_index = np.r_[np.arange(groups), rng.integers(0, groups, n - groups)]
    labels = of_group[group_index]
    scores = rng.normal(0, 1, (n, num_classes)) + skill * np.eye(num_classes)[labels]
    probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    names = np.array([f"patient{index}" for index in group_index])
    return labels, probs, probs.argmax(axis=1), names
