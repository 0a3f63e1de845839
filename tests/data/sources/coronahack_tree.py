"""Writes small trees in CoronaHack's published layout."""

import pathlib

import numpy as np
import pandas as pd
from PIL import Image

FOLDER = "Coronahack-Chest-XRay-Dataset"
CSV = "Chest_xray_Corona_Metadata.csv"

# name, Label, Dataset_type, Label_2_Virus_category, Label_1_Virus_category
ROWS = [
    ("IM-0128-0001.jpeg", "Normal", "TRAIN", None, None),
    ("NORMAL2-IM-0012-0001.jpeg", "Normal", "TEST", None, None),
    ("person447_virus_921_1.jpeg", "Pnemonia", "TRAIN", None, "Virus"),
    ("person447_bacteria_1935.jpeg", "Pnemonia", "TEST", None, "bacteria"),
    ("fig-day1.jpg", "Pnemonia", "TRAIN", "COVID-19", "Virus"),
    ("fig-day2.jpg", "Pnemonia", "TRAIN", "COVID-19", "Virus"),
    ("lateral.png", "Pnemonia", "TRAIN", "COVID-19", "Virus"),
    ("sars.jpeg", "Pnemonia", "TRAIN", "SARS", "Virus"),
    ("strep.jpg", "Pnemonia", "TRAIN", "Streptococcus", "bacteria"),
    ("ards.jpg", "Pnemonia", "TRAIN", "ARDS", "Stress-Smoking"),
]
COLUMNS = [
    "X_ray_image_name",
    "Label",
    "Dataset_type",
    "Label_2_Virus_category",
    "Label_1_Virus_category",
]


def write_coronahack(root, rows=ROWS, *, levels=2, missing=()) -> pathlib.Path:
    """Writes the table and a small image a row, each with other pixels; returns root."""
    root.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.to_csv(root / CSV, index=True)  # the published table has an unnamed index column
    images = root.joinpath(*[FOLDER] * levels)
    for split in ("train", "test"):
        (images / split).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, _, split, *_ in rows:
        if name not in missing:
            pixels = rng.integers(0, 256, size=(40, 56), dtype=np.uint8)
            Image.fromarray(pixels).save(images / split.lower() / name)
    return root
