"""Combinations of members: their optimum, what they recover, and what they must not see."""

import numpy as np
import pytest
from scipy import optimize

from tests.models.classifiers import probabilities
from tfcovid.data.group_folds import group_folds
from tfcovid.losses.class_weights import inverse_frequency
from tfcovid.losses.focal import SigmoidFocal, SoftmaxFocal
from tfcovid.models.ensemble import StackedLogits, WeightedMembers
from tfcovid.training.combining import SPREADS, fit_member_weights, fit_stacking

FEW = (0.0, 0.2, 1.0)


def sample(outputs, *, n=240, noise=(1.0, 6.0, 6.0), seed=0):
    """Logits of members that see the truth through so much noise, labels, and groups of two.

    The noisy ones are the more sure of themselves: their mean with the good one is bad.
    """
    rng = np.random.default_rng(seed)
    num_classes = max(2, outputs)
    shares = np.array([8, 4, 2, 1][:num_classes], float)
    labels = np.tile(np.repeat(np.arange(num_classes), 2), n)[: 2 * n]
    keep = np.repeat(rng.random(n) < (shares / shares.max())[labels[::2]], 2)
    labels = labels[keep][:n]
    groups = np.repeat(np.arange(len(labels)), 2)[: len(labels)]
    truth = 3 * np.eye(num_classes)[labels]
    members = [truth + rng.normal(0, scale, truth.shape) for scale in noise]
    logits = np.stack(members, axis=1)
    if outputs == 1:
        logits = logits[..., 1:] - logits[..., :1]
    return logits.astype(np.float32), labels, groups


def macro_log_loss(logits, labels):
    probs = probabilities(logits)
    return np.mean([-np.log(probs[labels == c, c]).mean() for c in np.unique(labels)])


def start_of(combined):
    """The members' mean: the layer as it is built."""
    return type(combined.layer).from_config(combined.layer.get_config())


def focal(outputs, gamma=2.0):
    return SigmoidFocal(gamma=gamma) if outputs == 1 else SoftmaxFocal(gamma=gamma)


def stack(outputs, data, **settings):
    del outputs
    return fit_stacking(*data, **{"seed": 0, "spreads": FEW} | settings)


def weigh(outputs, data, **settings):
    arguments = {"seed": 0, "spreads": FEW, "loss": focal(outputs)}
    return fit_member_weights(*data, **arguments | settings)


FITS = pytest.mark.parametrize("fit", [stack, weigh], ids=["stacking", "member_weights"])
OUTPUTS = pytest.mark.parametrize("outputs", [1, 4])


@FITS
@OUTPUTS
def test_a_planted_best_member_is_recovered(fit, outputs):
    data = sample(outputs)
    combined = fit(outputs, data)
    logits, labels, _ = sample(outputs, n=2000, seed=1)
    ours, mean = (np.asarray(layer(logits)) for layer in (combined.layer, start_of(combined)))

    def agreement(scores):
        return np.mean(probabilities(scores).argmax(1) == probabilities(logits[:, 0]).argmax(1))

    assert agreement(ours) > 0.93
    assert agreement(mean) < 0.88
    assert macro_log_loss(ours, labels) < macro_log_loss(mean, labels)
    assert combined.spread == 1.0
    unseen = combined.on_validation
    assert {unseen.dtype, *(w.dtype for w in combined.layer.get_weights())} == {np.dtype("float32")}
    assert macro_log_loss(unseen, data[1]) < macro_log_loss(start_of(combined)(data[0]), data[1])


def held(labels, groups, spread):
    """The strength of L2 that a spread stands for."""
    fewest = min(len(np.unique(groups[labels == c])) for c in np.unique(labels))
    return 1 / (len(np.unique(labels)) * fewest * spread**2)


@OUTPUTS
def test_the_layer_reaches_the_optimum_of_its_objective(outputs):
    """Of class-balanced logistic regression that is held near the mean; NumPy, in float64."""
    logits, labels, groups = sample(outputs)
    combined = fit_stacking(logits, labels, groups, seed=0, spreads=[0.3])
    logits = logits.astype(np.float64)
    features = np.log(probabilities(logits)) if outputs > 1 else logits
    features = features.reshape(len(labels), -1)
    start = np.r_[np.tile(np.eye(outputs), (3, 1)).ravel() / 3, np.zeros(outputs)]
    weights, l2 = inverse_frequency(np.bincount(labels))[labels], held(labels, groups, 0.3)

    def objective(flat):
        scores = features @ flat[:-outputs].reshape(-1, outputs) + flat[-outputs:]
        truth = probabilities(scores)[np.arange(len(labels)), labels]
        return np.mean(weights * -np.log(truth)) + l2 / 2 * np.square(flat - start).sum()

    reached = np.concatenate([w.ravel() for w in combined.layer.get_weights()]).astype(np.float64)
    best = optimize.minimize(objective, start, options={"gtol": 1e-8})
    assert objective(reached) == pytest.approx(best.fun, rel=1e-6)
    assert objective(start) > best.fun * 1.01
    assert combined.spread == 0.3


