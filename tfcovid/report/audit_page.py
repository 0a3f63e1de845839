"""The page of an audit: one file, nothing loaded from outside, no script."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from tfcovid.report import plots
from tfcovid.report.pages import page_template, png_address
from tfcovid.whole_file import write_text_whole

TEMPLATE = "audit.html.j2"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Of a long list so much stands on the page; audit.json has all of it.
SHOWN = 60

# What a page shows of an audit that has no such part.
EMPTY: dict[str, Any] = {
    "command": "",
    "data": [],
    "task": "",
    "classes": [],
    "n_images": 0,
    "n_patients": 0,
    "n_groups": 0,
    "verdict": [],
    "counts": {},
    "class_by_source": {},
    "rejected": {},
    "rejected_examples": {},
    "copies": {},
    "leaks": [],
    "files": {},
    "declared": {},
    "shortcuts": [],
    "associations": [],
    "notes": [],
}
NO_COPIES: dict[str, Any] = {"exact": 0, "near": 0, "across_sources": 0, "pairs": []}

# Sections of the page that take pictures, by what stands before the stroke in a picture's name.
GALLERIES = ("class", "shortcut", "copy", "other")


def write_audit(
    path: pathlib.Path, *, audit: Mapping[str, Any], pictures: Mapping[str, bytes]
) -> None:
    """Writes the page, whole or not at all.

    Args:
      path: of the page; its folder exists.
      audit: the content of audit.json; a part that it lacks is left out or shown as empty.
      pictures: PNG files by name. "class/…", "shortcut/…" and "copy/…" put a picture into the
        section of that name, any other name at the end of the page. The rest of the name is its
        caption and its alternative text, so it says what there is to see.

    Raises:
      ValueError: if a picture is no PNG file.
      OSError: if the file cannot be written.
    """
    shown = EMPTY | {key: value for key, value in audit.items() if value is not None}
    text = page_template(TEMPLATE).render(
        audit=shown,
        # What was not looked at is not what was not found.
        looked_at={key for key, value in audit.items() if value is not None},
        copies=NO_COPIES | dict(shown["copies"]),
        ladder=ladder_rows(shown["shortcuts"]),
        bars=source_bars(shown["class_by_source"]),
        galleries=galleries(pictures),
        shown=SHOWN,
    )
    write_text_whole(path, text)


def ladder_rows(shortcuts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Returns the shortcuts in reading order: alarms first, then by score, unscored last."""
    return sorted(
        shortcuts,
        key=lambda found: (not found["beats_chance"], -(found["balanced_accuracy"] or 0)),
    )


def source_bars(class_by_source: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Returns what the stacked bars show.

    Args:
      class_by_source: images by class and source.

    Returns:
      sources: name and colour of each, commonest first. rows: for each class its name, images
      and parts (source, images, share, colour), without the sources that it lacks.
    """
    totals: dict[str, int] = {}
    for counts in class_by_source.values():
        for source, n in counts.items():
            totals[source] = totals.get(source, 0) + n
    order = sorted(totals, key=lambda source: -totals[source])
    colors = {source: plots.COLORS[i % len(plots.COLORS)] for i, source in enumerate(order)}
    rows = []
    for name, counts in class_by_source.items():
        n = sum(counts.values())
        parts = [
            {"source": s, "n": counts[s], "share": counts[s] / n, "color": colors[s]}
            for s in order
            if counts.get(s)
        ]
        rows.append({"name": name, "n": n, "parts": parts})
    return {"sources": colors, "rows": rows}


def galleries(pictures: Mapping[str, bytes]) -> dict[str, list[dict[str, str]]]:
    """Returns address and words of each picture, by the section it stands in.

    Args:
      pictures: as `write_audit` takes them.

    Raises:
      ValueError: if a picture is no PNG file.
    """
    found: dict[str, list[dict[str, str]]] = {name: [] for name in GALLERIES}
    for name, content in pictures.items():
        if not content.startswith(PNG_SIGNATURE):
            raise ValueError(f"picture {name}: expected a PNG file. Received: {content[:8]!r}.")
        section, stroke, caption = name.partition("/")
        if not stroke or section not in GALLERIES:
            section, caption = "other", name
        found[section].append({"address": png_address(content), "words": caption})
    return found
