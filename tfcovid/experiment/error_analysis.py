"""What a run is wrong about: by part of the data, by pair of classes, image by image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfcovid.data.audit_facts import age_groups
from tfcovid.metrics.errors import confusions, label_suspects, worst_errors
from tfcovid.metrics.subgroups import subgroup_figures

SHOWN_OF_A_CLASS, SUSPECTS = 6, 12


def analyse(
    frame: pd.DataFrame,
    labels: np.ndarray,
    probs: np.ndarray,
    decisions: np.ndarray,
    classes: Sequence[str],
    *,
    seed: int,
) -> dict[str, Any]:
    """Returns the entries `subgroups` and `errors` of metrics.json.

    Args:
      frame: manifest rows of the scored images.
      labels: class indices int [n].
      probs: calibrated probabilities float [n, num_classes].
      decisions: class indices int [n].
      classes: names in the order of the probabilities.
      seed: of the bootstrap.
    """
    groups = frame["group_id"].to_numpy()
    columns = {
        "source": frame["source"],
        "sex": frame["sex"],
        "age": age_groups(frame["age"]),
        "view": frame["view"],
    }

    def entries(positions: np.ndarray) -> list[dict[str, Any]]:
        return [
            {
                "image": str(frame["image"].iloc[i]),
                "path": str(frame["path"].iloc[i]),
                "label": classes[labels[i]],
                "decision": classes[decisions[i]],
                "prob_label": float(probs[i, labels[i]]),
                "prob_decision": float(probs[i, decisions[i]]),
            }
            for i in positions
        ]

    def worst(index: int, missed: bool) -> list[dict[str, Any]]:
        positions = worst_errors(
            labels, probs, decisions, groups, index=index, missed=missed, count=SHOWN_OF_A_CLASS
        )
        return entries(positions)

    return {
        "subgroups": subgroup_figures(
            labels,
            probs,
            decisions,
            groups,
            classes,
            columns={name: _values(column) for name, column in columns.items()},
            seed=seed,
        ),
        "errors": {
            "confusions": confusions(labels, decisions, groups, classes),
            "missed": {name: worst(index, True) for index, name in enumerate(classes)},
            "taken_for": {name: worst(index, False) for index, name in enumerate(classes)},
            "label_suspects": entries(label_suspects(labels, probs, count=SUSPECTS)),
        },
    }


def _values(column: pd.Series) -> list[str | None]:
    return [None if pd.isna(value) else str(value) for value in column]


def pictured(errors: dict[str, Any]) -> list[str]:
    """Returns the ids of the images that the page shows of metrics.json's `errors`, each once."""
    lists = [*errors["missed"].values(), *errors["taken_for"].values(), errors["label_suspects"]]
    return list(dict.fromkeys(entry["image"] for entries in lists for entry in entries))
