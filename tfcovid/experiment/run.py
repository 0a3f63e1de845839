"""A run from its Config to its report."""

import dataclasses
import datetime
import itertools
import pathlib
from typing import Any

import keras
import pandas as pd

from flags import choices, config_json
from flags.config import Config
from flags.flag_file import flag_file_lines
from tfcovid.console import open_console, say
from tfcovid.data.dataset import Dataset
from tfcovid.data.manifest import write_csv
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.sources.readers import recognise
from tfcovid.experiment.board import read_predictions, write_board
from tfcovid.experiment.decisions import check_operating_class, choose_rule
from tfcovid.experiment.error_analysis import pictured
from tfcovid.experiment.fitting import train
from tfcovid.experiment.inputs import choose_preprocessing, prepare_data
from tfcovid.experiment.network import build_model, describe_model
from tfcovid.experiment.scoring import score_test_split
from tfcovid.experiment.weights import find_weights
from tfcovid.metrics.decision import DecisionRule
from tfcovid.models.classifier import as_float32
from tfcovid.models.input_contract import contract_path
from tfcovid.report.galleries import gallery
from tfcovid.report.html import write_report
from tfcovid.report.terminal import print_result
from tfcovid.serving.exported import ExportedClassifier, save_exported
from tfcovid.training import run_record, runtime
from tfcovid.whole_file import write_text_whole


def run(config: Config) -> pathlib.Path:
    """Trains, scores, exports and reports; returns the run's folder.

    The folder is made when the data has been read and checked, so that a
    mistake in the data leaves nothing behind.

    Args:
      config: what is asked for.

    Raises:
      ValueError: for a mistake in the flags or the data.
      OSError: if a file cannot be read or written.
      FloatingPointError: if the loss is no longer finite.
    """
    console = open_console()
    config = settle(config)
    wanted = config.run.workdir or default_workdir(config)
    run_record.RunFolder(wanted).refuse_if_used()
    machine = runtime.configure(seed=config.run.seed, precision=config.training.precision.value)
    say(console, f"{', '.join(machine.devices)}; {machine.precision}: {machine.reason}")
    weights = find_weights(config.model, console)
    preprocessing = choose_preprocessing(config, weights)
    dataset = prepare_data(config, preprocessing, console)
    check_operating_class(config, dataset)

    folder = claim_folder(wanted, numbered=config.run.workdir is None)
    write_record(folder, config, dataset, preprocessing, machine)
    if weights is not None:
        write_text_whole(folder.weights_contract, contract_path(weights).read_text("utf-8"))
    model = build_model(config, dataset, preprocessing, weights)
    say(console, describe_model(config, model, weights))
    train(config, model, dataset, preprocessing, machine, folder, console)
    best = as_float32(keras.models.load_model(folder.best_model, compile=False))
    chosen = choose_rule(config, best, dataset, preprocessing)
    say(console, f"chosen on validation: {chosen.rule.in_words()}")
    metrics = score_test_split(config, best, chosen, dataset, preprocessing, folder)
    if config.data.lung_masks is None:
        export(best, chosen.rule, preprocessing, folder)
    else:
        say(console, "no SavedModel: it would see new images without the masks of --lung_masks")
    report(folder, dataset)
    write_board(folder, dataset.classes)
    print_result(console, metrics, folder.path)
    return folder.path


def settle(config: Config) -> Config:
    """Returns the Config as the run's record should have it: what was open decided.

    The data set's kind is named, and paths are absolute, so that the run can be
    scored and run again from anywhere.
    """
    sources, data, model = config.sources, config.data, config.model
    kind = sources.data
    if kind is None and sources.data_dir is not None:
        kind = choices.Data(recognise(sources.data_dir))
    extra = tuple(
        f"{kind or recognise(folder, 'extra_data_dir')}:{folder.absolute()}"
        for kind, folder in sources.places()
    )
    return dataclasses.replace(
        config,
        sources=dataclasses.replace(
            sources,
            data=kind,
            data_dir=absolute(sources.data_dir),
            extra_data_dir=extra,
            patients=absolute(sources.patients),
            table=absolute(sources.table),
            patient_key=absolute(sources.patient_key),
        ),
        data=dataclasses.replace(
            data, manifest=absolute(data.manifest), lung_masks=absolute(data.lung_masks)
        ),
        model=dataclasses.replace(model, weights=absolute_weights(model.weights)),
    )


