"""How every page is made: one file a page, everything escaped, nothing missing left blank."""

import base64
import pathlib
from collections.abc import Callable
from typing import Any

import jinja2

from tfcovid.report import words
from tfcovid.report.interval_words import interval_legend

DASH = "\u2013"


def page_template(name: str, **filters: Callable[..., Any]) -> jinja2.Template:
    """Returns a template of this folder with the filters that all pages share.

    Args:
      name: of the template's file.
      filters: further ones of this page, by name.
    """
    engine = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    engine.filters |= {
        "number": words.number,
        "interval": lambda found: words.interval(found, dash=DASH),
        "counted": words.counted,
        "spoken": lambda text: str(text).replace("_", " "),
        **filters,
    }
    engine.globals |= {"words": words, "interval_legend": interval_legend}
    return engine.get_template(name)


def png_address(png: bytes) -> str:
    """Returns a PNG file as an address that stands inside the page."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
