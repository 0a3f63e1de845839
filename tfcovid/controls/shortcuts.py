"""How well the class is told by what is not anatomy: the file, its size, the frame of the picture.

Each family of evidence has a small model, cross-validated over whole groups. A
family that beats chance is a shortcut that a network can take as well.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, recall_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from tfcovid.controls.evidence import FAMILIES, Family
from tfcovid.controls.probes import chance_level

# Shared by all families (Bonferroni); of the two tails only the lower one can raise an alarm.
FALSE_ALARM = 0.05
# The least way from chance (0) to certainty (1) worth an alarm: on 100,000 images any trifle
# is beyond doubt.
LEAST_EFFECT = 0.05

# Times that the labels are shuffled and the models fitted anew: enough to know the spread.
SHUFFLES = 20

Interval = Callable[..., dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Shortcut:
    """What one family of evidence tells of the class.

    Attributes:
      name: a key of FAMILIES.
      sees: for the reader, in one phrase.
      balanced_accuracy: of the decisions out of fold; None where patients do not suffice.
      interval: low, high, level, method …; its level is already that of all families together.
      chance: the balanced accuracy of guessing among the classes scored; None without any.
      beats_chance: whether the interval lies above chance, by an amount that matters, and labels
        shuffled over patients hardly ever reach as much.
      class_given_away: the class told best from the rest, None without an alarm.
      per_class: recall and auroc (against the rest, or None) of each class scored.
      left_out: classes with too few patients to be scored.
      sentence: all this for the reader.
    """

    name: str
    sees: str
    balanced_accuracy: float | None
    interval: dict[str, Any] | None
    chance: float | None
    beats_chance: bool
    class_given_away: str | None
    per_class: dict[str, dict[str, float | None]]
    left_out: tuple[str, ...]
    sentence: str


def shortcut_scores(
    evidence: Mapping[str, np.ndarray],
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    classes: Sequence[str],
    interval: Interval,
    seed: int,
    folds: int = 5,
) -> list[Shortcut]:
    """Returns how well each family of evidence predicts the class of patients it has not seen.

    Args:
      evidence: by a key of FAMILIES, float [n, features], as `evidence.image_evidence` makes it.
      labels: class indices int [n].
      groups: group ids [n]: images that share a patient share one.
      classes: names in the order of the indices.
      interval: `tfcovid.metrics.intervals.balanced_accuracy_interval`, or what is called as it
        is: (labels, decisions, groups, *, num_classes, level, seed), with low and high in what
        it returns.
      seed: of the folds, the models and the interval.
      folds: of the cross-validation, >= 2; fewer where a class has fewer groups.

    Returns:
      One entry a family, in the order of `evidence`. A class with fewer than 2 groups is left
      out; with fewer than 2 classes left there is no figure.

    Raises:
      ValueError: if a family is unknown, if the lengths differ, or if folds is below 2.
    """
    labels, groups = np.asarray(labels), np.asarray(groups)
    _check(evidence, labels, groups, folds)
    group_counts = np.array(
        [len(np.unique(groups[labels == index])) for index in range(len(classes))]
    )
    scored = np.flatnonzero(group_counts >= 2)
    left_out = tuple(name for name, count in zip(classes, group_counts, strict=True) if count < 2)
    if len(scored) < 2:
        return [_without_score(name, left_out) for name in evidence]
    used = np.isin(labels, scored)
    problem = _Problem(
        labels=np.searchsorted(scored, labels[used]),
        groups=groups[used],
        classes=tuple(name for name in classes if name not in left_out),
        group_counts=group_counts[scored],
        left_out=left_out,
        folds=int(min(folds, group_counts[scored].min())),
        level=1 - FALSE_ALARM / len(evidence),
        interval=interval,
        seed=seed,
    )
    return [_scored(name, features[used], problem) for name, features in evidence.items()]


@dataclasses.dataclass(frozen=True)
class _Problem:
    """What the families of one data set share."""

    labels: np.ndarray
    groups: np.ndarray
    classes: tuple[str, ...]
    group_counts: np.ndarray
    left_out: tuple[str, ...]
    folds: int
    level: float
    interval: Interval
    seed: int


def _check(
    evidence: Mapping[str, np.ndarray], labels: np.ndarray, groups: np.ndarray, folds: int
) -> None:
    for name, features in evidence.items():
        if name not in FAMILIES:
            raise ValueError(f"expected a family of {', '.join(FAMILIES)}. Received: {name}.")
        if features.ndim != 2 or not len(features) == len(labels) == len(groups):
            raise ValueError(
                f"{name}: expected evidence [n, features] with as many labels and groups. "
                f"Received: shape {features.shape}, {len(labels)} labels, {len(groups)} groups."
            )
    if folds < 2:
        raise ValueError(f"expected at least 2 folds. Received: {folds}.")


def _scored(name: str, features: np.ndarray, problem: _Problem) -> Shortcut:
    probs = _out_of_fold(FAMILIES[name], features, problem)
    decisions = probs.argmax(axis=1)
    reached = float(balanced_accuracy_score(problem.labels, decisions))
    k = len(problem.classes)
    found = problem.interval(
        problem.labels,
        decisions,
        problem.groups,
        num_classes=k,
        level=problem.level,
        seed=problem.seed,
    )
    chance = chance_level(k)
    beats = found["low"] > chance and _effect(reached, chance) >= LEAST_EFFECT
    # The interval takes the models as given. But two patients who look alike, in two folds, are
    # right or wrong together: on clean data it lies above chance about four times as often as it
    # says. Only shuffled labels with new models tell. They are spared where there is nothing to
    # doubt, and where chance is twice as far away as the interval reaches.
    doubtful = chance > reached - 2 * (reached - found["low"])
    if beats and doubtful:
        beats = _p_value(name, features, reached, problem) <= 1 - problem.level
    per_class = _per_class(probs, decisions, problem)
    given_away = _given_away(per_class, problem) if beats else None
    alike = bool((features == features[:1]).all())
    shortcut = Shortcut(
        name=name,
        sees=FAMILIES[name].sees,
        balanced_accuracy=reached,
        interval=found,
        chance=chance,
        beats_chance=bool(beats),
        class_given_away=given_away,
        per_class=per_class,
        left_out=problem.left_out,
        sentence="",
    )
    return dataclasses.replace(shortcut, sentence=_sentence(shortcut, alike=alike))


def _p_value(name: str, features: np.ndarray, reached: float, problem: _Problem) -> float:
    """Returns how likely labels shuffled over patients reach as much, if such scores are normal.

    Patients are shuffled whole; one with several classes counts as one patient for each.
    """
    k, rng = len(problem.classes), np.random.default_rng(problem.seed)
    _, group = np.unique(problem.groups, return_inverse=True)
    units, unit = np.unique(group * k + problem.labels, return_inverse=True)
    scores = []
    for _ in range(SHUFFLES):
        shuffled = dataclasses.replace(problem, labels=rng.permutation(units % k)[unit])
        decisions = _out_of_fold(FAMILIES[name], features, shuffled).argmax(axis=1)
        scores.append(balanced_accuracy_score(shuffled.labels, decisions))
    spread = max(np.std(scores, ddof=1) * np.sqrt(1 + 1 / SHUFFLES), 1e-12)
    return float(stats.t.sf((reached - np.mean(scores)) / spread, SHUFFLES - 1))


def _out_of_fold(family: Family, features: np.ndarray, problem: _Problem) -> np.ndarray:
    """Returns each image's probabilities by a model that saw no image of its group, [n, k]."""
    probs = np.zeros((len(features), len(problem.classes)))
    splitter = StratifiedGroupKFold(problem.folds, shuffle=True, random_state=problem.seed)
    for train, test in splitter.split(features, problem.labels, problem.groups):
        known = np.unique(problem.labels[train])
        if len(known) == 1:  # Large groups can leave one class to learn from: that is the answer.
            probs[test, known[0]] = 1
            continue
        model = family.model(problem.seed).fit(features[train], problem.labels[train])
        probs[np.ix_(test, known)] = model.predict_proba(features[test])
    return probs


