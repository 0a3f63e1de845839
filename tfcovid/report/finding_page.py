"""The page of a run of findings: one file, nothing loaded from outside, no script."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from tfcovid.report import finding_words, heat_words, plots, words
from tfcovid.report.finding_curves import known_scores, roc_panels_figure
from tfcovid.report.html import again, asked_flags, history_figures, plain
from tfcovid.report.model_card import model_card
from tfcovid.report.pages import page_template
from tfcovid.report.tables import SPLITS, UNKNOWN_SOURCE
from tfcovid.whole_file import write_text_whole

TEMPLATE = "findings.html.j2"


def write_finding_page(
    path: pathlib.Path,
    *,
    metrics: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    targets: np.ndarray,
    probs: np.ndarray,
    manifest: pd.DataFrame,
    manifest_targets: np.ndarray,
    rejected: pd.DataFrame,
    config: Mapping[str, Mapping[str, Any]],
    environment: Mapping[str, Any],
    decision: Mapping[str, Any],
    notes: Sequence[str],
    typical: Mapping[str, Sequence[Mapping[str, Any]]],
    command: str,
    folds: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Writes the page, whole or not at all.

    Args:
      path: of the page; its folder exists.
      metrics: the content of metrics.json.
      history: a record an epoch: phase, epoch and figures; empty if nothing was trained.
      targets: label matrix of the scored images, int8 [n, num_outputs].
      probs: their calibrated probabilities, float [n, num_outputs].
      manifest: the images used, with the manifest's columns.
      manifest_targets: their label matrix.
      rejected: the images not used: image, path, reason.
      config: every flag's value, by concern.
      environment: versions, machine, precision.
      decision: the content of decision.json.
      notes: what a reader must know besides the notes in metrics.
      typical: by finding the surest right images: picture (an address), image and probability.
      command: what was typed.
      folds: of a cross-validation fold, page, n_images, n_patients, mean_auroc, interval of each.

    Raises:
      jinja2.UndefinedError: if an entry that the page shows is missing.
      OSError: if the file cannot be written.
    """
    asked, classes = asked_flags(config), metrics["classes"]
    aurocs = {name: metrics["per_class"][name]["auroc"] for name in classes}
    figures = {"roc": roc_panels_figure(known_scores(targets, probs, classes), aurocs)}
    if history:
        figures["training"] = plots.training_curves_figure(history)
    known = manifest.assign(source=manifest["source"].fillna(UNKNOWN_SOURCE))
    text = page_template(TEMPLATE, plain=plain).render(
        metrics=metrics,
        finding_words=finding_words,
        heat_words=heat_words,
        typical=typical,
        notes=words.all_notes(metrics, notes),
        asked=asked,
        card=model_card(metrics, manifest, rejected, asked, decision),
        rows=finding_words.finding_rows(metrics),
        headline=finding_words.headline_rows(metrics),
        history=history,
        best_epoch=plots.best_epoch(history),
        history_figures=history_figures(history),
        figures={
            name: Markup(plots.figure_to_svg(figure, name=name)) for name, figure in figures.items()
        },
        data={
            "split": counted_by(known, manifest_targets, "split", SPLITS),
            "source": counted_by(
                known, manifest_targets, "source", sorted(known["source"].unique())
            ),
        },
        rejected=rejected.fillna("").to_dict("records"),
        config=config,
        environment=environment,
        decision=decision,
        folds=folds,
        command=command,
        again=again(path.parent),
    )
    write_text_whole(path, text)


def counted_by(
    manifest: pd.DataFrame, targets: np.ndarray, column: str, values: Sequence[str]
) -> list[dict[str, Any]]:
    """Returns for each value of a column the images and patients that have each output.

    Args:
      manifest: columns group_id and the one to count by.
      targets: label matrix of its rows, int8 [n, num_outputs].
      column: what the rows go by.
      values: rows of the table.

    Returns:
      For each row: name, and cells: an (images, patients) pair for each output and, last, for all.
    """
    rows = [(value, (manifest[column] == value).to_numpy(bool)) for value in values]
    groups = manifest["group_id"].to_numpy()

    def counts(part: np.ndarray) -> tuple[int, int]:
        return int(part.sum()), int(np.unique(groups[part]).size)

    return [
        {
            "name": name,
            "cells": [counts(part & (of == 1)) for of in targets.T] + [counts(part)],
        }
        for name, part in [*rows, ("all", np.ones(len(manifest), bool))]
    ]
