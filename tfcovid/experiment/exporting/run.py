"""Exports a finished run: the files, parity.json, its page and the table on the terminal."""

import errno
import importlib.metadata
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from flags.export_config import ExportFormat
from tfcovid.console import open_console, say
from tfcovid.experiment.exporting.formats import CHECKS, EXPORTERS, Export, Measured
from tfcovid.experiment.exporting.images import validation_images
from tfcovid.experiment.exporting.network import (
    BATCH_SIZE,
    digest_of,
    in_batches,
    load_network,
    size_of,
)
from tfcovid.experiment.finished import finished_run
from tfcovid.exports.contract import NOT_A_DEVICE
from tfcovid.exports.parity import TOLERANCE, time_side_by_side
from tfcovid.report.export_page import write_exports
from tfcovid.report.export_terminal import print_exports
from tfcovid.training import run_record

FOLDER, RECORD, PAGE = "exports", "parity.json", "parity.html"
NETWORK = "network"

# Enough for a percentile of a small network, and half a minute at most for a large one; chosen.
ROUNDS, BUDGET_S = 100, 30.0

RUNTIMES = ("tensorflow", "keras", "ai-edge-litert", "tf2onnx", "onnx", "onnxruntime")


def export_run(workdir: pathlib.Path, formats: Sequence[ExportFormat]) -> int:
    """Writes RUN/exports; returns 0, or 1 if a format was refused or could not be converted.

    Args:
      workdir: the folder of a finished run.
      formats: what to write.

    Raises:
      ValueError: if the run is not finished, its data is not where it was, an extra is missing, or
        RUN/exports cannot be written.
    """
    for one in formats:
        CHECKS[one]()
    console = open_console()
    run = finished_run(workdir)
    folder = open_folder(workdir / FOLDER)
    network = load_network(run)
    say(console, f"model: {network.run.folder.best_model}, {network.model.count_params():,} values")
    images = validation_images(network, console)
    measure = network.classify()
    probs = in_batches(measure, images.squares)
    decided = network.decided(probs)
    measured = Measured(network, images, probs, decided, folder, console)
    made = [export for one in formats for export in _exports(measured, one)]
    subjects = {entry["file"]: load for entry, load in made if load is not None}
    speeds = time_side_by_side(
        {NETWORK: measure, **subjects},
        images.squares[:BATCH_SIZE],
        rounds=ROUNDS,
        budget_s=BUDGET_S,
    )
    entries = [
        entry
        if load is None
        else {**entry, "speed": speeds[entry["file"]], "speed_of_network": speeds[NETWORK]}
        for entry, load in made
    ]
    content = {
        "task": network.run.task_labels.name,
        "classes": list(network.run.task_labels.classes),
        "intended_use": NOT_A_DEVICE,
        "tolerance": TOLERANCE,
        "images": {"split": "validation", "n_images": len(images.rows)},
        "network": {
            "sha256": network.sha256,
            "bytes": size_of(network.run.folder.best_model),
            "balanced_accuracy": measured.balanced_accuracy(decided),
            "speed": speeds[NETWORK],
        },
        "exports": sorted(
            [*earlier_entries(folder, network.sha256, formats), *entries],
            key=lambda entry: list(ExportFormat).index(entry["format"]),
        ),
        "threads": os.cpu_count(),
        "packages": dict(installed(RUNTIMES)),
        "commit": run_record.current_commit(),
        "command": run_record.command_line("tfcovid.export"),
    }
    run_record.write_json(folder / RECORD, content)
    write_exports(folder / PAGE, content)
    print_exports(console, content, folder)
    refused = [entry for entry in entries if "refused" in entry]
    for entry in refused:
        print(f"error: {entry['file']} was not written: {entry['refused']}", file=sys.stderr)
    return int(bool(refused))


def open_folder(folder: pathlib.Path) -> pathlib.Path:
    """Returns the folder of the exports, made if it is missing.

    Raises:
      ValueError: if it cannot be made, or nothing can be written into it.
    """
    try:
        folder.mkdir(exist_ok=True)
        reason = None if os.access(folder, os.W_OK | os.X_OK) else os.strerror(errno.EACCES)
    except OSError as error:
        reason = error.strerror
    if reason is not None:
        raise ValueError(
            f"{folder}: expected a folder that exports can be written into ({reason}); move away "
            "what stands there, or export from a copy of the run"
        )
    return folder


def _exports(measured: Measured, of_format: ExportFormat) -> Iterator[Export]:
    for entry, load in EXPORTERS[of_format](measured):
        say(measured.console, f"{'refused' if load is None else 'written'}: {entry['file']}")
        yield entry, load


def earlier_entries(
    folder: pathlib.Path, sha256: str, formats: Sequence[ExportFormat]
) -> list[dict[str, Any]]:
    """Returns what parity.json says of the formats that are not asked for now.

    Args:
      folder: of the exports.
      sha256: of the model's file: an entry of another model is none.
      formats: those that are asked for.
    """
    record = folder / RECORD
    if not record.is_file():
        return []
    content = run_record.read_json(record)
    if content["network"]["sha256"] != sha256:
        return []
    return [
        entry
        for entry in content["exports"]
        if entry["format"] not in formats
        and (folder / entry["file"]).exists()
        and digest_of(folder / entry["file"]) == entry["sha256"]
    ]


def installed(packages: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yields the versions of those packages that are installed, by name."""
    for name in packages:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