def _per_class(
    probs: np.ndarray, decisions: np.ndarray, problem: _Problem
) -> dict[str, dict[str, float | None]]:
    indices = range(len(problem.classes))
    recalls = recall_score(
        problem.labels, decisions, labels=list(indices), average=None, zero_division=0
    )
    return {
        name: {
            "recall": float(recalls[index]),
            "auroc": float(roc_auc_score(problem.labels == index, probs[:, index])),
        }
        for index, name in enumerate(problem.classes)
    }


def _given_away(per_class: Mapping[str, Mapping[str, float | None]], problem: _Problem) -> str:
    """Returns the class told best from the rest; of equals, as two always are, the rarer."""
    order = sorted(
        zip(problem.classes, problem.group_counts, strict=True),
        key=lambda pair: (-round(per_class[pair[0]]["auroc"] or 0, 3), pair[1]),
    )
    return order[0][0]


def _sentence(shortcut: Shortcut, *, alike: bool) -> str:
    sees = shortcut.sees[0].upper() + shortcut.sees[1:]
    figures = _figures(shortcut)
    if alike:
        words = f"{sees}: the same in every image, so it tells nothing."
    elif shortcut.class_given_away is not None:
        name = shortcut.class_given_away
        others = [other for other in shortcut.per_class if other != name]
        rest = others[0] if len(others) == 1 else "the other classes"
        words = (
            f"SHORTCUT: {name} is told from {rest} by {shortcut.sees} (AUROC "
            f"{shortcut.per_class[name]['auroc']:.2f}): {figures}. {FAMILIES[shortcut.name].caveat}"
        )
    elif _above_by_a_trifle(shortcut):
        words = f"{sees}: above chance, but too little to matter: {figures}."
    else:
        words = f"{sees}: not shown to be better than guessing: {figures}."
    if shortcut.left_out:
        words += f" Left out, not enough patients: {', '.join(shortcut.left_out)}."
    return words.strip().replace("  ", " ")


def _above_by_a_trifle(shortcut: Shortcut) -> bool:
    reached, found, chance = shortcut.balanced_accuracy, shortcut.interval, shortcut.chance
    if reached is None or found is None or chance is None:
        return False
    return found["low"] > chance and _effect(reached, chance) < LEAST_EFFECT


def _effect(reached: float, chance: float) -> float:
    return (reached - chance) / (1 - chance)


def _figures(shortcut: Shortcut) -> str:
    found = shortcut.interval or {}
    ends = f" ({found['low']:.2f}-{found['high']:.2f})" if found else ""
    return (
        f"balanced accuracy {shortcut.balanced_accuracy:.2f}{ends}, where guessing gives "
        f"{shortcut.chance:.2f}"
    )


def _without_score(name: str, left_out: tuple[str, ...]) -> Shortcut:
    return Shortcut(
        name=name,
        sees=FAMILIES[name].sees,
        balanced_accuracy=None,
        interval=None,
        chance=None,
        beats_chance=False,
        class_given_away=None,
        per_class={},
        left_out=left_out,
        sentence=f"Not enough patients to say what {FAMILIES[name].sees} tells: at least two "
        "classes with two patients each are needed.",
    )
