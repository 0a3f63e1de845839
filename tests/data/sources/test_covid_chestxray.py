import pathlib

import pandas as pd
import pytest

from tests.data.images import encode, noise
from tests.data.sources.coronahack_tree import write_coronahack
from tfcovid.data.sources import coronahack
from tfcovid.data.sources.covid_chestxray import read, recognise
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.reading import ROW_COLUMNS

SHARED = pathlib.Path(__file__).parents[3] / "../shared/data"
needs_real_data = pytest.mark.skipif(
    not (SHARED / "covid_chestxray").is_dir(), reason="needs the real X-rays in ../shared/data"
)
COLUMNS = ["patientid", "offset", "sex", "age", "finding", "view", "modality", "folder", "filename"]
OPTIONS = SourceOptions()


def _row(file, finding="COVID-19", **cells):
    row = {"patientid": "2", "offset": "0", "sex": "M", "age": "65", "view": "PA"}
    return (
        row
        | {"modality": "X-ray", "folder": "images"}
        | cells
        | {
            "filename": file,
            "finding": finding,
        }
    )


ROWS = [
    _row("a.jpeg"),
    _row("b.png", "No Finding", patientid="4", view="L", sex=None, age=None),
    _row("ct.png", modality="CT", view="Axial", patientid="5"),
    _row("scan.nii.gz", modality="CT", folder="volumes", view="Axial", patientid="5"),
    _row("gone.jpg", "SARS", patientid="6"),
]
ABSENT = ("scan.nii.gz", "gone.jpg")


def _write(root, rows=ROWS, *, absent=ABSENT, extra=()):
    (root / "images").mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=COLUMNS).to_csv(root / "metadata.csv", index=False)
    names = {row["filename"] for row in rows if row["folder"] == "images"} | set(extra)
    for seed, name in enumerate(sorted(names - set(absent))):
        (root / "images" / name).write_bytes(encode(noise(40, 50, seed=seed), "PNG"))
    return root


def _rejected(reading, category):
    part = reading.rejected[reading.rejected["category"] == category]
    return dict(zip(part["image"], part["reason"], strict=True))


def test_recognised_by_the_columns_of_its_table(tmp_path):
    assert not recognise(tmp_path)
    (tmp_path / "metadata.csv").write_text("image,label\n")
    assert not recognise(tmp_path)
    assert recognise(_write(tmp_path))


def test_rows_have_the_cells_of_the_table_and_laterals_stay(tmp_path):
    reading = read(_write(tmp_path), OPTIONS)
    assert tuple(reading.rows.columns) == ROW_COLUMNS
    rows = reading.rows.set_index("image")
    assert rows.loc[
        "a.jpeg", ["finding", "patient_id", "source", "view", "sex", "age"]
    ].tolist() == [
        *("COVID-19", "ieee8023:2", "ieee8023", "PA", "M"),
        65.0,
    ]
    assert rows.loc["b.png", ["finding", "view"]].tolist() == ["Normal", "L"]
    assert rows.loc["b.png", ["sex", "age", "pathologies", "official_split"]].isna().all()
    assert all((reading.root / path).is_file() for path in rows["path"])
    assert "publications" in reading.declared["ieee8023"]


def test_every_row_without_its_file_can_be_counted(tmp_path):
    reading = read(_write(tmp_path), OPTIONS)
    assert _rejected(reading, "no X-ray") == {
        "ct.png": "CT, no X-ray",
        "volumes/scan.nii.gz": "CT, no X-ray; its file is not there either",
    }
    assert _rejected(reading, "missing file") == {"gone.jpg": "missing file"}
    assert reading.notes[:3] == (
        "metadata.csv lists 5 images: 3 X-rays, 2 CT.",
        "2 rows of CT are left out.",
        "2 of the 5 listed files are missing: 1 of CT, 1 of X-rays (gone.jpg).",
    )


def test_files_that_no_row_lists_are_rejected_whatever_they_are(tmp_path):
    root = _write(tmp_path, extra=["new.png", ".hidden.png", "readme.txt", ".DS_Store"])
    assert _rejected(read(root, OPTIONS), "not listed") == {
        "images/.hidden.png": "hidden, by its name",
        "images/new.png": "metadata.csv does not list this file",
        "images/readme.txt": "metadata.csv does not list this file",
    }


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("COVID-19, ARDS", "COVID-19"),
        ("Mycoplasma Bacterial Pneumonia", "Mycoplasma"),
        ("E.Coli", "E. coli"),
        ("Pneumonia/Viral/COVID-19", "COVID-19"),
        ("Pneumonia/Viral/MERS-CoV", "MERS"),
        ("Pneumonia/Bacterial/Nocardia", "Bacterial"),
        ("Pneumonia/Fungal/Aspergillosis", "Pneumonia"),
        ("Pneumonia", "Pneumonia"),
    ],
)
def test_finding_is_the_last_known_part(tmp_path, text, finding):
    reading = read(_write(tmp_path, [_row("a.png", text)]), OPTIONS)
    assert reading.rows["finding"].tolist() == [finding]


