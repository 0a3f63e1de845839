"""The cells of a comparison: linear probes trained, a rule chosen, the test images scored once.

`finetuned_cells` trains whole networks in place of probes; what becomes of logits is here for both.
"""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from flags import choices, compare_choices
from flags.compare_config import CompareConfig
from flags.config import Config
from tfcovid.data.dataset import Dataset
from tfcovid.data.tasks import TASK_LABELS
from tfcovid.experiment.comparison.pool import Part, Pool
from tfcovid.experiment.decisions import choose_rule
from tfcovid.experiment.heads import build_loss
from tfcovid.experiment.imbalance import effective_prior, stream_weights, training_counts
from tfcovid.metrics.calibration import probabilities_from_logits
from tfcovid.metrics.classification import classification_metrics
from tfcovid.metrics.decision import ChosenRule
from tfcovid.metrics.score import score
from tfcovid.models.classifier import prior_bias
from tfcovid.training.linear_probe import fit_probes
from tfcovid.training.run_record import prediction_table

PresetConfigs = Mapping[tuple[str, str], Config]
"""What each published method asks for, by the name of its preset and the task."""

# The factors of a cell, as the tables have them from left to right.
FACTORS = ("task", "setting", "system", "loss", "imbalance", "training")


@dataclasses.dataclass(frozen=True)
class Cell:
    """One place of the grid; `name` is the name of its files."""

    task: str
    setting: str
    system: str
    loss: str
    imbalance: str
    training: str

    @property
    def name(self) -> str:
        """The values of all factors, joined."""
        return "-".join(getattr(self, factor) for factor in FACTORS)

    def factors(self) -> dict[str, str]:
        """Returns the value of each factor."""
        return dataclasses.asdict(self)


def cells_of(comparison: CompareConfig, presets: PresetConfigs) -> list[Cell]:
    """Returns every cell of the grid, then every published method, in the order of the tables."""
    grid = [
        Cell(**dict(zip(FACTORS, (*place, training.value), strict=True)))
        for place in comparison.places
        for training in (compare_choices.Trained.PROBE, compare_choices.Trained.FINETUNED)
        if training is compare_choices.Trained.PROBE or comparison.is_finetuned(place)
    ]
    methods = [
        Cell(
            task=task.value,
            setting=setting.value,
            system=name,
            loss=presets[name, task].loss.loss.value,
            imbalance=presets[name, task].loss.imbalance.value,
            training=compare_choices.Trained.PRESET.value,
        )
        for task in comparison.tasks
        for setting in comparison.settings
        for name in comparison.presets
    ]
    return grid + methods


def config_of(config: Config, cell: Cell) -> Config:
    """Returns the Config of a training run with the values of a cell."""
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, task=choices.Task(cell.task)),
        loss=dataclasses.replace(
            config.loss,
            loss=choices.Loss(cell.loss),
            imbalance=choices.Imbalance(cell.imbalance),
        ),
    )


@dataclasses.dataclass(frozen=True)
class FoldResult:
    """What one fold of a cell gave.

    Attributes:
      part: its images.
      probs: calibrated probabilities of the test images, float64 [n, num_classes].
      decisions: class indices int [n].
      chosen: the rule, from validation.
      seeds: the probabilities and decisions of each seed alone.
      trainings: what the record says of each seed's training.
    """

    part: Part
    probs: np.ndarray
    decisions: np.ndarray
    chosen: ChosenRule
    seeds: list[tuple[np.ndarray, np.ndarray]]
    trainings: list[dict[str, Any]]


