import pathlib

import pandas as pd
import pytest

from tests.data.sources.coronahack_tree import COLUMNS, CSV, FOLDER, ROWS, write_coronahack
from tfcovid.data.sources.coronahack import read, recognise
from tfcovid.data.sources.reading import ROW_COLUMNS

SHARED = pathlib.Path(__file__).parents[3] / "../shared/data"
needs_real_data = pytest.mark.skipif(
    not (SHARED / "coronahack").is_dir(), reason="needs the real X-rays in ../shared/data"
)


def _by_image(reading):
    return reading.rows.set_index("image")


def _note(reading, start):
    (note,) = [note for note in reading.notes if note.startswith(start)]
    return note


def test_recognised_by_its_table(tmp_path):
    assert not recognise(tmp_path)
    assert recognise(write_coronahack(tmp_path))


@pytest.mark.parametrize("levels", [1, 2])
def test_images_are_found_at_both_folder_levels(tmp_path, levels):
    reading = read(write_coronahack(tmp_path, levels=levels))
    assert tuple(reading.rows.columns) == ROW_COLUMNS
    assert reading.rows["image"].tolist() == [row[0] for row in ROWS]
    path = _by_image(reading).loc["fig-day1.jpg", "path"]
    assert path == "/".join([FOLDER] * levels) + "/train/fig-day1.jpg"
    assert all((reading.root / path).is_file() for path in reading.rows["path"])
    assert reading.rejected.empty


def test_findings_sources_and_official_split_are_those_of_the_table(tmp_path):
    rows = _by_image(read(write_coronahack(tmp_path)))
    assert rows["finding"].tolist() == [
        *("Normal", "Normal", "Viral", "Bacterial"),
        *("COVID-19", "COVID-19", "COVID-19", "SARS", "Streptococcus", "ARDS"),
    ]
    assert rows["source"].tolist() == ["kermany"] * 4 + ["ieee8023"] * 6
    assert rows["official_split"].tolist() == [row[2] for row in ROWS]
    assert rows[["view", "sex", "age"]].isna().all(axis=None)


def test_one_number_under_two_prefixes_is_two_patients(tmp_path):
    rows = _by_image(read(write_coronahack(tmp_path)))
    assert rows.loc["person447_virus_921_1.jpeg", "patient_id"] == "kermany:virus-447"
    assert rows.loc["person447_bacteria_1935.jpeg", "patient_id"] == "kermany:bacteria-447"


def test_table_decides_and_missing_files_are_listed(tmp_path):
    root = write_coronahack(tmp_path, missing=["sars.jpeg", "fig-day2.jpg"])
    (root / FOLDER / FOLDER / "train" / "ct.png").write_bytes(b"not listed")
    reading = read(root)
    assert "ct.png" not in set(reading.rows["image"])
    missing = reading.rejected[reading.rejected["category"] == "missing file"]
    assert missing["image"].tolist() == ["fig-day2.jpg", "sars.jpeg"]
    unlisted = reading.rejected[reading.rejected["category"] == "not listed"]
    assert unlisted["path"].tolist() == [f"{FOLDER}/{FOLDER}/train/ct.png"]
    assert "2 of 10 listed images are missing: fig-day2.jpg, sars.jpeg." in reading.notes
    assert f"1 files that {CSV} does not list are left out." in reading.notes


def test_file_in_the_wrong_folder_is_missing(tmp_path):
    root = write_coronahack(tmp_path)
    train = root / FOLDER / FOLDER / "train"
    (train / "sars.jpeg").rename(train.parent / "test" / "sars.jpeg")
    rejected = read(root).rejected
    assert rejected["category"].tolist() == ["missing file", "not listed"]
    assert rejected["path"].tolist() == [
        f"{FOLDER}/{FOLDER}/train/sars.jpeg",
        f"{FOLDER}/{FOLDER}/test/sars.jpeg",
    ]


