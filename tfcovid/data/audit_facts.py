"""What an audit counts: images and patients by class and origin, copies, odd files."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, UnidentifiedImageError

from tfcovid.data.copies.search import How
from tfcovid.data.image_files import FORMATS
from tfcovid.data.sources.reading import BROKEN, Category

EXAMPLES = 8
MOST_PAIRS = 200
EXTREME_ASPECT = 2.0
# A gray film saved as colour has equal channels up to what JPEG's chroma rounds; an arrow or a
# frame in colour differs far more, in more than a few pixels.
COLOUR_LEVELS, COLOUR_SHARE = 40, 0.0005
COLOUR_CHECK_PX = 512
AGE_EDGES = (0, 6, 18, 40, 60, 75, 131)
AGE_NAMES = ("0-5", "6-17", "18-39", "40-59", "60-74", "75+")
UNKNOWN = "unknown"


def count_by(values: pd.Series, groups: pd.Series) -> dict[str, dict[str, int]]:
    """Returns images and groups of patients for each value, the most frequent first."""
    named = values.astype(object).where(values.notna(), UNKNOWN)
    return {
        str(value): {"images": int(count), "patients": int(groups[named == value].nunique())}
        for value, count in named.value_counts().items()
    }


def age_groups(ages: pd.Series) -> pd.Series:
    """Returns the age group of each image, missing where the age is."""
    return pd.cut(ages, AGE_EDGES, right=False, labels=AGE_NAMES).astype(object)


def class_by_source(frame: pd.DataFrame, classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Returns the images of each class by source."""
    return {
        name: {
            str(source): int(count)
            for source, count in frame.loc[frame["label"] == name, "source"].value_counts().items()
        }
        for name in classes
    }


def rejected_examples(rejected: pd.DataFrame) -> dict[str, list[dict[Any, Any]]]:
    """Returns the first few rejected images of each category."""
    return {
        str(category): part[["image", "path", "reason"]].head(EXAMPLES).to_dict("records")
        for category, part in rejected.groupby("category", sort=False)
    }


def describe_copies(
    pairs: pd.DataFrame, frame: pd.DataFrame, *, several_sets: bool
) -> dict[str, Any]:
    """Returns how many pairs of copies there are, and the list of them, the surest first.

    Args:
      pairs: what `find_copies` found, by position.
      frame: the manifest that was searched, columns image, path, source, width and height.
      several_sets: whether it is of several data sets, each below a folder of its own.
    """
    images, sources = frame["image"].to_numpy(), frame["source"].fillna(UNKNOWN).to_numpy()
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    # As merging keeps them: the largest, among equals the first.
    pixels = (frame["width"] * frame["height"]).to_numpy(np.int64)
    larger = pixels[second] > pixels[first]
    first, second = np.where(larger, second, first), np.where(larger, first, second)
    folders = frame["path"].str.split("/").str[0].to_numpy()
    across = (folders[first] != folders[second]) & several_sets
    order = np.argsort(-pairs["correlation"].to_numpy(), kind="stable")[:MOST_PAIRS]
    return {
        "exact": int((pairs["how"] == How.SAME_BYTES).sum()),
        "same_picture": int((pairs["how"] == How.SAME_PICTURE).sum()),
        "look_alike": int((pairs["how"] == How.LOOK_ALIKE).sum()),
        "near": int((pairs["how"] != How.SAME_BYTES).sum()),
        "across_sources": int(across.sum()),
        "pairs": [
            {
                "kept": str(images[first[i]]),
                "copy": str(images[second[i]]),
                "how": str(pairs["how"].iloc[i]),
                "correlation": round(float(pairs["correlation"].iloc[i]), 4),
                "sources": f"{sources[first[i]]}, {sources[second[i]]}",
            }
            for i in order
        ],
    }


def odd_files(
    frame: pd.DataFrame, rejected: pd.DataFrame, colour: int | None
) -> dict[str, int | None]:
    """Returns how many images there are of each kind that wants a look; None is not known."""
    counts = rejected["category"].value_counts()
    aspect = frame["width"].astype(float) / frame["height"].astype(float)
    extreme = (aspect > EXTREME_ASPECT) | (aspect < 1 / EXTREME_ASPECT)
    return {
        "non_frontal": int(counts.get(Category.LATERAL, 0)),
        "ct": int(counts.get(Category.NOT_XRAY, 0)),
        "colour_annotated": colour,
        "extreme_aspect": int(extreme.sum()),
        "bad": int(counts.get(Category.BAD_FILE, 0)),
    }


def is_colour_annotated(path: str) -> bool:
    """Returns whether a file that is saved in colour shows colour, as an arrow or a frame does."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            image.thumbnail((COLOUR_CHECK_PX, COLOUR_CHECK_PX))
            pixels = np.asarray(image.convert("RGB")).astype(np.int16)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return False
    spread = pixels.max(axis=2) - pixels.min(axis=2)
    return bool((spread > COLOUR_LEVELS).mean() > COLOUR_SHARE)


def verdict(audit: Mapping[str, Any]) -> list[str]:
    """Returns what a person must know of the data, in plain sentences, the worst first."""
    lines = [f"LEAK: {line}" for line in audit["leaks"]]
    lines += [note for note in audit["notes"] if note.startswith("CLASS EQUALS SOURCE")]
    lines += [found["sentence"] for found in audit["shortcuts"] if found["beats_chance"]]
    copies = audit["copies"]
    if copies["exact"] + copies["near"]:
        lines.append(
            f"{copies['exact'] + copies['near']} pairs of images are copies or look-alikes, "
            f"{copies['across_sources']} of them across data sets: training keeps one of each "
            "picture, and no split parts what hangs together."
        )
    differ = audit["rejected"].get(str(Category.LABELS_DIFFER), 0)
    if differ:
        lines.append(
            f"LABELS DIFFER: {differ} images are copies of one picture with different labels; "
            "training leaves all of them out."
        )
    broken = {name: audit["rejected"].get(str(name), 0) for name in BROKEN}
    if sum(broken.values()):
        named = ", ".join(f"{count} {name}" for name, count in broken.items() if count)
        lines.append(f"Images that the data set lists and cannot be read: {named}.")
    return lines or ["No leak, no shortcut that beats chance, no copy, no broken file was found."]
