import numpy as np
import pytest

from tfcovid.losses.output_weights import (
    effective_output_prior,
    output_alphas,
    output_counts,
    output_weights,
)

RNG = np.random.default_rng(3)
TARGETS = RNG.choice([-1, 0, 1], (400, 4), p=[0.1, 0.7, 0.2]).astype(np.int8)
COUNTS = np.array([[(TARGETS[:, k] == v).sum() for v in (0, 1)] for k in range(4)])


def test_counts_leave_the_unknown_out():
    np.testing.assert_array_equal(output_counts(TARGETS), COUNTS)


@pytest.mark.parametrize("imbalance", ["none", "class_weight", "effective_number"])
def test_weights_have_mean_1_over_the_known_labels_of_each_output(imbalance):
    weights = output_weights(COUNTS, imbalance, beta=0.99)
    np.testing.assert_allclose((weights * COUNTS).sum(axis=1), COUNTS.sum(axis=1))


def test_class_weights_are_proportional_to_chexnet_s():
    weights = output_weights(COUNTS, "class_weight")
    negatives, positives = COUNTS.T
    ratio = (negatives / COUNTS.sum(axis=1)) / (positives / COUNTS.sum(axis=1))
    np.testing.assert_allclose(weights[:, 1] / weights[:, 0], ratio)
    np.testing.assert_allclose(output_alphas(COUNTS), negatives / (negatives + positives))


def test_the_prior_that_the_loss_sees_is_half_under_class_weights():
    np.testing.assert_allclose(
        effective_output_prior(COUNTS, output_weights(COUNTS, "class_weight")), 0.5
    )
    np.testing.assert_allclose(
        effective_output_prior(COUNTS, np.ones((4, 2))), COUNTS[:, 1] / COUNTS.sum(axis=1)
    )


def test_an_output_without_one_of_its_two_classes_is_refused():
    with pytest.raises(ValueError, match="at least one training example"):
        output_weights([[10, 0]], "class_weight")
    with pytest.raises(ValueError, match="needs a positive and a negative"):
        output_alphas([[0, 3]])


def test_a_mechanism_of_whole_images_is_refused():
    with pytest.raises(ValueError, match=r"where an image has several labels\. Received"):
        output_weights(COUNTS, "weighted_sampling")
