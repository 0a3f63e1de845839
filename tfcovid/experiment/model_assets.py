"""What travels inside a SavedModel beside the graph: labels, input, and what the model is."""

import hashlib
from typing import Any

import pandas as pd

from flags import config_json
from tfcovid.experiment.earlier_parts import EARLIER
from tfcovid.report.html import asked_flags
from tfcovid.report.model_card import model_card
from tfcovid.training import run_record

# Of environment.json; the last is there where parts of the run were begun with other versions.
VERSION = ("commit", "python", "packages", EARLIER)
WARNING = "For research. Not a medical device."


def model_assets(folder: run_record.RunFolder) -> dict[str, Any]:
    """Returns the files of the SavedModel's `assets.extra`, by name, from the run's own files.

    `labels` and `preprocessing` are those of the run; `model_card` says what the model is for and
    not for, what it was trained on, by which version of the code, and how it was scored.

    Args:
      folder: of a run that is scored.

    Raises:
      ValueError: if one of its files is missing, or is not as a run writes it.
    """
    with run_record.as_a_run_writes(folder.path):
        return _assets(folder)


def _assets(folder: run_record.RunFolder) -> dict[str, Any]:
    manifest, metrics = pd.read_csv(folder.manifest), run_record.read_json(folder.metrics)
    config = config_json.from_dict(run_record.read_json(folder.config))
    environment = run_record.read_json(folder.environment)
    card = model_card(
        metrics,
        manifest,
        pd.read_csv(folder.rejected),
        asked_flags(config_json.to_dict(config)),
        run_record.read_json(folder.decision),
    )
    return {
        "labels": run_record.read_json(folder.labels),
        "preprocessing": run_record.read_json(folder.preprocessing),
        "model_card": {
            "warning": WARNING,
            "task": metrics["task"],
            "classes": metrics["classes"],
            "version": {key: environment[key] for key in VERSION if key in environment},
            "training_data_sha256": training_data_sha256(manifest),
            "card": card,
            "notes": metrics["notes"],
        },
    }


def training_data_sha256(manifest: pd.DataFrame) -> str:
    """Returns one hash of all training images and their labels, whatever their names and order.

    Args:
      manifest: with columns split, sha256 (of a file) and label.

    Returns:
      SHA-256 in hex of the sorted lines "SHA256 LABEL" of the training split.
    """
    trained = manifest[manifest["split"] == "train"]
    lines = sorted(
        f"{sha} {label}\n" for sha, label in zip(trained["sha256"], trained["label"], strict=True)
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()