def test_same_name_in_train_and_test_gets_its_folder_before_it(tmp_path):
    rows = [*ROWS, ("IM-0128-0001.jpeg", "Normal", "TEST", None, None)]
    images = read(write_coronahack(tmp_path, rows)).rows["image"]
    assert images.iloc[0] == "train/IM-0128-0001.jpeg"
    assert images.iloc[-1] == "test/IM-0128-0001.jpeg"


def test_patients_without_a_table_are_guessed_and_counted(tmp_path):
    reading = read(write_coronahack(tmp_path))
    rows = _by_image(reading)
    assert rows.loc["fig-day1.jpg", "patient_id"] == "ieee8023:guessed:fig"
    assert rows.loc["fig-day2.jpg", "patient_id"] == "ieee8023:guessed:fig"
    assert "4 by the person number" in _note(reading, "Patients")
    assert "6 guessed from their name, as 5 patients" in _note(reading, "Patients")


def test_patients_table_beside_the_csv_is_used_by_itself(tmp_path):
    root = write_coronahack(tmp_path)
    (root / "patients.csv").write_text(
        "image,patient_id,view,sex,age\nfig-day1.jpg,A,PA,F,61\nlateral.png,A,L,F,61\n"
    )
    reading = read(root)
    rows = _by_image(reading)
    assert rows.loc["fig-day1.jpg", "patient_id"] == "ieee8023:A"
    assert rows.loc["lateral.png", "patient_id":].tolist() == [
        "ieee8023:A",
        *("ieee8023", "L", "F"),
        61,
    ]
    assert "2 images by patients.csv" in _note(reading, "Patients")
    assert "4 guessed" in _note(reading, "Patients")


def test_patients_argument_goes_before_the_table_beside_the_csv(tmp_path):
    root = write_coronahack(tmp_path / "data")
    (root / "patients.csv").write_text("image,patient_id\nsars.jpeg,beside\n")
    (tmp_path / "metadata.csv").write_text("patientid,filename\ngiven,sars.jpeg\n")
    rows = _by_image(read(root, patients=tmp_path / "metadata.csv"))
    assert rows.loc["sars.jpeg", "patient_id"] == "ieee8023:given"


def test_patients_table_can_name_the_source_and_know_kermany_better(tmp_path):
    root = write_coronahack(tmp_path)
    (root / "patients.csv").write_text(
        "image,patient_id,source\n" + "".join(f"{row[0]},S1,synthetic\n" for row in ROWS)
    )
    reading = read(root)
    assert set(reading.rows["source"]) == {"synthetic"}
    assert set(reading.rows["patient_id"]) == {"synthetic:S1"}
    assert not any("1 to 5 years" in note for note in reading.notes)


def test_patients_table_of_other_images_is_refused(tmp_path):
    root = write_coronahack(tmp_path)
    (root / "patients.csv").write_text("image,patient_id\nother.png,1\n")
    with pytest.raises(ValueError, match=r"patients\.csv: expected the patients of CoronaHack"):
        read(root)


@pytest.mark.parametrize("column", COLUMNS)
def test_absent_column_is_named(tmp_path, column):
    root = write_coronahack(tmp_path)
    pd.read_csv(root / CSV).drop(columns=column).to_csv(root / CSV, index=False)
    with pytest.raises(ValueError, match=f"{CSV}: expected the column {column}\\."):
        read(root)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("Label", "Pneumonia", "expected one of Normal, Pnemonia. Received: Pneumonia"),
        ("Label", "", r"Received: \(empty\)"),
        ("Dataset_type", "train", "expected one of TRAIN, TEST. Received: train"),
        ("Label_1_Virus_category", "Bacteria", r"one of \(empty\), bacteria, Virus"),
        ("Label_2_Virus_category", "MERS", r"one of \(empty\), COVID-19, SARS, Strepto"),
        ("X_ray_image_name", "../secret.png", "expected a file name without a folder"),
        ("X_ray_image_name", "..", "expected a file name without a folder"),
        ("X_ray_image_name", "", r"expected a file name.*Received: \(empty\)"),
    ],
)
def test_unknown_value_names_column_row_and_the_allowed_ones(tmp_path, column, value, message):
    root = write_coronahack(tmp_path)
    table = pd.read_csv(root / CSV, dtype="str")
    table.loc[2, column] = value
    table.to_csv(root / CSV, index=False)
    with pytest.raises(ValueError, match=f"column {column}, row 3: .*{message}"):
        read(root)


