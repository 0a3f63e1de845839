"""Controls of findings: how well each is ranked by a model that sees no lungs, or hardly any."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from tfcovid.array_file import read_arrays
from tfcovid.controls.probes import fit_probe
from tfcovid.data.blocks import Blocks
from tfcovid.data.dataset import Dataset
from tfcovid.data.image_store import ImageStore
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.controls.fitting import (
    SIGHTS,
    features_seen,
    hidden_views,
    pixel_controls,
)
from tfcovid.experiment.controls.scores import IDENTITY
from tfcovid.metrics.bounds import BOOTSTRAP
from tfcovid.metrics.finding_means import mean_ranks
from tfcovid.metrics.finding_scores import finding_aurocs
from tfcovid.metrics.intervals import FEW_GROUPS, LEVEL
from tfcovid.whole_file import whole_file

JOIN = ": "
"""Between a control and an output in the columns of control_predictions.csv."""


@dataclasses.dataclass(frozen=True)
class FindingProbe:
    """A logistic regression for each output on the same features.

    Attributes:
      mean: what features are centred by, float64 [num_outputs, num_features].
      scale: divided by, likewise, > 0.
      kernel: float64 [num_outputs, num_features]; zeros where there was nothing to learn.
      bias: float64 [num_outputs].
    """

    mean: np.ndarray
    scale: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Returns log odds float64 [n, num_outputs] of features [n, num_features]."""
        # An output at a time: all at once would hold num_outputs copies of the features.
        outputs = zip(self.mean, self.scale, self.kernel, self.bias, strict=True)
        columns = [(features - mean) / scale @ kernel + b for mean, scale, kernel, b in outputs]
        return np.stack(columns, axis=1)


def fit_controls(
    model: keras.Model,
    dataset: Dataset,
    preprocessing: Preprocessing,
    *,
    seed: int,
    progress: Callable[[int, int], None],
) -> dict[str, FindingProbe]:
    """Returns the controls by name, fitted to the known labels of the training split.

    Args:
      model: the trained classifier, whose features stay as they are.
      dataset: the images.
      preprocessing: of the classifier; of a view other than full its features are not probed.
      seed: of the solvers.
      progress: called with (controls done, controls in all).
    """
    rows = dataset.rows("train")
    targets, index = dataset.targets[rows], dataset.image_index[rows]
    by_pixels = (control.name for control in pixel_controls(preprocessing))
    names = [*by_pixels, *(f"{view}_features" for view in hidden_views(preprocessing))]
    probes: dict[str, FindingProbe] = {}
    for name in names:
        progress(len(probes), len(names))
        seen = features_seen(name, model, dataset.images, index, preprocessing)
        probes[name] = fit_finding_probe(seen, targets, seed=seed)
    progress(len(names), len(names))
    return probes


def fit_finding_probe(features: np.ndarray, targets: np.ndarray, *, seed: int) -> FindingProbe:
    """Returns a class-balanced logistic regression for each output, on the images it is known of.

    Args:
      features: float [n, num_features].
      targets: label matrix int8 [n, num_outputs].
      seed: of the solver.
    """
    fitted = []
    for labels in targets.T:
        known = labels >= 0
        if np.unique(labels[known]).size < 2:
            zeros = np.zeros(features.shape[1])
            fitted.append((zeros, np.ones_like(zeros), zeros, 0.0))
            continue
        probe = fit_probe(features[known], labels[known].astype(np.int64), seed=seed)
        fitted.append((probe.mean, probe.scale, probe.kernel[:, 0], float(probe.bias[0])))
    return FindingProbe(*(np.stack(values) for values in zip(*fitted, strict=True)))


def save_probes(probes: Mapping[str, FindingProbe], path: pathlib.Path) -> None:
    """Writes probes as one .npz file of plain arrays, whole or not at all."""
    arrays = {
        f"{name}/{field}": value
        for name, probe in probes.items()
        for field, value in dataclasses.asdict(probe).items()
    }
    with whole_file(path) as beside:
        np.savez(beside, **arrays)


def load_probes(path: pathlib.Path) -> dict[str, FindingProbe]:
    """Returns what `save_probes` wrote; raises ValueError if it is no such file."""
    fields = [field.name for field in dataclasses.fields(FindingProbe)]
    try:
        kept = read_arrays(path)
        names = dict.fromkeys(key.rpartition("/")[0] for key in kept)
        return {
            name: FindingProbe(**{field: kept[f"{name}/{field}"] for field in fields})
            for name in names
        }
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: expected the controls of a run ({error})") from error


