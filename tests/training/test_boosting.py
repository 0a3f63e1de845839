import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import log_loss

from tfcovid.losses.class_weights import inverse_frequency
from tfcovid.training.boosting import fit_boosted_trees


def sample(num_classes, *, n=240, seed=0):
    """Features and labels of unlike frequency that trees learn in part."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 12)).astype(np.float32)
    score = features[:, 0] + features[:, 1] * features[:, 2] + rng.normal(0, 0.7, n)
    return features, np.searchsorted([0.3, 1.2, 1.9][: num_classes - 1], score)


def fitted(num_classes, **settings):
    arguments = {"num_classes": num_classes, "seed": 3, "max_trees": 40, "max_depth": 2}
    data = sample(num_classes, seed=1), sample(num_classes, seed=2)
    return fit_boosted_trees(*data[0], *data[1], **arguments | settings)


def macro_log_loss(probs, labels):
    """Every class counts the same, by the plain formula."""
    return np.mean([-np.log(probs[labels == c, c]).mean() for c in np.unique(labels)])


@pytest.mark.parametrize("num_classes", [2, 4])
def test_the_number_of_trees_has_the_lowest_class_averaged_validation_loss(num_classes):
    weights = inverse_frequency(np.bincount(sample(num_classes, seed=1)[1]))
    weights = weights[sample(num_classes, seed=1)[1]]
    boosted = fitted(num_classes, example_weights=weights)
    features, labels = sample(num_classes, seed=1)
    validation_features, validation_labels = sample(num_classes, seed=2)
    whole = GradientBoostingClassifier(
        n_estimators=40, max_depth=2, subsample=0.5, max_features="sqrt", random_state=3
    ).fit(features, labels, sample_weight=weights)
    expected = [
        macro_log_loss(probs, validation_labels)
        for probs in whole.staged_predict_proba(validation_features)
    ]
    figures = [row["val_macro_log_loss"] for row in boosted.history]
    np.testing.assert_allclose(figures, expected, rtol=1e-9)
    assert boosted.num_trees == np.argmin(expected) + 1
    assert 1 < boosted.num_trees < 40
    # Only these trees are left, and they decide as the first of the whole model do.
    assert len(boosted.model.estimators_) == boosted.num_trees
    at_best = list(whole.staged_predict_proba(validation_features))[boosted.num_trees - 1]
    np.testing.assert_array_equal(boosted.model.predict_proba(validation_features), at_best)
    assert [row["epoch"] for row in boosted.history] == list(range(1, 41))
    assert {row["phase"] for row in boosted.history} == {"boosting"}
    losses = [
        log_loss(labels, p, sample_weight=weights) for p in whole.staged_predict_proba(features)
    ]
    np.testing.assert_allclose([row["loss"] for row in boosted.history], losses, rtol=1e-9)


def test_the_seed_decides_and_nothing_else():
    features = sample(4, seed=5)[0]
    first, again, other = fitted(4), fitted(4), fitted(4, seed=4)
    np.testing.assert_array_equal(
        first.model.predict_proba(features), again.model.predict_proba(features)
    )
    assert first.history == again.history
    assert first.history != other.history


def test_weights_lift_the_rare_class():
    features, labels = sample(4, seed=1)
    counts = np.bincount(labels)
    rare = counts.argmin()
    weighted = fitted(4, example_weights=inverse_frequency(counts)[labels])
    plain = fitted(4)
    lift = [model.model.predict_proba(features)[:, rare].mean() for model in (plain, weighted)]
    assert lift[1] > 1.5 * lift[0]


def test_progress_counts_every_tree():
    seen = []
    fitted(2, max_trees=3, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_class_without_a_training_image_is_refused():
    features, labels = sample(2)
    with pytest.raises(ValueError, match=r"from 0 to 2 needs .* Received: labels of \[0, 1\]"):
        fit_boosted_trees(features, labels, features, labels, num_classes=3, seed=0)
