"""One network of a run: trained, its rule chosen, tested once, exported; and its folder's files."""

import dataclasses
import pathlib

import keras
import rich.console

from flags import config_json
from flags.config import Config
from flags.flag_file import flag_file_lines
from tfcovid.console import say
from tfcovid.data.dataset import Dataset
from tfcovid.data.manifest import write_csv
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.fitting import train
from tfcovid.experiment.kinds import kind_of
from tfcovid.experiment.network import build_model, describe_model
from tfcovid.experiment.scoring import Predicted, predict_test_split
from tfcovid.metrics.decision import ChosenRule
from tfcovid.metrics.finding_decision import ChosenFindings
from tfcovid.models.classifier import as_float32
from tfcovid.models.input_contract import contract_path
from tfcovid.training import run_record, runtime
from tfcovid.whole_file import write_text_whole


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a network is trained on and how.

    Attributes:
      config: what was asked for.
      dataset: the images, split.
      preprocessing: the network's input.
      weights: converted weights that it starts from, or None.
      machine: precision and devices.
    """

    config: Config
    dataset: Dataset
    preprocessing: Preprocessing
    weights: pathlib.Path | None
    machine: runtime.Runtime


def run_network(
    asked: Asked, folder: run_record.RunFolder, console: rich.console.Console
) -> tuple[Predicted, ChosenRule | ChosenFindings]:
    """Trains a network into an empty folder of its own; returns what it predicts of its test split.

    Args:
      asked: on what and how.
      folder: made already.
      console: for progress.
    """
    config, dataset, preprocessing = asked.config, asked.dataset, asked.preprocessing
    write_record(asked, folder)
    model = build_model(config, dataset, preprocessing, asked.weights)
    say(console, describe_model(config, model, asked.weights))
    train(config, model, dataset, preprocessing, asked.machine, folder, console)
    best = as_float32(keras.models.load_model(folder.best_model, compile=False))
    kind = kind_of(dataset.blocks)
    chosen = kind.choose_rule(config, best, dataset, preprocessing)
    say(console, f"chosen on validation: {chosen.rule.in_words()}")
    kind.run_controls(
        config, best, dataset, preprocessing, asked.weights, asked.machine, folder, console
    )
    predicted = predict_test_split(best, chosen.rule, dataset, preprocessing, folder)
    metrics = kind.metrics_of(config, predicted, dataset)
    metrics["notes"] += chosen.doubts
    write_csv(kind.table_of(predicted, dataset), folder.predictions)
    run_record.write_json(folder.decision, chosen.record)
    run_record.write_json(folder.metrics, metrics)
    if config.data.lung_masks is None:
        kind.export(best, chosen.rule, preprocessing, folder)
    else:
        say(console, "no SavedModel: it would see new images without the masks of --lung_masks")
    kind.write_page(folder, dataset)
    kind.write_board(folder, dataset)
    return predicted, chosen


def write_record(asked: Asked, folder: run_record.RunFolder) -> None:
    """Writes what was asked, on what data and machine, before the first step."""
    config, dataset = asked.config, asked.dataset
    write_text_whole(folder.flags, "".join(f"{line}\n" for line in flag_file_lines(config)))
    write_text_whole(folder.config, config_json.to_json(config))
    run_record.write_json(
        folder.environment,
        run_record.describe_environment(asked.machine, run_record.command_line("tfcovid.train")),
    )
    run_record.write_json(folder.labels, list(dataset.classes))
    run_record.write_json(folder.preprocessing, asked.preprocessing.to_json())
    if asked.weights is not None:
        contract = contract_path(asked.weights).read_text("utf-8")
        write_text_whole(folder.weights_contract, contract)
    write_csv(dataset.frame, folder.manifest)
    write_csv(dataset.rejected, folder.rejected)
