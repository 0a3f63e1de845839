"""The page of a comparison: one file, nothing loaded from outside, no script."""

import pathlib
from collections.abc import Mapping
from typing import Any

from tfcovid.report import compare_tables
from tfcovid.report.pages import page_template
from tfcovid.whole_file import write_text_whole

TEMPLATE = "compare.html.j2"


def write_comparison(path: pathlib.Path, content: Mapping[str, Any]) -> None:
    """Writes the page, whole or not at all.

    Args:
      path: of the page; its folder exists.
      content: of compare.json.

    Raises:
      jinja2.UndefinedError: if an entry that the page shows is missing.
      OSError: if the file cannot be written.
    """
    varied = compare_tables.varied_factors(content)
    page = page_template(
        TEMPLATE,
        p=compare_tables.p_words,
        signed=lambda value: f"{value:+.3f}".replace("-", "\u2212"),
    )
    networks = [
        training
        for cell in content["cells"]
        if cell["training"] == compare_tables.FINETUNED
        for fold in cell["folds"]
        for training in fold["trainings"]
    ]
    text = page.render(
        found=content,
        title=compare_tables.title_of(content),
        varied=[factor for factor in varied if factor != "task"],
        fixed=compare_tables.fixed_factors(content),
        rows=compare_tables.figure_rows(content),
        whole_figures=compare_tables.WHOLE_FIGURES,
        class_figures=compare_tables.CLASS_FIGURES,
        differences=compare_tables.difference_rows(content),
        reading_help=compare_tables.reading_help(content),
        methods=compare_tables.methods(content),
        finetuning=content["settings"]["finetuning"] if networks else None,
        precisions=dict.fromkeys(network["precision"] for network in networks),
        factors=[f for f in compare_tables.FACTORS if f != "task"],
    )
    write_text_whole(path, text)