def test_unknown_findings_and_ages_are_missing_and_counted(tmp_path):
    rows = [_row(f"{i}.png", text) for i, text in enumerate(["todo", "Unknown", "Hernia", None])]
    reading = read(
        _write(tmp_path, [*rows, _row("a.png", age="old"), _row("b.png", age="650")]), OPTIONS
    )
    assert reading.rows["finding"].isna().sum() == 4
    assert reading.rows["age"].isna().tolist() == [False] * 4 + [True] * 2
    assert (
        "4 X-rays have no known finding: todo 1, Unknown 1, Hernia 1, (empty) 1." in reading.notes
    )
    assert "2 ages are no years and count as unknown: old, 650." in reading.notes


def test_file_of_two_patients_stays_once_and_makes_them_one(tmp_path):
    rows = [
        _row("same.png", patientid="339", age=None),
        _row("other.png", patientid="339"),
        _row("same.png", patientid="285", age="40"),
    ]
    reading = read(_write(tmp_path, rows), OPTIONS)
    assert reading.rows["image"].tolist() == ["same.png", "other.png"]
    assert reading.rows["patient_id"].tolist() == ["ieee8023:285", "ieee8023:285"]
    assert reading.rows["age"].tolist() == [40.0, 65.0]
    assert _rejected(reading, "listed twice") == {
        "same.png": "row 3 lists it again, as patient 285; row 1, as patient 339, stays"
    }
    assert "Patients who share a file count as one, in all their images: 285/339." in reading.notes


def test_file_with_two_findings_has_none(tmp_path):
    reading = read(_write(tmp_path, [_row("a.png"), _row("b.png"), _row("a.png", "SARS")]), OPTIONS)
    assert reading.rows["finding"].isna().tolist() == [True, False]
    assert any("1 files are listed with different findings" in note for note in reading.notes)


def test_patients_are_those_that_coronahack_joins(tmp_path):
    names = ["fig-day1.jpg", "fig-day2.jpg", "sars.jpeg"]
    rows = [_row(names[0], patientid="9"), _row(names[1], patientid="9"), _row(names[2])]
    rows.append(_row(names[2], patientid="10"))
    root = _write(tmp_path / "ieee", rows)
    joined = coronahack.read(
        write_coronahack(tmp_path / "corona"), patients=root / "metadata.csv"
    ).rows.set_index("image")
    here = read(root, OPTIONS).rows.set_index("image")
    assert here["patient_id"].to_dict() == joined.loc[names, "patient_id"].to_dict()


def test_link_out_of_the_folder_is_a_bad_file(tmp_path):
    root = _write(tmp_path / "data", absent=(*ABSENT, "a.jpeg"))
    outside = tmp_path / "secret.png"
    outside.write_bytes(encode(noise(40, 50), "PNG"))
    (root / "images" / "a.jpeg").symlink_to(outside)
    reading = read(root, OPTIONS)
    assert reading.rows["image"].tolist() == ["b.png"]
    assert list(_rejected(reading, "bad file")) == ["a.jpeg"]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"modality": "MR"}, "column modality, row 1: expected one of X-ray, CT. Received: MR"),
        ({"modality": None}, r"column modality, row 1: .*Received: \(empty\)"),
        ({"folder": ".."}, "column folder, row 1: expected a name without a folder"),
        ({"filename": "../a.png"}, "column filename, row 1: expected a name without a folder"),
        ({"filename": None}, r"column filename, row 1: .*Received: \(empty\)"),
    ],
)
def test_bad_cell_is_named_by_column_and_row(tmp_path, cells, message):
    root = _write(tmp_path)
    pd.DataFrame([_row("a.png") | cells]).to_csv(root / "metadata.csv", index=False)
    with pytest.raises(ValueError, match=message):
        read(root, OPTIONS)


def test_absent_folder_column_and_images_are_named(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        read(tmp_path / "absent", OPTIONS)
    root = _write(tmp_path, absent=[*ABSENT, "a.jpeg", "b.png"])
    with pytest.raises(ValueError, match="none of the 3 is there"):
        read(root, OPTIONS)
    pd.DataFrame(ROWS).drop(columns="modality").to_csv(root / "metadata.csv", index=False)
    with pytest.raises(ValueError, match=r"metadata\.csv: expected the column modality"):
        read(root, OPTIONS)


@needs_real_data
def test_june_2020_has_the_known_counts():
    reading = read(SHARED / "covid_chestxray", OPTIONS)
    rows, rejected = reading.rows, reading.rejected
    assert len(rows) == rows["path"].nunique() == 570
    assert rejected["category"].value_counts().to_dict() == {
        "no X-ray": 84,
        "missing file": 14,
        "not listed": 13,
        "listed twice": 5,
    }
    assert rejected["reason"].str.contains("missing file|not there either").sum() == 98
    assert (rows["finding"] == "COVID-19").sum() == 451
    assert rows["finding"].notna().all()
    assert any(
        note.startswith("98 of the 673 listed files are missing: 84 of CT, 14 of X-rays (")
        for note in reading.notes
    )
    assert any(note.endswith("all their images: 285/339, 287/340.") for note in reading.notes)


@needs_real_data
def test_all_images_of_coronahack_have_the_same_patients_here():
    here = read(SHARED / "covid_chestxray", OPTIONS).rows.set_index("image")["patient_id"]
    there = coronahack.read(
        SHARED / "coronahack", patients=SHARED / "covid_chestxray/metadata.csv"
    ).rows.set_index("image")
    both = there.index.intersection(here.index)
    assert len(both) == 67
    assert here[both].to_dict() == there.loc[both, "patient_id"].to_dict()
