"""A comparison from its flags to its tables: probes and whole networks, on one split."""

import datetime
import pathlib
from typing import Any

import numpy as np
import pandas as pd
import rich.console

from flags import compare_choices
from flags.compare_config import CompareConfig
from flags.config import Config
from flags.preset_files import SYSTEMS_FOLDER, preset_about
from tfcovid.console import counting_bar, open_console, say
from tfcovid.data.manifest import MANIFEST_COLUMNS, source_notes, write_csv
from tfcovid.data.split import SPLITS
from tfcovid.data.tasks import TASK_LABELS
from tfcovid.data.uncropped import uncropped_by_class
from tfcovid.experiment.comparison.cells import Cell, PresetConfigs, cells_of, run_cell
from tfcovid.experiment.comparison.controls import left_over, run_controls
from tfcovid.experiment.comparison.differences import (
    pairs_of,
    tested_difference,
    with_holm,
)
from tfcovid.experiment.comparison.finetuned import run_finetuned_cells
from tfcovid.experiment.comparison.folder import (
    ComparisonFolder,
    asked_settings,
    finished,
    finished_cell,
    images_digest,
)
from tfcovid.experiment.comparison.frozen_features import (
    System,
    features_of,
    read_systems,
    refuse_seen_images,
)
from tfcovid.experiment.comparison.pool import MAIN, MERGED, Pool, load_pool
from tfcovid.experiment.comparison.presets import run_preset_cells, starts_of
from tfcovid.experiment.controls.fitting import left_out_notes
from tfcovid.experiment.earlier_parts import with_earlier_parts
from tfcovid.experiment.run import free_name, settle
from tfcovid.metrics.score import few_patient_notes
from tfcovid.report.compare_latex import latex_tables
from tfcovid.report.compare_page import write_comparison
from tfcovid.report.compare_tables import difference_table, figure_table
from tfcovid.report.compare_terminal import print_comparison
from tfcovid.training import run_record, runtime
from tfcovid.whole_file import sha256_of, write_text_whole


def run_comparison(
    config: Config, comparison: CompareConfig, presets: PresetConfigs
) -> dict[str, Any]:
    """Compares, writes page and tables, and returns what compare.json holds.

    Args:
      config: what is asked for of data and training; its task, loss, imbalance and network are
        not read.
      comparison: the grid.
      presets: what each of its published methods asks for.

    Raises:
      ValueError: for a mistake in the flags or the data, or if the folder holds another comparison.
      OSError: if a file cannot be read or written.
      FloatingPointError: if features or losses are no longer finite.
    """
    console = open_console()
    config = settle(config)
    folder = ComparisonFolder(workdir_of(config))
    systems = read_systems(config, comparison)
    starts = starts_of(systems, presets)
    digests = {system.name: system.digest for system in systems}
    settings = asked_settings(config, comparison, digests, presets)
    folder.refuse_other(settings)
    machine = runtime.configure(seed=config.run.seed, precision="float32")
    pool = load_pool(config, comparison, console)
    for system in systems:
        refuse_seen_images(system, pool)
    folder.claim(settings | {"images": images_digest(pool.dataset.frame, pool.splits)})
    command = run_record.command_line("tfcovid.compare")
    environment = run_record.describe_environment(machine, command)
    environment, otherwise = with_earlier_parts(environment, folder.environment)
    if otherwise:
        say(console, otherwise)
    run_record.write_json(folder.environment, environment)
    write_split(folder, comparison, pool)

    cells = cells_of(comparison, presets)
    found = run_probes_and_networks(config, comparison, cells, systems, pool, folder, console)
    methods = [cell for cell in cells if cell.training == compare_choices.Trained.PRESET]
    found |= run_preset_cells(config, comparison, presets, methods, starts, pool, folder, console)
    records = [found[cell.name][0] for cell in cells]
    tables = {cell.name: found[cell.name][1] for cell in cells}
    controls = run_controls(config, comparison, systems, pool, folder, console)
    content = {
        "command": command,
        "data": describe_data(config),
        "settings": settings,
        "systems": [
            *({"name": s.name, "about": s.about, "sha256": s.digest} for s in systems),
            *(describe_preset(name) for name in comparison.presets),
        ],
        "classes": {task.value: TASK_LABELS[task].classes for task in comparison.tasks},
        "counts": describe_counts(comparison, pool),
        "cells": records,
        "controls": [record for record, _ in controls],
        "left": left_over(records, tables, controls, seed=config.run.seed),
        "differences": run_differences(config, cells, tables, folder, console),
        "notes": [*notes_of(comparison, pool, records), *left_out_notes(config)],
    }
    write_outputs(folder, content)
    print_comparison(console, run_record.read_json(folder.content), folder.path)
    return content


def workdir_of(config: Config) -> pathlib.Path:
    """Returns the folder that was asked for, or runs/<UTC time>-compare."""
    if config.run.workdir is not None:
        return config.run.workdir
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return free_name(pathlib.Path("runs") / f"{now}-compare", numbered=True)


