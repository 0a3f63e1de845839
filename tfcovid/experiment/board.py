"""The figures of a finished run on TensorBoard, from its own files."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfcovid.experiment.heat_pictures import board_pictures
from tfcovid.report import curves, plots
from tfcovid.report.words import HEADLINE
from tfcovid.training import run_record
from tfcovid.training.final_summaries import write_final_summaries

# What another run of the same kind may differ in; paths and places are no hyperparameters.
SECTIONS = ("data", "augmentation", "model", "loss", "training", "decision")


def write_board(folder: run_record.RunFolder, classes: Sequence[str]) -> None:
    """Writes the test split's figures, curves and the run's hyperparameters."""
    metrics = run_record.read_json(folder.metrics)
    labels, probs = read_predictions(folder, classes)
    per_class = metrics["per_class"].items()
    pictures = {
        "ROC": curves.roc_figure(labels, probs, classes),
        "precision-recall": curves.precision_recall_figure(labels, probs, classes),
        "reliability": plots.reliability_figure(
            metrics["calibration"]["after"]["reliability"],
            metrics["calibration"]["before"]["reliability"],
        ),
        "reliability of " + metrics["calibration"]["class"]: plots.reliability_figure(
            metrics["calibration"]["after"]["reliability_of_class"],
            metrics["calibration"]["before"]["reliability_of_class"],
            of_class=metrics["calibration"]["class"],
        ),
        "confusion matrix": plots.confusion_matrix_figure(
            np.array(metrics["confusion_matrix"]), classes, "test"
        ),
    }
    figures = {key: metrics[key] for key in HEADLINE}
    figures |= {f"{name} recall": found["recall"] for name, found in per_class}
    figures |= {f"{name} AUROC": found["auroc"] for name, found in per_class}
    write_final_summaries(
        folder.test_board,
        scored={name: (labels == index, probs[:, index]) for index, name in enumerate(classes)},
        scalars={name: value for name, value in figures.items() if value is not None},
        pictures={
            **{name: plots.figure_to_rgb(figure) for name, figure in pictures.items()},
            **board_pictures(folder),
        },
        hparams=hyperparameters(run_record.read_json(folder.config)),
    )


def read_predictions(
    folder: run_record.RunFolder, classes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels int [n] and probabilities float [n, num_classes] of the test split."""
    table = pd.read_csv(folder.predictions)
    labels = table["label"].map(list(classes).index).to_numpy()
    return labels, table[[f"prob_{name}" for name in classes]].to_numpy()


def hyperparameters(
    config: Mapping[str, Mapping[str, Any]],
) -> dict[str, bool | int | float | str]:
    """Returns flag and value of config.json, what is no number or word in words."""
    return {
        flag: value if isinstance(value, bool | int | float | str) else str(value)
        for section in SECTIONS
        for flag, value in config[section].items()
    }