def score_controls(
    probes: Mapping[str, FindingProbe],
    model: keras.Model,
    images: ImageStore,
    index: np.ndarray,
    frame: pd.DataFrame,
    preprocessing: Preprocessing,
    classes: Sequence[str],
) -> pd.DataFrame:
    """Returns the log odds that each control gives each output of some images.

    Args:
      probes: fitted to the training split.
      model: the classifier whose features are probed.
      images: holds the squares.
      index: where those of the frame's rows lie in `images`, int64 [n].
      frame: manifest rows.
      preprocessing: of the classifier.
      classes: names in the order of the outputs.

    Returns:
      Columns IDENTITY, and `CONTROL: OUTPUT` for each control and output.
    """
    columns: dict[str, Any] = {}
    for name, probe in probes.items():
        scores = probe.scores(features_seen(name, model, images, index, preprocessing))
        columns |= {f"{name}{JOIN}{of}": scores[:, i] for i, of in enumerate(classes)}
    identity = frame[IDENTITY].reset_index(drop=True)
    return pd.concat([identity, pd.DataFrame(columns, index=identity.index)], axis=1)


def control_entries(
    table: pd.DataFrame,
    targets: np.ndarray,
    probs: np.ndarray,
    classes: Sequence[str],
    blocks: Blocks,
    *,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Returns the entry `controls` of metrics.json.

    Args:
      table: of `score_controls`, perhaps of several folds; of columns IDENTITY only without any.
      targets: label matrix of the same images, int8 [n, num_outputs].
      probs: of the model, float [n, num_outputs].
      classes: names in the order of the outputs.
      blocks: of the task.
      seed: of the bootstrap.

    Returns:
      For each control sees, model, lungs (whether it sees them), mean_auroc and interval over the
      findings, per_class: auroc and interval of each output, and above: how far the model's
      mean_auroc lies above it on the same images, difference, low, high, level, method, few_groups
      where a finding has few patients (None without a finding that has an AUROC).
    """
    groups = table["group_id"].to_numpy()
    averaged = [name for block in blocks if not block.exclusive for name in block.outputs]
    entries = {}
    for name in SIGHTS:
        columns = [f"{name}{JOIN}{of}" for of in classes]
        if not set(columns) <= set(table.columns):
            continue
        scores = table[columns].to_numpy(np.float64)
        found = finding_aurocs(targets, scores, groups, classes, averaged=averaged, seed=seed)
        sight = dataclasses.asdict(SIGHTS[name])
        entries[name] = {
            **{key: sight[key] for key in ("sees", "model", "lungs")},
            **found,
            "above": above(targets, probs, scores, groups, classes, averaged, seed=seed),
        }
    return entries


def above(
    targets: np.ndarray,
    probs: np.ndarray,
    scored: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    averaged: Sequence[str],
    *,
    seed: int,
) -> dict[str, Any] | None:
    """Returns how far a model's mean AUROC lies above a control's, by the same resamples.

    Args:
      targets: label matrix int8 [n, num_outputs].
      probs: of the model, float [n, num_outputs].
      scored: of the control, likewise.
      groups: group ids [n].
      classes: names in the order of the outputs.
      averaged: those that the mean is over.
      seed: of the bootstrap.
    """
    defined = (targets == 1).any(axis=0) & (targets == 0).any(axis=0)
    columns = [i for i, name in enumerate(classes) if name in averaged and defined[i]]
    if not columns:
        return None
    taken = targets[:, columns]

    def mean_auroc(scores: np.ndarray) -> float:
        means = [
            roc_auc_score(labels[labels >= 0], column[labels >= 0])
            for labels, column in zip(taken.T, scores[:, columns].T, strict=True)
        ]
        return float(np.mean(means))

    moved = mean_ranks("mean_auroc", taken, probs[:, columns], groups, seed=seed) - mean_ranks(
        "mean_auroc", taken, scored[:, columns], groups, seed=seed
    )
    difference = mean_auroc(probs) - mean_auroc(scored)
    low, high = np.nanquantile(moved, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    # Of one or two patients with a finding every resample is alike: such an interval is too short.
    fewest = min(np.unique(groups[labels == value]).size for labels in taken.T for value in (0, 1))
    return {
        "difference": difference,
        "low": float(min(low, difference)),
        "high": float(max(high, difference)),
        "level": LEVEL,
        "method": BOOTSTRAP,
        **({"few_groups": True} if fewest < FEW_GROUPS else {}),
    }
