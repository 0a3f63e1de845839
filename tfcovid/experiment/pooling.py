"""What a cross-validation says of its folds: of one class an image; findings have their own."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from flags.config import Config
from tfcovid.data.dataset import Dataset
from tfcovid.experiment.scoring import Predicted
from tfcovid.metrics.decision import ChosenRule, positive_class
from tfcovid.training import run_record
from tfcovid.training.run_record import RunFolder

HOW = (
    "each image is decided by the one network that was not trained on its fold, calibrated and "
    "with the threshold chosen on that network's own validation split"
)


@dataclasses.dataclass(frozen=True)
class Pooling:
    """What is said of the folds together.

    Attributes:
      note: from what each fold predicted, and the Dataset, a line on the pooled AUROC.
      record: from what each fold chose, Config and Dataset, the content of decision.json.
      entry: from a fold's folder and its number, what the page says of it.
    """

    note: Callable[[Sequence[Predicted], Dataset], str]
    record: Callable[[Sequence[Any], Config, Dataset], dict[str, Any]]
    entry: Callable[[RunFolder, int], dict[str, Any]]


def auroc_note(predicted: Sequence[Predicted], dataset: Dataset) -> str:
    """Returns the mean of the folds' own AUROCs: the pooled one ranks several networks' outputs."""
    means = []
    for index, name in enumerate(dataset.classes):
        of_folds = [
            roc_auc_score(p.labels == index, p.probs[:, index])
            for p in predicted
            if 0 < (p.labels == index).sum() < len(p.labels)
        ]
        if of_folds:
            means.append(f"{name} {np.mean(of_folds):.3f}")
    return (
        "An AUROC over all folds ranks the probabilities of several networks together, which may "
        f"lie on unlike scales; the mean within the folds is {', '.join(means)}."
    )


def decision_record(
    chosen: Sequence[ChosenRule], config: Config, dataset: Dataset
) -> dict[str, Any]:
    """Returns the content of decision.json: the rule of each fold."""
    positive = positive_class(dataset.classes, config.decision.operating_class)
    return {
        "how": HOW,
        "operating_point": {"class": positive},
        "chosen_on": {"split": "validation"},
        "folds": [rule.record for rule in chosen],
    }


def fold_entry(own: RunFolder, fold: int) -> dict[str, Any]:
    """Returns what the page says of a fold.

    Args:
      own: the fold's folder.
      fold: its number.
    """
    metrics, decision = (run_record.read_json(path) for path in (own.metrics, own.decision))
    return {
        "fold": fold,
        "page": f"{own.path.name}/{own.report.name}",
        "n_images": metrics["n_images"],
        "n_patients": metrics["n_patients"],
        "balanced_accuracy": metrics["balanced_accuracy"],
        "interval": metrics["intervals"].get("balanced_accuracy"),
        "temperature": decision["temperature"],
        "rule": decision["rule"],
        "thresholds": decision["thresholds"],
    }


OF_CLASSES = Pooling(note=auroc_note, record=decision_record, entry=fold_entry)
