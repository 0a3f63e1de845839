"""Drawn findings of patients with several images, for the tests of their figures and rule."""

import numpy as np
from scipy import special

NAMES = ("Mass", "Edema", "Hernia")


def drawn(*, groups=150, seed=0, shares=(0.4, 0.2, 0.05), signal=(3.0, 1.0, 0.0), unknown=0.15):
    """Returns targets int8 [n, k], logits float32 [n, k] and group ids [n]."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), rng.integers(1, 5, groups))
    has = (rng.random((groups, len(shares))) < shares)[group]
    logits = rng.normal(0, 1.5, has.shape) + (has - 0.5) * signal
    targets = np.where(rng.random(has.shape) < unknown, -1, has).astype(np.int8)
    return targets, logits.astype(np.float32), np.array([f"p{number}" for number in group])


def probabilities(logits):
    """Returns the sigmoid of logits, float64."""
    return special.expit(np.asarray(logits, np.float64))
