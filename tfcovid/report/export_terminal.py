"""What an export prints last: each file beside the network, and where the files are."""

import pathlib
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from tfcovid.report.export_rows import export_rows, summary, written
from tfcovid.report.terminal import heading, print_files, show, table

# Of the images decided otherwise so many are named; parity.json has them all.
SHOWN = 5


def print_exports(console: Console, content: Mapping[str, Any], folder: pathlib.Path) -> None:
    """Prints the result of an export.

    Args:
      console: where to.
      content: of parity.json.
      folder: where the files are.
    """
    images = content["images"]
    heading(console, f"Beside the network on the {images['n_images']} images of {images['split']}")
    rows = table("", "size", "off by", "changed", "bal.acc.", "p50 ms", "p99 ms", "img/s")
    for row in export_rows(content):
        names = ("size", "largest", "changed", "balanced_accuracy", "p50", "p99", "per_second")
        rows.add_row(Text(row["name"], "bold"), *(Text(row[name]) for name in names))
    show(console, rows)
    show(
        console,
        Text(
            "off by: largest difference of a probability; changed: images decided otherwise; p50, "
            f"p99: one image; img/s: a batch of {content['network']['speed']['batch']}; "
            f"{content['threads']} threads",
            "dim",
        ),
    )
    for entry in written(content):
        for one in entry["decisions_changed"][:SHOWN]:
            line = f"{entry['file']}: {one['image']} is {one['export']}, was {one['network']}"
            show(console, Text(line, "yellow"))
        if (left := len(entry["decisions_changed"]) - SHOWN) > 0:
            show(console, Text(f"{entry['file']}: and {left} more, in parity.json", "yellow"))
    show(console, Text(summary(content), "bold"))
    files = {pathlib.PurePath(entry["file"]).stem: entry["file"] for entry in written(content)}
    named = {"page": "parity.html", "figures": "parity.json", **files}
    print_files(console, {name: str(folder / file) for name, file in named.items()})
