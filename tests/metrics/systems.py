"""Two systems on the same images of simulated patients, for the tests of this folder."""

import numpy as np


def two_systems(patients=120, *, seed=0, skill_a=1.5, skill_b=1.5, alike=0.5, num_classes=3):
    """Returns labels, groups and the probabilities of two systems; ids are names.

    What the systems share of an image's scores has variance `alike`; half of the
    rest is the patient's.
    """
    rng = np.random.default_rng(seed)
    images = rng.integers(1, 5, patients)
    index = np.repeat(np.arange(patients), images)
    labels = np.r_[np.arange(num_classes), rng.integers(0, num_classes, patients)][index]
    n = len(index)

    def noise():
        of_patient = rng.normal(size=(patients, num_classes))[index]
        return (of_patient + rng.normal(size=(n, num_classes))) / np.sqrt(2)

    shared, probs = noise(), []
    for skill in (skill_a, skill_b):
        own = np.sqrt(alike) * shared + np.sqrt(1 - alike) * noise()
        scores = np.exp(own + skill * np.eye(num_classes)[labels])
        probs.append(scores / scores.sum(axis=1, keepdims=True))
    return labels, np.array([f"patient{one}" for one in index]), *probs