def absolute(path: pathlib.Path | None) -> pathlib.Path | None:
    """Returns the path from the root, or None where there is none."""
    return None if path is None else path.absolute()


def absolute_weights(
    weights: choices.PublishedWeights | choices.SystemWeights | pathlib.Path | None,
) -> choices.PublishedWeights | choices.SystemWeights | pathlib.Path | None:
    """Returns a file's path from the root; weights that have a name keep it."""
    return weights.absolute() if isinstance(weights, pathlib.Path) else weights


def default_workdir(config: Config) -> pathlib.Path:
    """Returns runs/<UTC time>-<task>-<loss>."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return pathlib.Path("runs") / f"{now}-{config.data.task}-{config.loss.loss}"


def claim_folder(wanted: pathlib.Path, *, numbered: bool) -> run_record.RunFolder:
    """Makes the run's folder, which is then this run's alone, and returns it.

    Args:
      wanted: where it should be.
      numbered: whether a taken name gets -2, -3 … behind it, as runs that begin
        within one second need.

    Raises:
      ValueError: if the folder is taken and numbered is False.
    """
    folder = run_record.RunFolder(free_name(wanted, numbered=numbered))
    folder.create()
    return folder


def free_name(wanted: pathlib.Path, *, numbered: bool) -> pathlib.Path:
    """Returns the wanted folder, or where `numbered` the first of it, -2, -3 … that is free."""
    path = wanted
    for number in itertools.count(2):
        if not (numbered and path.exists()):
            break
        path = wanted.with_name(f"{wanted.name}-{number}")
    return path


def write_record(
    folder: run_record.RunFolder,
    config: Config,
    dataset: Dataset,
    preprocessing: Preprocessing,
    machine: runtime.Runtime,
) -> None:
    """Writes what was asked, on what data and machine, before the first step."""
    write_text_whole(folder.flags, "".join(f"{line}\n" for line in flag_file_lines(config)))
    write_text_whole(folder.config, config_json.to_json(config))
    run_record.write_json(
        folder.environment,
        run_record.describe_environment(machine, run_record.command_line("tfcovid.train")),
    )
    run_record.write_json(folder.labels, list(dataset.classes))
    run_record.write_json(folder.preprocessing, preprocessing.to_json())
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


def report(folder: run_record.RunFolder, dataset: Dataset) -> None:
    """Draws report.html from the run's own files, so that it says what they say."""
    labels, probs = read_predictions(folder, dataset.classes)
    environment = run_record.read_json(folder.environment)
    write_report(
        folder.report,
        metrics=run_record.read_json(folder.metrics),
        history=read_history(folder.history),
        labels=labels,
        probs=probs,
        manifest=dataset.frame,
        rejected=dataset.rejected,
        config=run_record.read_json(folder.config),
        environment=environment,
        decision=run_record.read_json(folder.decision),
        notes=dataset.notes,
        pictures=error_pictures(run_record.read_json(folder.metrics)["errors"], dataset),
        command=environment["command"],
    )


def error_pictures(errors: dict[str, Any], dataset: Dataset) -> dict[str, bytes]:
    """Returns the thumbnails of the images that the page shows as wrong, PNG files by image id."""
    row_of = dict(zip(dataset.frame["image"], dataset.image_index, strict=True))
    return {
        image: gallery(dataset.images.thumbnails[[row_of[image]]]) for image in pictured(errors)
    }


def read_history(path: pathlib.Path) -> list[dict[str, Any]]:
    """Returns history.csv as one record an epoch."""
    table = pd.read_csv(path)
    return [dict(zip(table.columns, row, strict=True)) for row in table.itertuples(index=False)]
