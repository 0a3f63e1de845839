"""The page of a run: one file, nothing loaded from outside, no script."""

import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from tfcovid.report import curves, heat_words, plots, tables, words
from tfcovid.report.model_card import model_card
from tfcovid.report.pages import page_template, png_address
from tfcovid.whole_file import write_text_whole

TEMPLATE = "report.html.j2"


def write_report(
    path: pathlib.Path,
    *,
    metrics: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    labels: np.ndarray,
    probs: np.ndarray,
    manifest: pd.DataFrame,
    rejected: pd.DataFrame,
    config: Mapping[str, Mapping[str, Any]],
    environment: Mapping[str, Any],
    decision: Mapping[str, Any],
    notes: Sequence[str],
    pictures: Mapping[str, bytes],
    heat_pictures: Mapping[str, bytes],
    typical: Mapping[str, Sequence[Mapping[str, Any]]],
    command: str,
    folds: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Writes the page, whole or not at all.

    Args:
      path: of the page; its folder exists.
      metrics: the content of metrics.json.
      history: a record an epoch: phase, epoch and figures; empty if nothing was trained.
      labels: class indices of the scored images, int [n].
      probs: their calibrated probabilities, float [n, num_classes].
      manifest: the images used, with the manifest's columns.
      rejected: the images not used: image, path, reason.
      config: every flag's value, by concern.
      environment: versions, machine, precision; a value may be a mapping or a list.
      decision: the content of decision.json.
      notes: what a reader must know besides the notes in metrics.
      pictures: of the images in metrics' errors, PNG files by image id; one without has none.
      heat_pictures: of images in metrics' errors, with the heat of what was decided, likewise.
      typical: by class the surest right images: picture (an address), image and probability.
      command: what was typed.
      folds: of a cross-validation fold, page, n_images, n_patients, balanced_accuracy, interval,
        temperature, rule, thresholds of each fold; decision then holds what they share.

    Raises:
      jinja2.UndefinedError: if an entry that the page shows is missing.
      OSError: if the file cannot be written.
    """
    page = page_template(TEMPLATE, plain=plain)
    text = page.render(
        metrics=metrics,
        notes=words.all_notes(metrics, notes),
        asked=asked_flags(config),
        card=model_card(metrics, manifest, rejected, asked_flags(config), decision),
        history=history,
        best_epoch=plots.best_epoch(history),
        history_figures=history_figures(history),
        figures=_figures(metrics, history, labels, probs),
        class_rows=tables.class_rows(metrics),
        class_columns=tables.CLASS_COLUMNS,
        auroc_words=tables.area_words(metrics, "auroc"),
        auprc_words=tables.area_words(metrics, "auprc"),
        confusion=tables.confusion_rows(metrics),
        headline=tables.headline_rows(metrics),
        pictures={name: png_address(content) for name, content in pictures.items()},
        heat_pictures={name: png_address(content) for name, content in heat_pictures.items()},
        typical=typical,
        heat_words=heat_words,
        ladder=tables.ladder_rows(metrics),
        data=tables.data_tables(manifest, metrics["classes"]),
        rejected=rejected.fillna("").to_dict("records"),
        config=config,
        environment=environment,
        decision=decision,
        folds=folds,
        command=command,
        again=again(path.parent),
    )
    write_text_whole(path, text)


def _figures(
    metrics: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    labels: np.ndarray,
    probs: np.ndarray,
) -> dict[str, Markup]:
    """Returns the figures as markup: matplotlib has escaped the words in them."""
    figures = {
        "roc": curves.roc_figure(labels, probs, metrics["classes"]),
        "precision_recall": curves.precision_recall_figure(labels, probs, metrics["classes"]),
        "reliability": plots.reliability_figure(
            metrics["calibration"]["after"]["reliability"],
            metrics["calibration"]["before"]["reliability"],
        ),
        "reliability_of_class": plots.reliability_figure(
            metrics["calibration"]["after"]["reliability_of_class"],
            metrics["calibration"]["before"]["reliability_of_class"],
            of_class=metrics["calibration"]["class"],
        ),
    }
    if history:
        figures["training"] = plots.training_curves_figure(history)
    return {
        name: Markup(plots.figure_to_svg(figure, name=name)) for name, figure in figures.items()
    }


def history_figures(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the figures that any epoch has, in the order they first appear."""
    names = dict.fromkeys(name for epoch in history for name in epoch)
    return [name for name in names if name not in ("phase", "epoch")]


def asked_flags(config: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Returns every flag's value in one mapping, whatever its concern."""
    return {flag: value for section in config.values() for flag, value in section.items()}


def again(run_folder: pathlib.Path) -> str:
    """Returns the command that repeats the run; the old folder is taken, so it names a new one."""
    flag_file = f"--flagfile={(run_folder / 'flags.cfg').as_posix()}"
    new_folder = f"--workdir={run_folder.as_posix()}-again"
    return shlex.join(["python", "-m", "tfcovid.train", flag_file, new_folder])


def plain(value: Any) -> str:
    """Returns a value of config.json or environment.json as a reader would write it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {plain(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(plain(entry) for entry in value)
    return str(value)
