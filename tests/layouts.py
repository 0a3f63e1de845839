"""The small synthetic data in the layouts that presets of other data sets read."""

import os
import pathlib

import pandas as pd

from flags.preset_files import preset_values
from tests.nih_tree import write_nih_tree

RADIOGRAPHY = {
    "Normal": "Normal",
    "bacteria": "Lung_Opacity",
    "Virus": "Viral Pneumonia",
    "COVID-19": "COVID",
}
"""The class folders of the Radiography Database by what CoronaHack's table says; drawn opacities
of bacteria stand for a lung opacity."""


def as_radiography(small_data: pathlib.Path, root: pathlib.Path) -> pathlib.Path:
    """Writes class folders with images/ and masks/, patients unknown."""
    for row in films(small_data).itertuples():
        link(row.file, root / RADIOGRAPHY[row.kind] / "images" / row.file.name)
    return root


def as_ct_slices(small_data: pathlib.Path, root: pathlib.Path) -> pathlib.Path:
    """Writes CLASS/PATIENT/*; the films of a patient stand for slices."""
    for row in films(small_data).itertuples():
        kind = {"Normal": "Normal", "COVID-19": "COVID-19"}.get(row.kind, "Pneumonia")
        link(row.file, root / kind / row.patient_id / row.file.name)
    return root


def films(small_data: pathlib.Path) -> pd.DataFrame:
    """Returns file, kind (Normal, bacteria, Virus, COVID-19) and patient_id of each film."""
    table = pd.read_csv(small_data / "Chest_xray_Corona_Metadata.csv")
    patients = pd.read_csv(small_data / "patients.csv").set_index("image")["patient_id"]
    files = {path.name: path for path in small_data.rglob("*.*") if path.suffix != ".csv"}
    virus = table["Label_1_Virus_category"].fillna("Normal")
    covid = table["Label_2_Virus_category"] == "COVID-19"
    return pd.DataFrame(
        {
            "file": table["X_ray_image_name"].map(files),
            "kind": virus.mask(covid, "COVID-19"),
            "patient_id": table["X_ray_image_name"].map(patients),
        }
    ).dropna()


def link(file: pathlib.Path, target: pathlib.Path) -> None:
    """Puts a file there too, without a copy of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    os.link(file, target)


LAYOUTS = {
    "coronahack": lambda small_data, root: small_data,
    "radiography": as_radiography,
    "ct_slices": as_ct_slices,
    "nih14": lambda small_data, root: write_nih_tree(root),
}
"""What makes a small data set of a kind from the small synthetic data."""


def data_of(preset: str, small_data: pathlib.Path, root: pathlib.Path) -> pathlib.Path:
    """Returns the folder of a small data set of the kind that a preset reads."""
    return LAYOUTS[preset_values(preset)["data"]](small_data, root)
