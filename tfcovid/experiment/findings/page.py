"""The page of a run of findings and its figures on TensorBoard, from the run's own files."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfcovid.data.blocks import Blocks, label_matrix
from tfcovid.data.dataset import Dataset
from tfcovid.experiment.board import hyperparameters
from tfcovid.experiment.heat_pictures import board_pictures, typical_pictures
from tfcovid.experiment.page import read_history
from tfcovid.report import plots
from tfcovid.report.finding_curves import known_scores, roc_panels_figure
from tfcovid.report.finding_page import write_finding_page
from tfcovid.report.finding_words import HEADLINE
from tfcovid.training import run_record
from tfcovid.training.final_summaries import write_final_summaries


def write_page(
    folder: run_record.RunFolder, dataset: Dataset, folds: Sequence[dict[str, Any]] = ()
) -> None:
    """Draws report.html.

    Args:
      folder: of the run.
      dataset: its images.
      folds: what a cross-validation says of each fold, see `write_finding_page`.
    """
    targets, probs = read_predictions(folder, dataset.classes, dataset.blocks)
    environment = run_record.read_json(folder.environment)
    write_finding_page(
        folder.report,
        metrics=run_record.read_json(folder.metrics),
        history=read_history(folder),
        targets=targets,
        probs=probs,
        manifest=dataset.frame,
        manifest_targets=dataset.targets,
        rejected=dataset.rejected,
        config=run_record.read_json(folder.config),
        environment=environment,
        decision=run_record.read_json(folder.decision),
        notes=dataset.notes,
        typical=typical_pictures(folder),
        command=environment["command"],
        folds=folds,
    )


def write_board(folder: run_record.RunFolder, dataset: Dataset) -> None:
    """Writes the test split's figures, curves and the run's hyperparameters for TensorBoard."""
    metrics = run_record.read_json(folder.metrics)
    targets, probs = read_predictions(folder, dataset.classes, dataset.blocks)
    scored = known_scores(targets, probs, dataset.classes)
    aurocs = {name: metrics["per_class"][name]["auroc"] for name in dataset.classes}
    figures = {key: metrics[key] for key in HEADLINE}
    figures |= {f"{name} AUROC": auroc for name, auroc in aurocs.items()}
    write_final_summaries(
        folder.tensorboard / "test",
        scored=scored,
        scalars={name: value for name, value in figures.items() if value is not None},
        pictures={
            "ROC": plots.figure_to_rgb(roc_panels_figure(scored, aurocs)),
            **board_pictures(folder),
        },
        hparams=hyperparameters(run_record.read_json(folder.config)),
    )


def read_predictions(
    folder: run_record.RunFolder, classes: Sequence[str], blocks: Blocks
) -> tuple[np.ndarray, np.ndarray]:
    """Returns label matrix and probabilities [n, num_outputs] of the test split."""
    table = pd.read_csv(folder.predictions)
    probs = table[[f"prob_{name}" for name in classes]].to_numpy()
    return label_matrix(table["label"], blocks), probs