@pytest.mark.parametrize(
    "labels",
    [
        ("Normal", "TRAIN", "COVID-19", "Virus"),
        ("Pnemonia", "TRAIN", None, None),
        ("Pnemonia", "TRAIN", "COVID-19", "bacteria"),
    ],
)
def test_labels_that_contradict_one_another_are_refused(tmp_path, labels):
    root = write_coronahack(tmp_path, [*ROWS, ("x.png", *labels)])
    with pytest.raises(ValueError, match=r"row 11: .* contradict one another"):
        read(root)


def test_file_listed_twice_is_refused(tmp_path):
    root = write_coronahack(tmp_path, [*ROWS, ROWS[0]])
    with pytest.raises(ValueError, match=r"row 11 lists IM-0128-0001\.jpeg a second time"):
        read(root)


def test_absent_folders_and_images_are_named(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        read(tmp_path / "absent")
    with pytest.raises(ValueError, match=f"{CSV}: expected a CSV file, cannot open it"):
        read(tmp_path)
    root = write_coronahack(tmp_path, missing=[row[0] for row in ROWS])
    with pytest.raises(ValueError, match="none of the 10 is there"):
        read(root)
    (root / FOLDER).rename(root / "elsewhere")
    with pytest.raises(ValueError, match=r"expected the folders train/ and test/"):
        read(root)


@needs_real_data
def test_first_release_has_the_published_counts_and_three_missing_files():
    reading = read(SHARED / "coronahack")
    assert reading.rows.groupby(["official_split", "finding"]).size().to_dict() == {
        ("TRAIN", "Normal"): 1342,
        ("TRAIN", "Bacterial"): 2530,
        ("TRAIN", "Streptococcus"): 5,
        ("TRAIN", "Viral"): 1345,
        ("TRAIN", "COVID-19"): 55,
        ("TRAIN", "SARS"): 4,
        ("TRAIN", "ARDS"): 2,
        ("TEST", "Normal"): 234,
        ("TEST", "Bacterial"): 242,
        ("TEST", "Viral"): 148,
    }
    assert reading.rows["source"].value_counts().to_dict() == {"kermany": 5840, "ieee8023": 67}
    assert set(reading.rejected["image"]) == {
        "E1724330-1866-4581-8CD8-CEC9B8AFEDDE.jpeg",
        "7E335538-2F86-424E-A0AB-6397783A38D0.jpeg",
        "2C10A413-AABE-4807-8CCE-6A2025594067.jpeg",
    }


@needs_real_data
def test_no_patient_of_the_first_release_is_in_train_and_test():
    rows = read(SHARED / "coronahack").rows
    assert rows.groupby("patient_id")["official_split"].nunique().max() == 1
    assert rows.groupby("patient_id").size().max() == 30


@needs_real_data
def test_guessed_patients_join_no_two_and_tear_seven_of_the_true_ones():
    guess = read(SHARED / "coronahack").rows
    truth = read(SHARED / "coronahack", patients=SHARED / "covid_chestxray/metadata.csv").rows
    covid = guess["finding"] == "COVID-19"
    guessed, true = guess["patient_id"][covid], truth["patient_id"][covid]
    assert (guessed.nunique(), true.nunique()) == (46, 36)
    assert true.groupby(guessed).nunique().max() == 1
    assert guessed.groupby(true).nunique().ge(2).sum() == 7
    assert (truth["view"][covid] == "L").sum() == 4
