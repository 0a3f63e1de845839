"""One network of a run: trained, its rule chosen, tested once, exported; and its folder's files."""

import dataclasses

import keras
import rich.console

from flags import config_json
from flags.flag_file import flag_file_lines
from tfcovid.console import say
from tfcovid.data.manifest import write_csv
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.board import write_board
from tfcovid.experiment.classifiers.asked import Asked
from tfcovid.experiment.classifiers.ensemble import write_input
from tfcovid.experiment.classifiers.fit import fit_classifier
from tfcovid.experiment.classifiers.member_scores import decide_members
from tfcovid.experiment.decisions import choose_rule
from tfcovid.experiment.page import write_page
from tfcovid.experiment.scoring import (
    Predicted,
    metrics_of,
    predict_test_split,
    run_controls,
)
from tfcovid.metrics.decision import ChosenRule, DecisionRule
from tfcovid.serving.exported import ExportedClassifier, save_exported
from tfcovid.training import run_record
from tfcovid.whole_file import write_text_whole


def run_network(
    asked: Asked, folder: run_record.RunFolder, console: rich.console.Console
) -> tuple[Predicted, ChosenRule]:
    """Trains a network into an empty folder of its own; returns what it predicts of its test split.

    Args:
      asked: on what and how.
      folder: made already.
      console: for progress.
    """
    config, dataset, preprocessing = asked.config, asked.dataset, asked.preprocessing
    write_record(asked, folder)
    fitted = fit_classifier(asked, folder, console)
    best = fitted.model
    chosen = choose_rule(config, dataset, fitted.on_validation)
    say(console, f"chosen on validation: {chosen.rule.in_words()}")
    run_controls(asked, best, folder, console)
    predicted = predict_test_split(best, chosen.rule, dataset, preprocessing, folder)
    if fitted.members:
        decided = decide_members(config, fitted, dataset)
        write_csv(decided, folder.member_predictions)
        predicted = dataclasses.replace(predicted, members=decided)
    metrics = metrics_of(config, predicted, dataset.classes, dataset.notes)
    metrics["notes"] += chosen.doubts
    write_csv(predicted.table(dataset.classes), folder.predictions)
    run_record.write_json(folder.decision, chosen.record)
    run_record.write_json(folder.metrics, metrics)
    if config.data.lung_masks is None:
        export(best, chosen.rule, preprocessing, folder)
    else:
        say(console, "no SavedModel: it would see new images without the masks of --lung_masks")
    write_page(folder, dataset)
    write_board(folder, dataset.classes)
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
    write_input(asked, folder)
    write_csv(dataset.frame, folder.manifest)
    write_csv(dataset.rejected, folder.rejected)


def export(
    model: keras.Model,
    rule: DecisionRule,
    preprocessing: Preprocessing,
    folder: run_record.RunFolder,
) -> None:
    """Writes the SavedModel: bytes in, calibrated probabilities and decision out."""
    save_exported(
        ExportedClassifier(
            model,
            preprocessing=preprocessing,
            classes=rule.classes,
            factor=rule.scaling.factor(),
            offset=rule.scaling.offset(model.output_shape[-1]),
            positive=rule.positive,
            threshold=rule.threshold,
            weights=rule.weights,
        ),
        folder.saved_model,
    )