def write_split(folder: ComparisonFolder, comparison: CompareConfig, pool: Pool) -> None:
    """Writes the images of each task and fold with their split: what --manifest of training takes.

    The column `data_set` says which data set holds an image: only the main one is tested.
    """
    setting = comparison.settings[-1]
    for task in comparison.tasks:
        for fold in range(len(pool.splits)):
            part = pool.part(task, setting, fold)
            frame = part.dataset.frame[list(MANIFEST_COLUMNS)].assign(
                data_set=np.where(pool.is_main[part.rows], MAIN, MERGED)
            )
            number = fold if len(pool.splits) > 1 else None
            write_csv(frame, folder.manifest(task.value, number))
    write_csv(pool.dataset.rejected, folder.rejected)


def describe_preset(name: str) -> dict[str, str]:
    """Returns what compare.json says of a published method: its name, what it is, its preset."""
    digest = sha256_of(SYSTEMS_FOLDER / f"{name}.cfg")
    return {"name": name, "about": preset_about(name), "sha256": digest}


def run_probes_and_networks(
    config: Config,
    comparison: CompareConfig,
    cells: list[Cell],
    systems: list[System],
    pool: Pool,
    folder: ComparisonFolder,
    console: rich.console.Console,
) -> dict[str, tuple[dict[str, Any], pd.DataFrame]]:
    """Returns record and predictions of each cell of the grid; what is finished stays.

    The probes come first: they take minutes, whole networks hours.
    """
    probes = [cell for cell in cells if cell.training == compare_choices.Trained.PROBE]
    features = {
        system.name: features_of(system, pool.dataset, folder.features, console)
        for system in systems
    }
    found: dict[str, tuple[dict[str, Any], pd.DataFrame]] = {}
    with counting_bar(console, "cells") as progress:
        for number, cell in enumerate(probes):
            progress(number, len(probes))

            def make(cell=cell):
                return run_cell(config, comparison, cell, pool, features[cell.system])

            found[cell.name] = finished_cell(folder.cells, cell.name, make)
    if probes:
        say(console, f"cells: {len(probes)} of {comparison.seeds} seeds each, in {folder.cells}")
    networks = [cell for cell in cells if cell.training == compare_choices.Trained.FINETUNED]
    return found | run_finetuned_cells(config, comparison, networks, systems, pool, folder, console)


def run_differences(
    config: Config,
    cells: list[Cell],
    tables: dict[str, pd.DataFrame],
    folder: ComparisonFolder,
    console: rich.console.Console,
) -> list[dict[str, Any]]:
    """Returns the differences of all pairs, p-values corrected over all of them."""
    pairs, found = pairs_of(cells), []
    with counting_bar(console, "differences") as progress:
        for number, pair in enumerate(pairs):
            progress(number, len(pairs))

            def make(pair=pair):
                return tested_difference(pair, tables, seed=config.run.seed)

            found.append(finished(folder.differences / f"{pair.name}.json", make))
    return with_holm(found)


def describe_data(config: Config) -> list[str]:
    """Returns the folder of each data set, the main one first."""
    main = config.sources.data_dir
    folders = [str(main) if main else "the embedded synthetic sample"]
    return folders + [str(place) for _, place in config.sources.places()]


def describe_counts(comparison: CompareConfig, pool: Pool) -> list[dict[str, Any]]:
    """Returns images and patients of each class, for each task, setting and split, all folds."""
    rows = []
    for task in comparison.tasks:
        for setting in comparison.settings:
            parts = [pool.part(task, setting, fold) for fold in range(len(pool.splits))]
            # A patient counts in each fold, as an image does.
            frame = pd.concat(
                [
                    part.dataset.frame.assign(
                        group_id=f"{fold}:" + part.dataset.frame["group_id"].astype(str)
                    )
                    for fold, part in enumerate(parts)
                ]
            )
            for split in SPLITS:
                part = frame[frame["split"] == split]
                grouped = part.groupby("label")
                rows.append(
                    {
                        "task": task.value,
                        "setting": setting.value,
                        "split": split,
                        "images": {str(k): int(v) for k, v in grouped.size().items()},
                        "patients": {
                            str(k): int(v) for k, v in grouped["group_id"].nunique().items()
                        },
                    }
                )
    return rows


def notes_of(comparison: CompareConfig, pool: Pool, records: list[dict[str, Any]]) -> list[str]:
    """Returns what a reader should know before believing a figure, each line once."""
    notes: list[str] = []
    setting = compare_choices.Setting.WITHOUT
    for task in comparison.tasks:
        dataset = pool.part(task, setting).dataset
        whole = dataset.images.uncropped[dataset.image_index]
        of_classes = (
            *source_notes(dataset.frame),
            *uncropped_by_class(dataset.frame["label"], whole),
        )
        notes += [f"{task}: {note}" for note in of_classes]
    for record in records:
        notes += [f"{record['task']}: {note}" for note in few_patient_notes(record["metrics"])]
    return list(dict.fromkeys([*notes, *pool.dataset.notes]))


def write_outputs(folder: ComparisonFolder, content: dict[str, Any]) -> None:
    """Writes compare.json, and from it the page and the tables."""
    run_record.write_json(folder.content, content)
    content = run_record.read_json(folder.content)
    write_csv(figure_table(content), folder.figures)
    write_csv(difference_table(content), folder.difference_table)
    write_text_whole(folder.latex, latex_tables(content))
    write_comparison(folder.page, content)
