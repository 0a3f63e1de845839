import numpy as np
import pytest
from scipy import optimize, special
from sklearn.metrics import log_loss as sklearn_log_loss

from tfcovid.training.cross_fitting import Problem, choose_spread, cross_fit, log_loss


class Linear:
    """Logits linear in features, starting at nothing."""

    def __init__(self, features, outputs):
        self.features, self.outputs = features, outputs
        self.start = np.zeros(features.shape[1] * outputs)

    def logits(self, parameters, rows):
        return self.features[rows] @ parameters.reshape(-1, self.outputs)

    def slope(self, parameters, rows, by_logits):
        del parameters
        return (self.features[rows].T @ by_logits).ravel()


def problem(n, *, signal, seed=0, positives=None):
    """Two classes by one logit, of which the first of three features tells so much."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) < (n // 2 if positives is None else positives)).astype(int)
    features = rng.normal(size=(n, 3))
    features[:, 0] += signal * (2 * labels - 1)
    return Problem(Linear(features, 1), log_loss, labels, np.arange(n))


@pytest.mark.parametrize("outputs", [1, 3])
def test_the_log_loss_and_its_slope_are_those_of_the_formula(outputs):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (20, outputs))
    labels = rng.integers(0, max(2, outputs), 20)
    losses, slopes = log_loss(labels, logits)
    probs = special.softmax(np.hstack([0 * logits, logits]) if outputs == 1 else logits, axis=1)
    assert losses.mean() == pytest.approx(
        sklearn_log_loss(labels, probs, labels=range(probs.shape[1]))
    )
    for row in range(3):
        numeric = optimize.approx_fprime(
            logits[row], lambda x, row=row: log_loss(labels[row : row + 1], x[None])[0][0], 1e-7
        )
        np.testing.assert_allclose(slopes[row], numeric, atol=1e-5)


def test_the_log_loss_of_a_wrong_certainty_is_finite():
    losses, slopes = log_loss(np.array([0, 1]), np.array([[800.0], [-800.0]]))
    np.testing.assert_allclose(losses, 800)
    np.testing.assert_allclose(slopes, [[1], [-1]])


def test_without_signal_the_narrowest_spread_is_chosen_and_with_signal_a_wide_one():
    folds, spreads = np.arange(120) % 4, (0.0, 0.3, 3.0)
    chosen = [
        choose_spread(problem(120, signal=signal, seed=seed), np.arange(120), folds, spreads)
        for signal in (0.0, 2.0)
        for seed in range(5)
    ]
    assert chosen[:5] == [0] * 5
    assert min(chosen[5:]) > 0


def test_a_spread_holds_more_where_the_rarest_class_has_fewer_groups():
    """Six positives among a thousand say no more than six among fifty."""
    rows = np.arange(1000)
    weights = []
    for positives, n in ((6, 50), (6, 1000), (500, 1000)):
        given = problem(n, signal=0.5, positives=positives)
        weights.append(np.linalg.norm(given.fitted(rows[:n], [0.1])))
    assert weights[1] < 1.5 * weights[0]
    assert weights[2] > 2 * weights[1]


def test_the_path_does_not_change_where_the_only_optimum_is():
    given, rows = problem(80, signal=1.0), np.arange(80)
    direct = given.fitted(rows, [1.0])
    np.testing.assert_allclose(given.fitted(rows, [0.0, 0.1, 1.0]), direct, atol=1e-3)
    assert np.abs(direct).max() > 0.3


def test_nothing_of_a_fold_enters_what_is_said_of_it():
    given, folds = problem(60, signal=1.0), np.arange(60) % 5
    before = cross_fit(given, folds=folds, spreads=(0.0, 1.0), seed=0).out_of_fold
    labels = np.where(folds == 2, 1 - given.labels, given.labels)
    changed = Problem(given.form, log_loss, labels, given.groups)
    after = cross_fit(changed, folds=folds, spreads=(0.0, 1.0), seed=0).out_of_fold
    np.testing.assert_array_equal(after[folds == 2], before[folds == 2])
    assert np.abs(after - before).max() > 1e-3
