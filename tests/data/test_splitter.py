"""Every image that is in no split is listed with the reason that is true of it."""

import pandas as pd
import pytest

from tests.data.images import encode, smooth
from tfcovid.data.dataset import load_dataset
from tfcovid.data.manifest import write_csv
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.sources.reading import ROW_COLUMNS, Reading, no_rejected
from tfcovid.data.splitter import splitter
from tfcovid.data.tasks import TASK_LABELS

TASK = TASK_LABELS["multiclass"]
SOURCES, PATIENTS = ("east", "west"), 4


@pytest.fixture
def reading(tmp_path):
    """Two sources with every class; a patient of the one, Normal, has an image in the other."""
    rows = [
        {"finding": finding, "source": source, "patient_id": f"{source}-{finding}-{patient}"}
        for source in SOURCES
        for finding in ("Normal", "Bacterial", "COVID-19")
        for patient in range(PATIENTS)
    ]
    rows[-1]["patient_id"] = rows[0]["patient_id"]
    for seed, row in enumerate(rows):
        row["image"] = row["path"] = f"{seed}.png"
        (tmp_path / row["path"]).write_bytes(encode(smooth(96, 96, seed=seed), "PNG"))
    table = pd.DataFrame(rows).reindex(columns=ROW_COLUMNS)
    table = table.astype({name: "string" for name in ROW_COLUMNS if name != "age"})
    table["age"] = table["age"].astype(float)
    return Reading(rows=table, rejected=no_rejected(), notes=(), root=tmp_path)


def loaded(reading, split, **options):
    assign = splitter(
        split,
        TASK,
        **{
            "manifest_file": None,
            "test_fraction": 0.25,
            "validation_fraction": 0.25,
            "folds": 2,
            "fold": 0,
            "held_out_source": None,
            "seed": 0,
        }
        | options,
    )
    return load_dataset(
        reading,
        TASK,
        assign_split=assign,
        preprocessing=Preprocessing(image_size=16),
        cache="memory",
        cache_budget_mib=16,
        cache_dir=reading.root / "cache",
        on_bad_image="fail",
        max_set_aside=0.0,
        max_pixels=10_000,
        num_parallel_calls=1,
    )


def reasons(dataset):
    return dataset.rejected.set_index("image")["reason"].to_dict()


def set_aside(dataset):
    return [note for note in dataset.notes if "images set aside" in note]


def test_image_tied_to_the_held_out_source_is_listed_as_that(reading):
    dataset = loaded(reading, "leave_one_source_out", held_out_source="west")
    why = "shares a patient or a picture with --held_out_source"
    assert reasons(dataset) == {"0.png": why}
    assert set_aside(dataset) == [f"1 images set aside: {why}."]


def test_image_that_the_manifest_lacks_is_listed_as_that_also_if_a_source_was_held_out(reading):
    held_out = loaded(reading, "leave_one_source_out", held_out_source="west")
    path = reading.root / "manifest.csv"
    write_csv(held_out.frame[held_out.frame["image"] != "1.png"], path)
    dataset = loaded(reading, "patient", manifest_file=path)
    assert reasons(dataset) == dict.fromkeys(("0.png", "1.png"), "not in --manifest")
    assert set_aside(dataset) == ["2 images set aside: not in --manifest."]


def test_a_split_by_patient_leaves_no_image_out(reading):
    dataset = loaded(reading, "patient")
    assert reasons(dataset) == {}
    assert set_aside(dataset) == []
