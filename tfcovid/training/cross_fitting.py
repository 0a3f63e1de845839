"""Fits that are asked about groups they have not seen, held back as far as groups say.

How far parameters may move from where they start is a spread: one standard deviation of theirs
before any row has spoken. What the rows can say against it is what their rarest class can: six
positives among a thousand negatives count as six of each.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from scipy import optimize, special

from tfcovid.data.group_folds import group_folds
from tfcovid.losses.class_weights import inverse_frequency

FOLDS = 5
MAX_STEPS = 500


class Form(Protocol):
    """What is fitted: logits of the rows it was made of, as a function of flat parameters.

    Attributes:
      start: where the parameters start, and what regularisation pulls them to, float64 [p].
    """

    start: np.ndarray

    def logits(self, parameters: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Returns float64 [len(rows), outputs]."""

    def slope(self, parameters: np.ndarray, rows: np.ndarray, by_logits: np.ndarray) -> np.ndarray:
        """Returns the derivative by the parameters [p] of a sum, given its own by the logits."""


Loss = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From labels [m] and logits [m, outputs] to losses [m] and their derivatives by the logits."""


@dataclasses.dataclass(frozen=True)
class CrossFitted:
    """What came of it.

    Attributes:
      parameters: fitted to all rows, float64 [p].
      out_of_fold: logits of all rows, each from a fit without its fold, float32 [n, outputs].
      spread: that of `parameters`; 0 where they stayed at the start.
    """

    parameters: np.ndarray
    out_of_fold: np.ndarray
    spread: float


@dataclasses.dataclass(frozen=True)
class Problem:
    """A class-balanced fit: minimises mean(w * loss) + |parameters - start|^2 / (2 m spread^2).

    m is the number of classes times the number of groups of the rarest class.

    Attributes:
      form: from parameters to logits.
      loss: of each row.
      labels: class indices int [n].
      groups: of each row [n]; what folds and standard errors go by.
    """

    form: Form
    loss: Loss
    labels: np.ndarray
    groups: np.ndarray

    def along_path(self, rows: np.ndarray, spreads: Sequence[float]) -> Iterator[np.ndarray]:
        """Yields the parameters fitted to some rows, at each spread from narrow to wide.

        Each fit starts where the one before it has led, so that of several optima the one nearest
        to the start is found. At a spread of 0 that is the start itself.
        """
        parameters, labels = self.form.start, self.labels[rows]
        weights = inverse_frequency(np.bincount(labels))[labels] / len(rows)
        counted = len(np.unique(labels)) * self.fewest_groups(rows)
        for spread in spreads:
            if spread > 0:
                l2 = 1 / (counted * spread**2)
                parameters = self._minimised(parameters, rows, labels, weights, l2)
            yield parameters

    def fitted(self, rows: np.ndarray, spreads: Sequence[float]) -> np.ndarray:
        """Returns the parameters at the last of the spreads."""
        return list(self.along_path(rows, spreads))[-1]

    def fewest_groups(self, rows: np.ndarray) -> int:
        """Returns how many groups of some rows the class has that has the fewest."""
        labels, groups = self.labels[rows], self.groups[rows]
        return min(len(np.unique(groups[labels == c])) for c in np.unique(labels))

    def _minimised(self, parameters, rows, labels, weights, l2):
        def objective(flat):
            losses, by_logits = self.loss(labels, self.form.logits(flat, rows))
            away = flat - self.form.start
            slope = self.form.slope(flat, rows, weights[:, None] * by_logits)
            return weights @ losses + l2 / 2 * away @ away, slope + l2 * away

        options = {"maxiter": MAX_STEPS, "maxcor": 20, "ftol": 1e-9, "gtol": 1e-6}
        found = optimize.minimize(
            objective, parameters, jac=True, method="L-BFGS-B", options=options
        )
        return found.x


def cross_fit(
    problem: Problem, *, folds: np.ndarray, spreads: Sequence[float], seed: int
) -> CrossFitted:
    """Returns the fit to all rows, and what fits without their fold say of them.

    The spread is chosen by folds (`choose_spread`): for all rows by those given, for each fold anew
    by folds of the others, so that nothing that a row's own group holds enters what is said of it
    out of fold.

    Args:
      problem: what is fitted.
      folds: of each row, int [n]; groups whole, every class outside every fold.
      spreads: to choose from, >= 0.
      seed: of the folds inside.
    """
    labels, groups = problem.labels, problem.groups
    spreads = sorted(spreads)
    everything = np.arange(len(labels))
    shape = problem.form.logits(problem.form.start, everything).shape
    out_of_fold = np.zeros(shape, np.float32)
    for fold in np.unique(folds):
        rest, own = everything[folds != fold], everything[folds == fold]
        chosen = 0  # the narrowest, where a class is left with one group and nothing can be chosen
        if problem.fewest_groups(rest) > 1:
            inner = group_folds(labels[rest], groups[rest], folds=FOLDS, seed=seed)
            chosen = choose_spread(problem, rest, inner, spreads)
        parameters = problem.fitted(rest, spreads[: chosen + 1])
        out_of_fold[own] = problem.form.logits(parameters, own)
    chosen = choose_spread(problem, everything, folds, spreads)
    parameters = problem.fitted(everything, spreads[: chosen + 1])
    return CrossFitted(parameters, out_of_fold, float(spreads[chosen]))


def choose_spread(
    problem: Problem, rows: np.ndarray, folds: np.ndarray, spreads: Sequence[float]
) -> int:
    """Returns the place of the narrowest spread that is not clearly worse than the best.

    Not clearly worse: its class-averaged log-loss out of fold is above the lowest by no more than
    one standard error of the difference, over groups.

    Args:
      problem: what is fitted.
      rows: those that may be looked at, int [m].
      folds: of each of them, int [m].
      spreads: from narrow to wide.

    Source: the rule of one standard error: Breiman et al. 1984, Classification and Regression
      Trees, section 3.4.3; here of the difference, since both are of the same images.
    """
    losses = np.zeros((len(spreads), len(rows)))
    for fold in np.unique(folds):
        rest, own = rows[folds != fold], rows[folds == fold]
        for index, parameters in enumerate(problem.along_path(rest, spreads)):
            logits = problem.form.logits(parameters, own)
            losses[index, folds == fold] = log_loss(problem.labels[own], logits)[0]
    labels = problem.labels[rows]
    losses *= inverse_frequency(np.bincount(labels))[labels] / len(labels)
    worse = losses - losses[losses.sum(axis=1).argmin()]
    _, group = np.unique(problem.groups[rows], return_inverse=True)
    by_group = np.stack([np.bincount(group, weights=row) for row in worse])
    error = np.sqrt(by_group.shape[1] * by_group.var(axis=1, ddof=1))
    return int(np.argmax(by_group.sum(axis=1) <= error))


def log_loss(labels: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the log-loss of each row in nats, float64 [m], and its derivatives by the logits.

    Args:
      labels: class indices int [m].
      logits: float64 [m, outputs]; a single output is the log odds of the second of two classes.
    """
    scores = np.hstack([np.zeros_like(logits), logits]) if logits.shape[1] == 1 else logits
    log_probs = special.log_softmax(scores, axis=1)
    truth = np.eye(scores.shape[1])[labels]
    slopes = np.exp(log_probs) - truth
    return -(log_probs * truth).sum(axis=1), slopes[:, -logits.shape[1] :]
