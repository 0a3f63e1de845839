"""X.report.json and X.report.html: what was converted into what, and how equal they are."""

import dataclasses
import importlib.metadata
import json
import math
import pathlib
import platform
from collections import Counter
from typing import Any

import jinja2

from tfcovid.whole_file import write_text_whole
from weights_conversion import comparison_tables
from weights_conversion.accounting import CONVERTED, Row
from weights_conversion.namings import ASSUMED
from weights_conversion.proof.comparison import GRADIENTS, summary
from weights_conversion.record import Record

_PACKAGES = ("tensorflow", "keras", "numpy", "torch", "safetensors")
_NOT_READ = "not recognised"
_TEMPLATE = "report.html.j2"


def report_paths(output: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Returns (X.report.json, X.report.html) for X.weights.h5."""
    stem = output.name.removesuffix(".weights.h5")
    return output.with_name(f"{stem}.report.json"), output.with_name(f"{stem}.report.html")


def write_reports(record: Record, output: pathlib.Path, command: str) -> None:
    """Writes both reports of a conversion, also of one that was refused.

    Args:
      record: what happened.
      output: X.weights.h5.
      command: what was typed.

    Raises:
      OSError: if a file cannot be written.
    """
    json_path, html_path = report_paths(output)
    content = report_content(record, output, command)
    write_text_whole(json_path, json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")
    page = (
        _engine()
        .get_template(_TEMPLATE)
        .render(
            content,
            kinds=comparison_tables.summary_rows(record.comparisons),
            comparison_tables=comparison_tables.tables(record.comparisons),
        )
    )
    write_text_whole(html_path, page)


def report_content(record: Record, output: pathlib.Path, command: str) -> dict[str, Any]:
    """Returns everything a report says, as JSON values."""
    checkpoint, plan = record.checkpoint, record.plan
    content = checkpoint.content if checkpoint else None
    rows = record.rows or _rows_of(record)
    return {
        "checkpoint": record.name,
        "output": output.name,
        "refused": record.refusal or None,
        "sha256": checkpoint.sha256 if checkpoint else None,
        "format": content.file_format if content else None,
        "container": content.container if content else None,
        "beside": list(content.beside) if content else [],
        "recognised": {
            "architecture": plan.recognition.naming.architecture,
            "naming": plan.recognition.naming.spelling,
            "prefix": plan.recognition.prefix,
            "by": plan.recognition.describe(),
        }
        if plan
        else None,
        "head": dataclasses.asdict(plan.head) if plan and plan.head else None,
        "input": dataclasses.asdict(plan.target) if plan else None,
        "assumed": ASSUMED if plan else None,
        "source_channels": plan.source.channels if plan else None,
        "counts": dict(Counter(row.outcome for row in rows)),
        "tensors": [_row(row, _gradients(record)) for row in rows],
        "proof": {
            "summary": summary(record.comparisons),
            "partial": record.partial or None,
            "channel_shift": record.channel_shift,
            "comparisons": [
                {**dataclasses.asdict(comparison), "holds": comparison.holds}
                for comparison in record.comparisons
            ],
        },
        "seconds": {name: round(value, 3) for name, value in record.seconds.items()},
        "versions": _versions(),
        "command": command,
    }


def _engine():
    """Returns the template engine; the style is that of a run's report."""
    packages = ("weights_conversion", "tfcovid.report")
    engine = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name, ".") for name in packages]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    engine.filters |= {"difference": _difference, "shape": _shape}
    return engine


def _rows_of(record):
    """Returns the tensors of a checkpoint that was refused before they were accounted for."""
    if record.checkpoint is None:
        return []
    return [
        Row(name, tensor.shape, str(tensor.dtype), "", None, _NOT_READ)
        for name, tensor in record.checkpoint.content.tensors.items()
    ]


def _row(row, gradients):
    layer = row.tensor.rpartition(".")[0]
    difference = gradients.get(layer) if row.outcome == CONVERTED else None
    return {**dataclasses.asdict(row), "gradient_difference": difference}


def _gradients(record):
    """Returns batch norm's name in the checkpoint -> difference of its gradients."""
    prefix = record.plan.recognition.prefix if record.plan else ""
    return {
        prefix + comparison.stage: comparison.difference
        for comparison in record.comparisons
        if comparison.mode.startswith(GRADIENTS)
    }


def _versions():
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _difference(value):
    return "" if value is None else f"{value:.1e}"


def _shape(shape):
    return " x ".join(map(str, shape)) if shape else ""


def _finite(value):
    """Returns JSON values with None in the place of numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
