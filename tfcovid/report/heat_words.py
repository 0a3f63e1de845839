"""What the share of heat inside the lungs' box says, in words and rows."""

from collections.abc import Mapping
from typing import Any

from tfcovid.report.words import interval, number

METHOD_NAMES = {"layer_cam": "LayerCAM", "hires_cam": "HiResCAM", "grad_cam": "Grad-CAM"}

MEANING = (
    "A heat map shows where on the image the evidence for a class lies, as coarsely as the feature "
    "map that it is drawn from, 14 by 14 places at 224 px in most networks; not what the evidence "
    "is, nor whether it is right. A share at the box's own share of the image is what a map that "
    "is the same everywhere has: the network prefers the lungs no more than chance; below it the "
    "evidence is rather elsewhere. A larger share is no proof that it reads disease: the box also "
    "holds heart, spine and tubes, and some architectures smear heat. What the method says of a "
    "network that never saw the lungs is told by a run with --view=border_only. Each map is scaled "
    "to its own largest value, so that colours tell places apart and not images; a share is the "
    "mean over those images of the class, whatever was decided, that have any heat."
)


def heat_rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns a row a class: name, share, interval or None, and the counts of its entry."""
    heat = metrics["heat"]
    return [
        {"name": name, "interval": heat["intervals"].get(name), **entry}
        for name, entry in heat["per_class"].items()
    ]


def heat_sentence(metrics: Mapping[str, Any]) -> str:
    """Returns the shares in one sentence; "" of metrics without heat maps."""
    if "heat" not in metrics:
        return ""
    shares = ", ".join(
        f"{row['name']} {number(row['share'])}"
        + (f" ({interval(row['interval'])})" if row["interval"] else "")
        for row in heat_rows(metrics)
    )
    box = number(metrics["heat"]["box_share_of_image"])
    return f"Heat inside the lungs' box, which is {box} of the image: {shares}."
