"""One network of a run: trained, its rule chosen, tested once, exported; and its folder's files."""

import dataclasses

import rich.console

from flags import config_json
from flags.flag_file import flag_file_lines
from tfcovid.console import say
from tfcovid.data.manifest import write_csv
from tfcovid.experiment.classifiers.asked import Asked
from tfcovid.experiment.classifiers.ensemble import write_input
from tfcovid.experiment.classifiers.fit import fit_classifier
from tfcovid.experiment.classifiers.member_scores import decide_members
from tfcovid.experiment.earlier_parts import with_earlier_parts
from tfcovid.experiment.heat import shares_in_box
from tfcovid.experiment.heat_pictures import write_heat_maps
from tfcovid.experiment.kinds import kind_of
from tfcovid.experiment.model_assets import model_assets
from tfcovid.experiment.scoring import Predicted, predict_test_split
from tfcovid.metrics.decision import ChosenRule
from tfcovid.metrics.finding_decision import ChosenFindings
from tfcovid.serving.exported import save_exported
from tfcovid.training import run_record
from tfcovid.training.distribution import Workers
from tfcovid.whole_file import write_text_whole


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
    write_record(asked, folder, console)
    folder.clear_results()
    fitted, kind = fit_classifier(asked, folder, console), kind_of(dataset.blocks)
    asked = dataclasses.replace(asked, workers=Workers())  # those of the training are gone
    best = fitted.model
    chosen = kind.choose_rule(config, dataset, fitted.on_validation)
    say(console, f"chosen on validation: {chosen.rule.in_words()}")
    kind.run_controls(asked, best, folder, console)
    predicted = dataclasses.replace(
        predict_test_split(best, chosen.rule, dataset, preprocessing, folder),
        heat_shares=shares_in_box(config, best, dataset, preprocessing, console),
    )
    if fitted.members:
        decided = decide_members(config, fitted, dataset)
        write_csv(decided, folder.member_predictions)
        predicted = dataclasses.replace(predicted, members=decided)
    metrics = kind.metrics_of(config, predicted, dataset)
    if fitted.members:
        metrics["combined"] = fitted.record["combined"]
    metrics["notes"] += chosen.doubts
    write_csv(kind.table_of(predicted, dataset), folder.predictions)
    run_record.write_json(folder.decision, chosen.record)
    run_record.write_json(folder.metrics, metrics)
    write_heat_maps(config, best, predicted, metrics, dataset, preprocessing, folder)
    if config.data.lung_masks is None:
        module = kind.exporting.module_of(config, best, chosen.rule, preprocessing)
        save_exported(module, folder.saved_model, model_assets(folder))
    else:
        say(console, "no SavedModel: it would see new images without the masks of --lung_masks")
    kind.write_page(folder, dataset)
    kind.write_board(folder, dataset)
    return predicted, chosen


def write_record(asked: Asked, folder: run_record.RunFolder, console: rich.console.Console) -> None:
    """Writes what was asked, on what data and machine, before the first step.

    Args:
      asked: on what and how.
      folder: of the run; its record of before, if it goes on, is written over.
      console: is told what is otherwise than when the run was begun.
    """
    config, dataset = asked.config, asked.dataset
    write_text_whole(folder.flags, "".join(f"{line}\n" for line in flag_file_lines(config)))
    write_text_whole(folder.config, config_json.to_json(config))
    command = run_record.command_line("tfcovid.train")
    environment = run_record.describe_environment(asked.machine, command)
    if asked.workers.strategy is not None:
        by = asked.workers.in_words()
        environment["shared"] = {"by": by, "sync_batch_norm": asked.sync_batch_norm}
    environment, otherwise = with_earlier_parts(environment, folder.environment)
    if otherwise:
        say(console, otherwise)
    run_record.write_json(folder.environment, environment)
    run_record.write_json(folder.labels, list(dataset.classes))
    write_input(asked, folder)
    write_csv(dataset.frame, folder.manifest)
    write_csv(dataset.rejected, folder.rejected)
