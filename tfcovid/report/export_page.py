"""The page of a run's exports: one file, nothing loaded from outside, no script."""

import pathlib
from collections.abc import Mapping
from typing import Any

from tfcovid.report import export_rows
from tfcovid.report.pages import page_template
from tfcovid.whole_file import write_text_whole

TEMPLATE = "exports.html.j2"


def write_exports(path: pathlib.Path, content: Mapping[str, Any]) -> None:
    """Writes the page, whole or not at all.

    Args:
      path: of the page; its folder exists.
      content: of parity.json.

    Raises:
      jinja2.UndefinedError: if an entry that the page shows is missing.
      OSError: if the file cannot be written.
    """
    text = page_template(TEMPLATE).render(
        found=content,
        rows=export_rows.export_rows(content),
        written=export_rows.written(content),
        refused=export_rows.refused(content),
        summary=export_rows.summary(content),
    )
    write_text_whole(path, text)
