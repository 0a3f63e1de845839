"""--manifest: an earlier split is taken whole, or refused with the reason."""

import pandas as pd
import pytest

from tests.conftest import SMALL, train_here


@pytest.fixture
def retrain(finished_run, small_data, tmp_path):
    """Trains on the manifest of the finished run after a change to it."""

    def run(change):
        table = pd.read_csv(finished_run / "manifest.csv", dtype=str, keep_default_na=False)
        change(table).to_csv(tmp_path / "manifest.csv", index=False)
        shown = train_here(
            f"--data_dir={small_data}",
            f"--workdir={tmp_path / 'run'}",
            f"--manifest={tmp_path / 'manifest.csv'}",
            *SMALL,
            "--epochs=1",
        )
        return tmp_path / "run", shown

    return run


def give_a_test_image_a_training_patient(table):
    patient = table.loc[table["split"] == "train", "patient_id"].iloc[0]
    table.loc[table.index[table["split"] == "test"][0], "patient_id"] = patient
    return table


def give_a_test_image_the_bytes_of_a_training_image(table):
    digest = table.loc[table["split"] == "train", "sha256"].iloc[0]
    table.loc[table.index[table["split"] == "test"][0], "sha256"] = digest
    return table


def tear_a_patient_apart(table):
    train = table[(table["split"] == "train") & table["patient_id"].duplicated(keep=False)]
    first = train.index[0]
    table.loc[first, ["split", "patient_id", "group_id"]] = ["test", "new", "new"]
    return table


def edit_a_label(table):
    first = table.index[table["label"] == "Normal"][0]
    table.loc[first, "label"] = "Pneumonia"
    return table


def empty_the_digests(table):
    return table.assign(sha256="")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (give_a_test_image_a_training_patient, "every patient"),
        (give_a_test_image_the_bytes_of_a_training_image, "every copy of a file"),
        (tear_a_patient_apart, "1 patients stand in two splits, as the data has them"),
        (edit_a_label, "another label"),
        (empty_the_digests, "another sha256"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_manifest_that_does_not_fit_the_data_is_refused(retrain, tmp_path, change, expected):
    with pytest.raises(ValueError, match=expected):
        retrain(change)
    assert not (tmp_path / "run").exists()


def test_images_that_the_manifest_lacks_are_listed_and_said(retrain):
    dropped = []

    def drop_some(table):
        train = table.index[table["split"] == "train"]
        dropped.extend(table.loc[train[::7], "image"])
        return table.drop(index=train[::7])

    workdir, shown = retrain(drop_some)
    rejected = pd.read_csv(workdir / "rejected.csv").set_index("image")["reason"]
    assert set(rejected[rejected.str.startswith("not in --manifest")].index) == set(dropped)
    assert f"{len(dropped)} images set aside: not in --manifest" in shown
