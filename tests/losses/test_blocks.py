"""Unknown labels, weights of each label and blocks: against the float64 oracle."""

import keras
import numpy as np
import pytest

from tests.losses import oracle
from tests.losses.gradients import value_and_gradient
from tfcovid.losses.blocks import BlockLoss
from tfcovid.losses.cross_entropy import (
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
)
from tfcovid.losses.focal import SigmoidFocal, SoftmaxFocal, sigmoid_focal_loss

RNG = np.random.default_rng(11)
LABELS = RNG.integers(-1, 2, (40, 5))
LOGITS = RNG.uniform(-100, 100, (40, 5)).astype(np.float32)
WEIGHTS = RNG.uniform(0.2, 4.0, (5, 2))
ALPHA = RNG.uniform(0.05, 0.95, 5)


def oracle_terms(labels, logits, *, weights=None, **options):
    """Returns loss [batch] and gradient [batch, k] with each label by itself, float64."""
    loss, gradient = np.zeros(len(labels)), np.zeros(labels.shape)
    alpha = options.pop("alpha", None)
    for k in range(labels.shape[1]):
        known = labels[:, k] >= 0
        own = {} if alpha is None else {"alpha": alpha[k]}
        of_label = labels[known, k][:, None]
        for label in (0, 1):
            rows = np.flatnonzero(known)[of_label[:, 0] == label]
            value, slope, _ = oracle.sigmoid(
                labels[rows, k][:, None], logits[rows, k][:, None], **options, **own
            )
            weight = 1.0 if weights is None else weights[k, label]
            loss[rows] += weight * value
            gradient[rows, k] = weight * slope[:, 0]
    return loss, gradient


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("alpha", [None, ALPHA])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_sigmoid_losses_sum_over_the_known_labels_alone(gamma, alpha, weights):
    options = {} if alpha is None else {"alpha": alpha}
    expected, slopes = oracle_terms(LABELS, LOGITS, weights=weights, gamma=gamma, **options)
    value, gradient = value_and_gradient(
        lambda y, x: sigmoid_focal_loss(y, x, gamma=gamma, alpha=alpha, label_weights=weights),
        LABELS,
        LOGITS,
    )
    np.testing.assert_allclose(value, expected, rtol=2e-5, atol=1e-30)
    held = np.abs(slopes) > 2.0**-126
    np.testing.assert_allclose(gradient[held], slopes[held], rtol=2e-5)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_an_unknown_label_gives_exactly_nothing_whatever_its_logit(smoothing):
    unknown = LABELS < 0
    for logits in (LOGITS, np.full_like(LOGITS, 100.0), np.full_like(LOGITS, -100.0)):
        _, gradient = value_and_gradient(
            lambda y, x: sigmoid_cross_entropy(y, x, label_smoothing=smoothing), LABELS, logits
        )
        assert (gradient[unknown] == 0).all()
        assert (gradient[~unknown] != 0).any()
        elsewhere = np.where(unknown, RNG.uniform(-100, 100, LOGITS.shape), logits)
        first, second = (
            np.asarray(sigmoid_cross_entropy(LABELS, x, label_smoothing=smoothing))
            for x in (logits, elsewhere.astype(np.float32))
        )
        np.testing.assert_array_equal(first, second)


def test_a_row_of_unknown_labels_alone_gives_zero():
    value, gradient = value_and_gradient(sigmoid_cross_entropy, np.full((3, 5), -1), LOGITS[:3])
    assert (value == 0).all() and (gradient == 0).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_softmax_gives_nothing_for_an_image_without_a_class(smoothing):
    labels = np.eye(5)[RNG.integers(0, 5, 40)]
    labels[::3] = -1
    known = labels[:, 0] >= 0
    expected, slopes, _ = oracle.softmax(
        labels[known], LOGITS[known], label_smoothing=smoothing, alpha=WEIGHTS[:, 0]
    )
    value, gradient = value_and_gradient(
        lambda y, x: softmax_cross_entropy(y, x, label_smoothing=smoothing, alpha=WEIGHTS[:, 0]),
        labels,
        LOGITS,
    )
    np.testing.assert_allclose(value[known], expected, rtol=2e-5)
    np.testing.assert_allclose(gradient[known], slopes, rtol=1e-4, atol=1e-6)
    assert (value[~known] == 0).all() and (gradient[~known] == 0).all()


