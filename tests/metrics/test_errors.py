"""The errors that are listed are those that occur, the surest first, one a patient."""

import numpy as np

from tfcovid.metrics.errors import confusions, label_suspects, worst_errors

CLASSES = ("a", "b", "c")
LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2])
PROBS = np.array(
    [
        [0.9, 0.05, 0.05],
        [0.1, 0.8, 0.1],
        [0.3, 0.6, 0.1],
        [0.2, 0.1, 0.7],
        [0.1, 0.8, 0.1],
        [0.05, 0.05, 0.9],
        [0.2, 0.2, 0.6],
        [0.6, 0.1, 0.3],
    ]
)
DECISIONS = PROBS.argmax(axis=1)
GROUPS = np.array(["p", "q", "q", "r", "s", "t", "u", "v"])


def test_confusions_count_images_and_patients_of_every_wrong_pair():
    found = confusions(LABELS, DECISIONS, GROUPS, CLASSES)
    assert found[0] == {
        "label": "a",
        "decision": "b",
        "n_images": 2,
        "n_patients": 1,
        "share": 0.5,
    }
    pairs = {(pair["label"], pair["decision"]): pair["n_images"] for pair in found}
    assert pairs == {("a", "b"): 2, ("a", "c"): 1, ("b", "c"): 1, ("c", "a"): 1}
    assert confusions(LABELS, LABELS, GROUPS, CLASSES) == []


def test_the_surest_errors_come_first_and_one_a_patient():
    def found(index, missed, count=6):
        positions = worst_errors(
            LABELS, PROBS, DECISIONS, GROUPS, index=index, missed=missed, count=count
        )
        return positions.tolist()

    # Row 1 (by .7) before row 3 (by .5); row 2 is of the patient of row 1.
    assert found(0, True) == [1, 3]
    assert found(0, True, count=1) == [1]
    assert found(2, False) == [5, 3]
    assert found(0, False) == [7]
    assert found(1, True) == [5]


def test_a_suspect_is_as_sure_of_another_class_as_that_class_is_of_its_own():
    # Means of the own class: a .375, b .425, c .45.
    suspects = label_suspects(LABELS, PROBS, count=9)
    assert suspects.tolist() == [5, 1, 3, 2, 7]
    assert label_suspects(LABELS, PROBS, count=2).tolist() == [5, 1]


def test_planted_label_noise_is_among_the_suspects():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    probs = np.full((300, 3), 0.05)
    probs[np.arange(300), labels] = rng.uniform(0.6, 0.9, 300)
    probs /= probs.sum(axis=1, keepdims=True)
    noisy = labels.copy()
    noisy[:12] = (labels[:12] + 1) % 3
    suspects = label_suspects(noisy, probs, count=300)
    assert set(suspects) <= set(range(12)) and len(suspects) >= 6


def test_a_class_without_an_image_breaks_nothing():
    assert label_suspects(np.zeros(4, int), PROBS[:4], count=9).tolist() == []
