"""The rows of both tables of exports: on the page and on the terminal."""

from collections.abc import Mapping
from typing import Any

from tfcovid.report.words import number

NETWORK = "the network itself"
UNITS = ("bytes", "kB", "MB", "GB")


def size_words(n_bytes: int) -> str:
    """Returns a size in the largest unit, of thousands, that leaves at least 1."""
    size, unit = float(n_bytes), UNITS[0]
    for larger in UNITS[1:]:
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{n_bytes} {unit}" if unit == UNITS[0] else f"{size:.3g} {unit}"


def difference_words(value: float) -> str:
    """Returns a difference of probabilities with two digits that count."""
    return "0" if value == 0 else f"{value:.1e}"


def export_rows(content: Mapping[str, Any]) -> list[dict[str, str]]:
    """Returns a row for the network and one for each export that was written.

    Args:
      content: of parity.json.

    Returns:
      name, precision, size, largest, mean, changed, balanced_accuracy, p50, p99, per_second of
      each, as text. The speed of an export of an earlier call is that of then.
    """
    network = content["network"]
    first = {
        "name": NETWORK,
        "precision": "Keras, float32",
        "size": size_words(network["bytes"]),
        "largest": "",
        "mean": "",
        "changed": "",
        "balanced_accuracy": number(network["balanced_accuracy"], 3),
        **_speed(network["speed"]),
    }
    return [
        first,
        *(
            {
                "name": entry["file"],
                "precision": entry["precision"],
                "size": size_words(entry["bytes"]),
                "largest": difference_words(entry["largest_difference"]),
                "mean": difference_words(entry["mean_difference"]),
                "changed": str(len(entry["decisions_changed"])),
                "balanced_accuracy": number(entry["balanced_accuracy"], 3),
                **_speed(entry["speed"]),
            }
            for entry in written(content)
        ),
    ]


def written(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Returns the entries of the files that are there."""
    return [entry for entry in content["exports"] if "refused" not in entry]


def refused(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Returns the entries of the files that are not."""
    return [entry for entry in content["exports"] if "refused" in entry]


def summary(content: Mapping[str, Any]) -> str:
    """Returns what the table says, in a sentence."""
    n, of = content["images"]["n_images"], content["images"]["split"]
    there, missing = len(written(content)), len(refused(content))
    changed = sum(bool(entry["decisions_changed"]) for entry in written(content))
    text = f"{there} of {there + missing} exports written"
    if there and not changed:
        return f"{text}; each decides all {n} {of} images as the network does"
    if changed:
        verb = "decides" if changed == 1 else "decide"
        return f"{text}; {changed} of them {verb} some of the {n} {of} images otherwise"
    return text


def _speed(speed: Mapping[str, Any]) -> dict[str, str]:
    return {
        "p50": number(speed["latency_ms"]["p50"]),
        "p99": number(speed["latency_ms"]["p99"]),
        "per_second": f"{speed['images_per_second']:,.0f}",
    }