def two_heads():
    return BlockLoss(
        losses=[
            SoftmaxFocal(gamma=2.0, alpha=[1.0, 2.0, 0.5], sparse=False),
            SigmoidFocal(gamma=1.5, alpha=[0.3, 0.6], label_weights=WEIGHTS[:2]),
        ],
        sizes=[3, 2],
        divisors=[0.7, 1.4],
    )


def two_head_labels():
    labels = np.hstack([np.eye(3)[RNG.integers(0, 3, 40)], RNG.integers(-1, 2, (40, 2))])
    labels[::4, :3] = -1
    return labels


def test_two_heads_add_their_losses_over_their_divisors():
    labels = two_head_labels()
    value, gradient = value_and_gradient(two_heads().call, labels, LOGITS)
    known = labels[:, 0] >= 0
    expected, slopes = np.zeros(40), np.zeros((40, 5))
    of_classes = oracle.softmax(
        labels[known, :3], LOGITS[known, :3], gamma=2.0, alpha=np.array([1.0, 2.0, 0.5])
    )
    expected[known] += of_classes[0] / 0.7
    slopes[np.ix_(known, range(3))] = of_classes[1] / 0.7
    of_findings = oracle_terms(
        labels[:, 3:], LOGITS[:, 3:], gamma=1.5, alpha=[0.3, 0.6], weights=WEIGHTS
    )
    expected += of_findings[0] / 1.4
    slopes[:, 3:] = of_findings[1] / 1.4
    np.testing.assert_allclose(value, expected, rtol=2e-5, atol=1e-30)
    np.testing.assert_allclose(gradient, slopes, rtol=2e-4, atol=1e-6)


def test_over_all_images_the_loss_is_the_mean_over_the_known_labels():
    loss = BlockLoss(
        losses=[SigmoidCrossEntropy()], sizes=[5], divisors=[(LABELS >= 0).sum(axis=1).mean()]
    )
    logits = LOGITS / 20
    known = LABELS >= 0
    terms = np.logaddexp(0, np.where(LABELS == 1, -logits, logits).astype(np.float64))
    assert float(loss(LABELS, logits)) == pytest.approx(terms[known].mean(), rel=1e-6)


@pytest.mark.parametrize(
    "loss",
    [
        two_heads(),
        SigmoidCrossEntropy(label_weights=WEIGHTS, alpha=ALPHA),
        SigmoidFocal(gamma=3.0, label_weights=WEIGHTS),
        BlockLoss(losses=[SoftmaxCrossEntropy(sparse=False)], sizes=[5]),
    ],
)
def test_a_reloaded_loss_is_the_same_loss(loss):
    labels = two_head_labels() if isinstance(loss, BlockLoss) and len(loss.sizes) == 2 else LABELS
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(again) is type(loss)
    np.testing.assert_array_equal(
        np.asarray(again.call(labels, LOGITS)), np.asarray(loss.call(labels, LOGITS))
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"losses": [], "sizes": []}, "for each of one or more losses"),
        ({"losses": [SigmoidCrossEntropy()], "sizes": [1, 2]}, "1 losses, sizes=\\[1, 2\\]"),
        ({"losses": [SigmoidCrossEntropy()], "sizes": [0]}, "must be > 0"),
        ({"losses": [SigmoidCrossEntropy()], "sizes": [1], "divisors": [0.0]}, "must be > 0"),
    ],
)
def test_blocks_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        BlockLoss(**arguments)


def test_columns_that_are_no_block_s_are_refused():
    with pytest.raises(ValueError, match=r"expected labels and logits \[batch, 5\]"):
        two_heads().call(LABELS[:, :4], LOGITS)


@pytest.mark.parametrize("weights", [[[1.0, 0.0]], [1.0, 2.0], [[1.0, np.inf]]])
def test_label_weights_that_are_none_are_refused(weights):
    with pytest.raises(ValueError, match="label_weights must be a positive weight of the negative"):
        SigmoidCrossEntropy(label_weights=weights)


def test_label_weights_of_another_number_of_labels_are_refused():
    with pytest.raises(ValueError, match="label_weights must have a row for each of 5 labels"):
        sigmoid_cross_entropy(LABELS, LOGITS, label_weights=WEIGHTS[:3])
