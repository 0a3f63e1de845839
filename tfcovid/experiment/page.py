"""The page of a run, drawn from the run's own files, so that it says what they say."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from tfcovid.data.dataset import Dataset
from tfcovid.experiment.board import read_predictions
from tfcovid.experiment.error_analysis import pictured
from tfcovid.experiment.heat_pictures import error_heat, typical_pictures
from tfcovid.report.galleries import gallery
from tfcovid.report.html import write_report
from tfcovid.training import run_record


def write_page(
    folder: run_record.RunFolder, dataset: Dataset, folds: Sequence[dict[str, Any]] = ()
) -> None:
    """Draws report.html.

    Args:
      folder: of the run.
      dataset: its images.
      folds: what a cross-validation says of each fold, see `write_report`.
    """
    labels, probs = read_predictions(folder, dataset.classes)
    environment = run_record.read_json(folder.environment)
    metrics = run_record.read_json(folder.metrics)
    write_report(
        folder.report,
        metrics=metrics,
        history=read_history(folder),
        labels=labels,
        probs=probs,
        manifest=dataset.frame,
        rejected=dataset.rejected,
        config=run_record.read_json(folder.config),
        environment=environment,
        decision=run_record.read_json(folder.decision),
        notes=dataset.notes,
        pictures=error_pictures(metrics["errors"], dataset),
        heat_pictures=error_heat(folder),
        typical=typical_pictures(folder),
        command=environment["command"],
        folds=folds,
    )


def error_pictures(errors: dict[str, Any], dataset: Dataset) -> dict[str, bytes]:
    """Returns the thumbnails of the images that the page shows as wrong, PNG files by image id."""
    row_of = dict(zip(dataset.frame["image"], dataset.image_index, strict=True))
    return {
        image: gallery(dataset.images.thumbnails[[row_of[image]]]) for image in pictured(errors)
    }


def read_history(folder: run_record.RunFolder) -> list[dict[str, Any]]:
    """Returns history.csv as one record an epoch; none where the folds were trained instead."""
    if not folder.history.is_file():
        return []
    table = pd.read_csv(folder.history)
    return [dict(zip(table.columns, row, strict=True)) for row in table.itertuples(index=False)]
