"""What is compared, what is refused, and how speed is measured."""

import numpy as np
import pytest

from tfcovid.exports.parity import TOLERANCE, parity_of, time_side_by_side

PROBS = np.array([[0.2, 0.8], [0.55, 0.45], [0.9, 0.1]], np.float32)
DECIDED = ["b", "a", "a"]


def moved(by):
    probs = PROBS.copy()
    probs[1] += np.array([-by, by], np.float32)
    return probs


def test_differences_are_over_all_images_and_classes():
    parity = parity_of(PROBS, moved(0.06), DECIDED, ["b", "b", "a"])
    assert parity.largest == pytest.approx(0.06, rel=1e-5)
    assert parity.mean == pytest.approx(2 * 0.06 / 6, rel=1e-5)
    assert parity.changed.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("by", "decided", "exact", "why"),
    [
        (0.0, DECIDED, True, None),
        (0.5 * TOLERANCE, DECIDED, True, None),
        (2 * TOLERANCE, DECIDED, True, "off, more than"),
        (2 * TOLERANCE, DECIDED, False, None),
        (0.0, ["b", "b", "a"], True, "1 of 3 images are decided otherwise"),
        (0.0, ["b", "b", "a"], False, None),
        (np.nan, DECIDED, True, "no numbers"),
        (np.nan, DECIDED, False, "no numbers"),
    ],
)
def test_only_what_computes_as_the_network_must_agree_with_it(by, decided, exact, why):
    found = parity_of(PROBS, moved(by), DECIDED, decided).why_refused(exact=exact)
    assert (found is None) if why is None else (why in found)


def test_an_export_of_other_classes_is_an_error():
    with pytest.raises(ValueError, match=r"expected probabilities \(3, 2\)"):
        parity_of(PROBS, PROBS[:, :1], DECIDED, DECIDED)


class Clock:
    """A clock that classifiers move."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def classifier(self, first_s, other_s):
        """Takes first_s a call at first, then other_s an image."""
        calls = []

        def classify(images):
            calls.append(len(images))
            self.now += other_s * len(images) if len(calls) > 2 else first_s
            return images

        return classify, calls


def test_speed_is_measured_in_turns_after_a_round_that_does_not_count():
    clock = Clock()
    slow, calls_of_slow = clock.classifier(9.0, 0.2)
    fast, calls_of_fast = clock.classifier(9.0, 0.1)
    images = np.zeros((4, 8, 8, 1), np.uint8)
    speeds = time_side_by_side(
        {"slow": slow, "fast": fast}, images, rounds=5, budget_s=1000, clock=clock
    )
    assert calls_of_slow == calls_of_fast == [1, 4] * 6
    assert speeds["slow"]["latency_ms"] == pytest.approx({"p50": 200, "p99": 200})
    assert speeds["fast"]["images_per_second"] == pytest.approx(10)
    assert (speeds["fast"]["batch"], speeds["fast"]["rounds"]) == (4, 5)


def test_no_round_begins_after_the_budget_but_one_always_counts():
    clock = Clock()
    slow, calls = clock.classifier(9.0, 3.0)
    images = np.zeros((2, 8, 8, 1), np.uint8)
    speeds = time_side_by_side({"slow": slow}, images, rounds=50, budget_s=1.0, clock=clock)
    assert speeds["slow"]["rounds"] == 1
    assert calls == [1, 2, 1, 2]
