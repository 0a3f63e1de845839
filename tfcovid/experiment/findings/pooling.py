"""What a cross-validation of findings says of its folds together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from flags.config import Config
from tfcovid.data.dataset import Dataset
from tfcovid.experiment.pooling import HOW, Pooling
from tfcovid.experiment.scoring import Predicted
from tfcovid.metrics.finding_decision import ChosenFindings
from tfcovid.training import run_record
from tfcovid.training.run_record import RunFolder


def auroc_note(predicted: Sequence[Predicted], dataset: Dataset) -> str:
    """Returns the mean of the folds' own AUROCs: the pooled one ranks several networks' outputs."""
    means = []
    for index, name in enumerate(dataset.classes):
        of_folds = []
        for fold in predicted:
            labels, probs = fold.labels[:, index], fold.probs[:, index]
            if (labels == 1).any() and (labels == 0).any():
                of_folds.append(roc_auc_score(labels[labels >= 0], probs[labels >= 0]))
        if of_folds:
            means.append(f"{name} {np.mean(of_folds):.3f}")
    return (
        "An AUROC over all folds ranks the probabilities of several networks together, which may "
        f"lie on unlike scales; the mean within the folds is {', '.join(means)}."
    )


def decision_record(
    chosen: Sequence[ChosenFindings], config: Config, dataset: Dataset
) -> dict[str, Any]:
    """Returns the content of decision.json: the rule of each fold."""
    point = config.resolved_operating_point(len(dataset.classes))
    return {
        "how": HOW,
        "operating_point": {"asked": point.value},
        "chosen_on": {"split": "validation"},
        "folds": [rule.record for rule in chosen],
    }


def fold_entry(own: RunFolder, fold: int) -> dict[str, Any]:
    """Returns what the page says of a fold.

    Args:
      own: the fold's folder.
      fold: its number.
    """
    metrics = run_record.read_json(own.metrics)
    return {
        "fold": fold,
        "page": f"{own.path.name}/{own.report.name}",
        "n_images": metrics["n_images"],
        "n_patients": metrics["n_patients"],
        "mean_auroc": metrics["mean_auroc"],
        "interval": metrics["intervals"].get("mean_auroc"),
    }


OF_FINDINGS = Pooling(note=auroc_note, record=decision_record, entry=fold_entry)