def run_cell(
    config: Config, comparison: CompareConfig, cell: Cell, pool: Pool, features: np.ndarray
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Returns the record and the predictions of a cell of probes.

    Args:
      config: of the comparison.
      comparison: says how many seeds.
      cell: which.
      pool: the images.
      features: of the cell's system, float32 [n, num_features], in the pool's order.
    """
    start = time.perf_counter()
    config = config_of(config, cell)
    seeds = [config.run.seed + offset for offset in range(comparison.seeds)]
    folds = [
        run_fold(config, pool.part(cell.task, cell.setting, fold), features, seeds)
        for fold in range(len(pool.splits))
    ]
    record, table = cell_result(config, cell, folds, seeds)
    return record | {"seconds": round(time.perf_counter() - start, 2)}, table


def cell_result(
    config: Config, cell: Cell, folds: Sequence[FoldResult], seeds: Sequence[int]
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Returns a cell's record and its predictions: of all folds' test images, each once.

    Args:
      config: of the cell.
      cell: which.
      folds: what each gave.
      seeds: of its trainings.
    """
    classes = TASK_LABELS[cell.task].classes
    table = pd.concat([fold_table(fold, classes) for fold in folds], ignore_index=True)
    record = {
        **cell.factors(),
        "metrics": score_table(table, classes, seed=config.run.seed),
        "seeds": list(seed_figures(folds, table, classes, seeds)),
        "folds": [
            {
                "decision": fold.chosen.record,
                "doubts": list(fold.chosen.doubts),
                "images": {
                    name: len(fold.part.dataset.rows(name))
                    for name in ("train", "validation", "test")
                },
                "trainings": fold.trainings,
            }
            for fold in folds
        ],
    }
    return record, table


def run_fold(config: Config, part: Part, features: np.ndarray, seeds: list[int]) -> FoldResult:
    """Returns what the probes of a fold, averaged, decide on its test images."""
    dataset, own = part.dataset, features[part.rows]
    train, validation, test = (dataset.rows(name) for name in ("train", "validation", "test"))
    counts = training_counts(dataset)
    example_weights, sampling_weights = stream_weights(config, dataset)
    prior = effective_prior(config, counts)
    probes = fit_probes(
        own[train],
        dataset.labels[train],
        own[validation],
        dataset.labels[validation],
        loss=build_loss(config, counts),
        head_bias=prior_bias(prior[1] if len(counts) == 2 else prior),
        seeds=seeds,
        example_weights=example_weights,
        sampling_weights=sampling_weights,
    )
    return fold_result(
        config,
        part,
        on_validation=[probe.logits(own[validation]) for probe in probes],
        on_test=[probe.logits(own[test]) for probe in probes],
        trainings=[
            {"seed": seed, "l2": probe.l2, "epochs": probe.epochs}
            for seed, probe in zip(seeds, probes, strict=True)
        ],
    )


def fold_result(
    config: Config,
    part: Part,
    *,
    on_validation: list[np.ndarray],
    on_test: list[np.ndarray],
    trainings: list[dict[str, Any]],
) -> FoldResult:
    """Returns what the trainings of a fold, their probabilities averaged, decide.

    Args:
      config: of the cell.
      part: the fold's images.
      on_validation: logits of each training, float [n_validation, num_outputs].
      on_test: likewise, float [n_test, num_outputs].
      trainings: what the record says of each.
    """
    dataset = part.dataset
    chosen = choose_rule(config, dataset, averaged_logits(on_validation))
    probs, decisions = apply_rule(chosen, averaged_logits(on_test))
    alone = [
        apply_rule(choose_rule(config, dataset, chosen_on), scored)
        for chosen_on, scored in zip(on_validation, on_test, strict=True)
    ]
    return FoldResult(part, probs, decisions, chosen, alone, trainings)


def averaged_logits(of_seeds: list[np.ndarray]) -> np.ndarray:
    """Returns logits whose probabilities are the mean of the seeds' probabilities.

    Args:
      of_seeds: logits of each seed, float [n, num_outputs].
    """
    if len(of_seeds) == 1:
        return of_seeds[0]
    probs = np.mean([probabilities_from_logits(logits) for logits in of_seeds], axis=0)
    logs = np.log(np.maximum(probs, np.finfo(np.float32).tiny))
    return logs[:, 1:] - logs[:, :1] if of_seeds[0].shape[1] == 1 else logs


def apply_rule(chosen: ChosenRule, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns calibrated probabilities float64 [n, num_classes] and decisions int [n]."""
    probs = chosen.rule.probabilities(logits)
    return probs.astype(np.float64), chosen.rule.decide(probs)


def fold_table(fold: FoldResult, classes: tuple[str, ...]) -> pd.DataFrame:
    """Returns the predictions of a fold, a row a test image."""
    dataset: Dataset = fold.part.dataset
    rows = dataset.frame.iloc[dataset.rows("test")]
    table = prediction_table(rows, classes, fold.probs, fold.decisions)
    return table.assign(fold=rows["fold"].to_numpy())


def score_table(table: pd.DataFrame, classes: tuple[str, ...], *, seed: int) -> dict[str, Any]:
    """Returns the figures of a table of predictions, with intervals.

    Args:
      table: columns label, decision, group_id and prob_<class>.
      classes: names in the order of the probabilities.
      seed: of the bootstrap.
    """
    labels, probs, decisions, groups = predictions_of(table, classes)
    return score(labels, probs, decisions, groups, classes, seed=seed)


def predictions_of(
    table: Mapping[str, Any] | pd.DataFrame, classes: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns labels int [n], probabilities [n, num_classes], decisions int [n] and groups [n]."""
    frame = pd.DataFrame(table)
    return (
        frame["label"].map(classes.index).to_numpy(np.int64),
        frame[[f"prob_{name}" for name in classes]].to_numpy(np.float64),
        frame["decision"].map(classes.index).to_numpy(np.int64),
        frame["group_id"].to_numpy(object),
    )


def seed_figures(
    folds: Sequence[FoldResult],
    table: pd.DataFrame,
    classes: tuple[str, ...],
    seeds: Sequence[int],
) -> Iterator[dict[str, Any]]:
    """Yields what each seed alone would have scored, each with a rule of its own."""
    labels = table["label"].map(classes.index).to_numpy(np.int64)
    for index, seed in enumerate(seeds):
        probs = np.concatenate([fold.seeds[index][0] for fold in folds])
        decisions = np.concatenate([fold.seeds[index][1] for fold in folds])
        figures = classification_metrics(labels, probs, decisions, classes)
        yield {
            "seed": seed,
            "balanced_accuracy": figures["balanced_accuracy"],
            "macro_f1": figures["macro_f1"],
            "auroc": {name: figures["per_class"][name]["auroc"] for name in classes},
        }
