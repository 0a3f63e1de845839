"""A made-up audit for the tests of its page, and small pictures for it."""

import io
from typing import Any

import numpy as np
from PIL import Image

CLASSES = ("Normal", "Pneumonia", "COVID-19")
EVIL = "<script>alert(1)</script>.png"


def picture(seed: int = 0, size: tuple[int, int] = (96, 192)) -> bytes:
    """Returns a small PNG file of noise."""
    pixels = np.random.default_rng(seed).normal(110, 30, size).clip(0, 255).astype(np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, format="PNG")
    return written.getvalue()


def pictures() -> dict[str, bytes]:
    return {
        "class/Normal: two of 1,576 images": picture(0),
        "class/COVID-19: two of 466 images": picture(1),
        "shortcut/upper left corner, COVID-19 above, the others below": picture(2),
        f"copy/{EVIL} beside its copy": picture(3),
        "sizes of all images": picture(4),
    }


def shortcut(sees: str, reached: float, *, beats: bool, away: str | None = None) -> dict[str, Any]:
    verb = "SHORTCUT: " if beats else ""
    return {
        "name": sees.replace(" ", "_"),
        "sees": sees,
        "balanced_accuracy": reached,
        "interval": {
            "low": reached - 0.03,
            "high": min(1.0, reached + 0.03),
            "level": 1 - 0.05 / 7,
            "method": "bootstrap of patients within classes",
        },
        "chance": 1 / 3,
        "beats_chance": beats,
        "class_given_away": away,
        "sentence": f"{verb}{sees} reaches {reached:.2f}, where guessing gives 0.33.",
    }


def audit() -> dict[str, Any]:
    """Returns the content of an audit.json of two sources."""
    return {
        "command": "python -m tfcovid.audit --data=coronahack,ieee8023 --out=audit",
        "data": [
            {"kind": "coronahack", "folder": "data/coronahack"},
            {"kind": "ieee8023", "folder": "data/covid_chestxray"},
        ],
        "task": "multiclass",
        "classes": list(CLASSES),
        "n_images": 6413,
        "n_patients": 3215,
        "n_groups": 3190,
        "verdict": [
            "Class equals source: 466 of 466 COVID-19 images come from ieee8023.",
            "The file format alone tells COVID-19 from the other classes.",
            "67 images are in both data sets; one copy of each is kept.",
        ],
        "counts": {
            "class": {
                "Normal": {"images": 1576, "patients": 1201},
                "Pneumonia": {"images": 4371, "patients": 1700},
                "COVID-19": {"images": 466, "patients": 289},
            },
            "source": {
                "kermany": {"images": 5840, "patients": 2790},
                "ieee8023": {"images": 573, "patients": 400},
            },
            "split": {},
            "view": {
                "unknown": {"images": 5840, "patients": 2790},
                "PA": {"images": 573, "patients": 400},
            },
            "sex": {"F": {"images": 200, "patients": 141}, "M": {"images": 310, "patients": 220}},
            "age": {"40-59": {"images": 230, "patients": 150}},
        },
        "class_by_source": {
            "Normal": {"kermany": 1557, "ieee8023": 19},
            "Pneumonia": {"kermany": 4283, "ieee8023": 88},
            "COVID-19": {"ieee8023": 466},
        },
        "rejected": {"missing_file": 3, "ct": 84, "not_listed": 13},
        "rejected_examples": {
            "missing_file": [
                {"image": EVIL, "path": f"train/{EVIL}", "reason": "missing file"},
                {"image": "gone.jpeg", "path": "train/gone.jpeg", "reason": "missing file"},
                {"image": "away.png", "path": None, "reason": "missing file"},
            ],
            "ct": [{"image": "a.png", "path": "images/a.png", "reason": "modality is CT"}],
        },
        "copies": {
            "exact": 32,
            "near": 41,
            "across_sources": 67,
            "pairs": [
                {
                    "kept": "images/16660_2_1.jpg",
                    "copy": "train/16660_2_1.jpg",
                    "how": "resized",
                    "correlation": 0.9987,
                    "sources": ["ieee8023", "coronahack"],
                },
                {
                    "kept": "train/a.jpeg",
                    "copy": f"train/{EVIL}",
                    "how": "same bytes",
                    "correlation": None,
                    "sources": ["coronahack"],
                },
            ],
        },
        "leaks": ["virus 447 is in train (3 images) and in test (1 image)"],
        "files": {
            "non_frontal": 48,
            "ct": 84,
            "colour_annotated": 5,
            "extreme_aspect": 2,
            "bad": 0,
        },
        "declared": {"kermany": "children aged 1 to 5, one hospital in Guangzhou"},
        "shortcuts": [
            shortcut("the file format", 0.66, beats=True, away="COVID-19"),
            shortcut("the colour mode of the file", 0.34, beats=False),
            shortcut("the outermost pixels and the corners", 0.78, beats=True, away="COVID-19"),
            {
                **shortcut("the ratio of width to height", 0.5, beats=False),
                "balanced_accuracy": None,
                "interval": None,
                "sentence": "Not enough patients.",
            },
        ],
        "associations": [
            {
                "with": "source",
                "cramers_v": 0.912,
                "interval": {"low": 0.88, "high": 0.94, "level": 0.95, "method": "inverted"},
                "p_value": 0.0001,
                "n_patients": 3190,
                "sentence": "Class and source go together almost completely.",
            },
            {
                "with": "sex",
                "cramers_v": None,
                "interval": None,
                "p_value": None,
                "n_patients": 0,
                "sentence": "Class and sex: not known for any patient.",
            },
        ],
        "notes": ["2,790 patients of kermany are guessed from file names."],
    }