@pytest.mark.parametrize("activation", ["tanh", "softmax"])
@OUTPUTS
def test_member_weights_are_at_an_optimum_of_the_loss_given(outputs, activation):
    logits, labels, groups = sample(outputs, n=60)
    gamma, l2 = 5.0, held(labels, groups, 0.4)
    layer = fit_member_weights(
        logits,
        labels,
        groups,
        loss=focal(outputs, gamma),
        seed=0,
        activation=activation,
        spreads=[0.4],
    ).layer
    reached = layer.get_weights()
    start = WeightedMembers(activation)
    start.build(logits.shape)
    weights = inverse_frequency(np.bincount(labels))[labels]

    def objective(parameters):
        layer.set_weights([p.astype(np.float32) for p in parameters])
        truth = probabilities(layer(logits))[np.arange(len(labels)), labels]
        away = sum(
            np.square(p - s).sum() for p, s in zip(parameters, start.get_weights(), strict=True)
        )
        return np.mean(weights * (1 - truth) ** gamma * -np.log(truth)) + l2 / 2 * away

    value, rng = objective(reached), np.random.default_rng(0)
    assert objective(start.get_weights()) > value * 1.01
    # In no direction does a step lead down, neither forwards nor backwards.
    for _ in range(10):
        step = [rng.normal(0, 0.03, w.shape) for w in reached]
        for sign in (1, -1):
            assert objective([w + sign * s for w, s in zip(reached, step, strict=True)]) > value


@FITS
@OUTPUTS
def test_out_of_fold_logits_never_depend_on_the_labels_of_their_own_group(fit, outputs):
    logits, labels, groups = sample(outputs, n=80)
    folds = group_folds(labels, groups, folds=4, seed=0)
    before = fit(outputs, (logits, labels, groups), folds=folds).on_validation
    group = groups[np.flatnonzero(labels == 0)[5]]
    changed = np.where(groups == group, 1, labels)
    after = fit(outputs, (logits, changed, groups), folds=folds).on_validation
    same_fold = folds == folds[groups == group][0]
    np.testing.assert_array_equal(after[same_fold], before[same_fold])
    # Others learn from it: else the labels were not looked at.
    assert np.abs(after[~same_fold] - before[~same_fold]).max() > 1e-4


@FITS
def test_the_same_seed_gives_the_same_combination(fit):
    data = sample(4, n=80)
    first, again = (fit(4, data) for _ in range(2))
    np.testing.assert_array_equal(first.on_validation, again.on_validation)
    for ours, theirs in zip(first.layer.get_weights(), again.layer.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    other = fit(4, data, seed=1)
    assert not np.array_equal(first.on_validation, other.on_validation)


@FITS
def test_six_positives_among_equal_members_leave_the_mean_or_come_close_to_it(fit):
    """On fresh images, over several draws, relative to the mean."""
    fresh, fresh_labels, _ = sample(1, n=3000, noise=(3.0, 3.0, 3.0), seed=99)
    losses = []
    for seed in range(6):
        logits, labels, groups = sample(1, n=400, noise=(3.0, 3.0, 3.0), seed=seed)
        few = np.r_[np.flatnonzero(labels == 0)[:150], np.flatnonzero(labels == 1)[:6]]
        combined = fit(1, (logits[few], labels[few], groups[few]), spreads=SPREADS)
        mean = macro_log_loss(start_of(combined)(fresh), fresh_labels)
        losses.append(macro_log_loss(combined.layer(fresh), fresh_labels) / mean)
    assert max(losses) < 1.2
    assert np.mean(losses) < 1.05


def test_where_a_class_has_two_groups_the_fits_without_one_of_them_stay_at_the_mean():
    logits, labels, groups = sample(4, n=80)
    of_last = np.unique(groups[labels == 3])
    keep = ~np.isin(groups, of_last[2:])
    logits, labels, groups = logits[keep], labels[keep], groups[keep]
    combined = fit_stacking(logits, labels, groups, seed=0, spreads=FEW)
    folds = group_folds(labels, groups, folds=5, seed=0)
    mean = np.asarray(StackedLogits()(logits))
    held_out = np.isin(folds, folds[labels == 3])
    np.testing.assert_allclose(combined.on_validation[held_out], mean[held_out], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"member_logits": np.zeros((4, 2))}, r"\[n, members, outputs\]. Received: shape \(4, 2\)"),
        ({"member_logits": np.full((4, 2, 1), np.nan)}, "8 not finite"),
        ({"labels": np.array([0, 1, 0])}, r"Received: labels \(3,\), groups \(4,\)"),
        ({"labels": np.array([0, 0, 0, 0])}, r"from 0 to 1 needs an image. .* labels of \[0\]"),
        ({"groups": np.array([0, 1, 2, 1])}, "two groups .* class 1 has one"),
        ({"folds": np.array([0, 1, 0, 1])}, "every class must occur outside every fold"),
    ],
)
def test_what_cannot_be_cross_fitted_is_refused(change, message):
    given = {
        "member_logits": np.zeros((4, 2, 1)),
        "labels": np.array([0, 1, 0, 1]),
        "groups": np.array([0, 1, 2, 3]),
    }
    with pytest.raises(ValueError, match=message):
        fit_stacking(**given | change, seed=0)
