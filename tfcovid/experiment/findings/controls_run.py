"""The controls of a run of findings: fitted and scored beside it, and asked about other data."""

from typing import Any

import keras
import numpy as np
import pandas as pd
import rich.console

from flags import choices
from flags.config import Config
from tfcovid.console import counting_bar
from tfcovid.data.blocks import label_matrix
from tfcovid.data.manifest import write_csv
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.tasks import task_labels_of
from tfcovid.experiment.best_model import load_best_model
from tfcovid.experiment.classifiers.asked import Asked
from tfcovid.experiment.controls.external import images_of, refuse_without_probes
from tfcovid.experiment.findings.controls import (
    control_entries,
    fit_controls,
    load_probes,
    save_probes,
    score_controls,
)
from tfcovid.experiment.targets import Target
from tfcovid.training import run_record


def run_controls(
    asked: Asked,
    model: keras.Model,
    folder: run_record.RunFolder,
    console: rich.console.Console,
) -> None:
    """Fits the controls that are asked for, and writes what they say of the test split.

    Arguments as `scoring.run_controls`.
    """
    config, dataset, preprocessing = asked.config, asked.dataset, asked.preprocessing
    if config.run.controls is choices.Controls.NONE:
        return
    rows = dataset.rows("test")
    with counting_bar(console, "controls") as progress:
        probes = fit_controls(
            model, dataset, preprocessing, seed=config.run.seed, progress=progress
        )
    folder.controls.mkdir(exist_ok=True)  # what a kill left is written over
    save_probes(probes, folder.probes)
    table = score_controls(
        probes,
        model,
        dataset.images,
        dataset.image_index[rows],
        dataset.frame.iloc[rows],
        preprocessing,
        dataset.classes,
    )
    write_csv(table, folder.control_predictions)


def controls_on(
    folder: run_record.RunFolder,
    target: Target,
    predictions: pd.DataFrame,
    *,
    config: Config,
    console: rich.console.Console,
) -> tuple[dict[str, Any], pd.DataFrame | None]:
    """Returns the entry `controls` of metrics.json, and what they say; nothing without controls.

    Arguments and errors as `controls.external.controls_on`.
    """
    if refuse_without_probes(folder):
        return {}, None
    task_labels = task_labels_of(config.data.task, ())
    preprocessing = Preprocessing.from_json(run_record.read_json(folder.preprocessing))
    images = images_of(target, preprocessing, console)
    model = load_best_model(folder.best_model)
    table = score_controls(
        load_probes(folder.probes),
        model,
        images,
        np.arange(len(target.frame)),
        target.frame,
        preprocessing,
        task_labels.classes,
    )
    entries = control_entries(
        table,
        label_matrix(target.frame["label"], task_labels.blocks),
        predictions[[f"prob_{name}" for name in task_labels.classes]].to_numpy(),
        task_labels.classes,
        task_labels.blocks,
        seed=config.run.seed,
    )
    return {"controls": entries}, table
