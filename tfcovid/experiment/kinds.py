"""What a run does with its network, by the kind of its task: one class an image, or findings.

The steps are the same and stand in `network_run`, `folds` and `evaluation`; what a step does
differs, and is chosen here, once. What differs before, in training, is in `heads`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from flags.config import Config
from tfcovid.data.blocks import Blocks, is_single_label
from tfcovid.data.dataset import Dataset
from tfcovid.data.tasks import TaskLabels
from tfcovid.experiment import board, class_export, decisions, page, pooling, scoring
from tfcovid.experiment.controls import external
from tfcovid.experiment.findings import controls_run as finding_controls
from tfcovid.experiment.findings import export as finding_export
from tfcovid.experiment.findings import page as finding_page
from tfcovid.experiment.findings import pooling as finding_pooling
from tfcovid.experiment.findings import scoring as finding_scoring
from tfcovid.experiment.scoring import Predicted
from tfcovid.metrics.finding_scores import finding_notes
from tfcovid.metrics.score import few_patient_notes
from tfcovid.report.finding_terminal import print_findings
from tfcovid.report.terminal import print_result
from tfcovid.serving.client import Prediction

Metrics = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Kind:
    """What differs between tasks of one class an image and tasks of findings.

    Attributes:
      choose_rule: from Config, Dataset and the logits of validation, what these choose.
      run_controls: from Asked, model, folder and console, fits the controls of a run and writes
        what they say of the test split.
      metrics_of: from Config, Predicted and Dataset the content of metrics.json.
      table_of: from Predicted and Dataset the rows of predictions.csv.
      write_page: draws the page of a folder and a Dataset, perhaps of folds.
      write_board: writes the figures of a folder and a Dataset for TensorBoard.
      print_result: prints metrics.json on the terminal.
      score_predictions: from Config, manifest rows, predictions and TaskLabels, figures and table.
      controls_on: what a run's controls say of other data.
      few_notes: from metrics, lines on what few patients stand for.
      pooling: what a cross-validation says of its folds together.
      exporting: what an export needs of a finished run.
    """

    choose_rule: Callable[..., Any]
    run_controls: Callable[..., None]
    metrics_of: Callable[[Config, Predicted, Dataset], Metrics]
    table_of: Callable[[Predicted, Dataset], pd.DataFrame]
    write_page: Callable[..., None]
    write_board: Callable[..., None]
    print_result: Callable[..., None]
    score_predictions: Callable[
        [Config, pd.DataFrame, Sequence[Prediction], TaskLabels], tuple[Metrics, pd.DataFrame]
    ]
    controls_on: Callable[..., tuple[Metrics, pd.DataFrame | None]]
    few_notes: Callable[[Metrics], list[str]]
    pooling: pooling.Pooling
    exporting: class_export.Exporting


def kind_of(blocks: Blocks) -> Kind:
    """Returns the kind of a task by its outputs."""
    return KINDS[is_single_label(blocks)]


KINDS: dict[bool, Kind] = {
    True: Kind(
        choose_rule=decisions.choose_rule,
        run_controls=scoring.run_controls,
        metrics_of=lambda config, predicted, dataset: scoring.metrics_of(
            config, predicted, dataset.classes, dataset.notes
        ),
        table_of=lambda predicted, dataset: predicted.table(dataset.classes),
        write_page=page.write_page,
        write_board=lambda folder, dataset: board.write_board(folder, dataset.classes),
        print_result=print_result,
        score_predictions=scoring.score_predictions,
        controls_on=external.controls_on,
        few_notes=few_patient_notes,
        pooling=pooling.OF_CLASSES,
        exporting=class_export.OF_CLASSES,
    ),
    False: Kind(
        choose_rule=finding_scoring.choose_rule,
        run_controls=finding_controls.run_controls,
        metrics_of=lambda config, predicted, dataset: finding_scoring.metrics_of(
            config, predicted, dataset.classes, dataset.blocks, dataset.notes
        ),
        table_of=lambda predicted, dataset: finding_scoring.prediction_table(
            predicted, dataset.classes, dataset.blocks
        ),
        write_page=finding_page.write_page,
        write_board=finding_page.write_board,
        print_result=print_findings,
        score_predictions=finding_scoring.score_predictions,
        controls_on=finding_controls.controls_on,
        few_notes=finding_notes,
        pooling=finding_pooling.OF_FINDINGS,
        exporting=finding_export.OF_FINDINGS,
    ),
}
"""By whether an image has one class and nothing else."""
