"""What a temperature, and a temperature with a bias a class, bring under each --imbalance.

    python -m benchmarks.calibration --repeats=20

Three classes in the shares of CoronaHack's training data (.27, .66, .07), drawn as normal
features, told apart by a linear model that has too few examples and so is too sure of itself. It
is trained plainly, with class weights, and on a sample that draws every class equally often;
calibrated on a small validation split; and scored on 20,000 examples with the true shares. The
"known shift" rows draw the biases towards log(true prior) - log(training prior), as a run does;
"no regulariser" rows are the plain maximum of the likelihood. Prints means over repeats.
"""

import numpy as np
import rich.console
import rich.table
from absl import app
from absl import flags as absl_flags
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from tfcovid.losses.class_weights import effective_prior, sampling_weights
from tfcovid.metrics.calibration import expected_calibration_error, log_loss
from tfcovid.metrics.operating_points import balancing_weights, decide
from tfcovid.metrics.scaling import Scaling, fit_scaling, prior_shift

REPEATS = absl_flags.DEFINE_integer("repeats", 20, "Draws of all data.")
NUM_TRAIN = absl_flags.DEFINE_integer("num_train", 800, "Training examples.")
NUM_VALIDATION = absl_flags.DEFINE_list("num_validation", ["60", "600"], "Validation examples.")

SHARES = np.array([0.27, 0.66, 0.07])
FEATURES, NUM_TEST = 40, 20_000
IMBALANCES = ("none", "class_weight", "weighted_sampling")
METHODS = {
    "before": lambda *_: Scaling(1.0),
    "temperature": lambda logits, labels, _: fit_scaling(logits, labels, with_bias=False),
    "bias-corrected": lambda logits, labels, _: fit_scaling(logits, labels, with_bias=True),
    "bias-corrected, known shift": lambda logits, labels, shift: fit_scaling(
        logits, labels, with_bias=True, expected_bias=shift
    ),
    "bias-corrected, no regulariser": lambda logits, labels, _: fit_scaling(
        logits, labels, with_bias=True, prior_sd=1e3
    ),
}


def sample(rng, n):
    """Returns features and labels; at least two examples of each class."""
    labels = np.r_[np.repeat(np.arange(3), 2), rng.choice(3, n - 6, p=SHARES)]
    features = rng.normal(size=(n, FEATURES))
    features[np.arange(n), labels] += 1.6
    return features, labels


def trained(imbalance, features, labels, rng):
    model = LogisticRegression(
        C=100.0, max_iter=2000, class_weight="balanced" if imbalance == "class_weight" else None
    )
    if imbalance == "weighted_sampling":
        weights = sampling_weights(labels, 3)
        rows = rng.choice(len(labels), len(labels), p=weights / weights.sum())
        features, labels = features[rows], labels[rows]
    return model.fit(features, labels)


def one_draw(seed, num_validation):
    """Returns the figures by (imbalance, method)."""
    rng = np.random.default_rng(seed)
    train, validation, test = (sample(rng, n) for n in (NUM_TRAIN.value, num_validation, NUM_TEST))
    counts = np.bincount(train[1])
    found = {}
    for imbalance in IMBALANCES:
        model = trained(imbalance, *train, rng)
        shift = prior_shift(counts / counts.sum(), effective_prior(counts, imbalance))
        seen, unseen = (model.decision_function(part[0]) for part in (validation, test))
        weights = balancing_weights(validation[1], 3)
        for name, fit in METHODS.items():
            probs = fit(seen, validation[1], shift).probabilities(unseen)
            found[imbalance, name] = (
                log_loss(probs, test[1]),
                expected_calibration_error(probs, test[1]),
                balanced_accuracy_score(test[1], decide(probs, 2, None)),
                balanced_accuracy_score(test[1], decide(probs, 2, None, weights)),
            )
    return found


def main(_):
    console = rich.console.Console(width=130)
    for num_validation in map(int, NUM_VALIDATION.value):
        draws = [one_draw(seed, num_validation) for seed in range(REPEATS.value)]
        table = rich.table.Table(
            title=f"{num_validation} validation examples, {REPEATS.value} draws"
        )
        heads = ("log-loss", "ECE", "balanced accuracy, argmax", "the same, balanced")
        for head in ("imbalance", "calibration", *heads):
            table.add_column(
                head, justify="left" if head in ("imbalance", "calibration") else "right"
            )
        for imbalance, name in draws[0]:
            figures = np.mean([draw[imbalance, name] for draw in draws], axis=0)
            table.add_row(imbalance, name, *(f"{value:.3f}" for value in figures))
        console.print(table)


if __name__ == "__main__":
    app.run(main)
