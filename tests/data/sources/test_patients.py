import pandas as pd
import pytest

from tfcovid.data.sources.patients import (
    fill_patients,
    in_several_sources,
    listed_once,
    merged_patients,
    read_patients,
    with_source,
)
from tfcovid.data.sources.reading import ROW_COLUMNS, TEXT


def _write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("header", ["image,patient_id", "filename,patientid"])
def test_both_spellings_of_the_columns_are_read(tmp_path, header):
    table = read_patients(_write(tmp_path / "p.csv", f"{header}\na.png,7\nb.png,\n"))
    assert table.loc["a.png", "patient_id"] == "7"
    assert table.loc["b.png"].isna().all()


def test_name_under_two_patients_makes_them_one_in_all_their_images(tmp_path):
    table = read_patients(
        _write(
            tmp_path / "p.csv",
            "image,patient_id,view,age\n"
            "same.png,339,,\nsame.png,285,PA,40\nonly-339.png,339,L,41\nother.png,7,,\n",
        )
    )
    ids = {"same.png": "285", "only-339.png": "285", "other.png": "7"}
    assert table["patient_id"].to_dict() == ids
    assert table.loc["same.png", ["view", "age"]].tolist() == ["PA", 40.0]


def test_ages_are_years_and_nothing_else(tmp_path):
    for cell in ("-1", "1000", "nan"):
        file = _write(tmp_path / "p.csv", f"image,patient_id,age\na,1,\nb,2,{cell}\n")
        with pytest.raises(ValueError, match=f"column age, row 2: .*Received: {cell}"):
            read_patients(file)


@pytest.mark.parametrize("cell", ["1947-09-23", "19470923", "23.09.1947", "Odilia"])
def test_a_birth_date_in_place_of_an_age_is_refused_and_not_quoted(tmp_path, cell):
    file = _write(tmp_path / "p.csv", f"image,patient_id,age\na,1,\nb,2,{cell}\n")
    with pytest.raises(ValueError, match=r"column age, row 2: .*Received: text, or") as raised:
        read_patients(file)
    assert cell not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,patient_id\na,1\n", r"expected a column image or filename\. Received: file, pat"),
        ("image,person\na,1\n", r"expected a column patient_id or patientid\. Received: image, p"),
        ("image,patient_id\na,1\n,2\n", "expected a file name in row 2"),
    ],
)
def test_bad_patients_table_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_patients(_write(tmp_path / "p.csv", text))


def test_patients_who_share_an_image_are_one_and_the_unknown_one_is_theirs():
    image = pd.Series(["a", "a", "a", "b", "c"], dtype=TEXT)
    patient = pd.Series(["9", None, "10", "9", None], dtype=TEXT)
    assert merged_patients(image, patient).fillna("?").tolist() == ["10", "10", "10", "10", "?"]


def test_nothing_is_merged_where_every_file_is_listed_once():
    rows = pd.DataFrame({"image": ["a"], "path": ["a"], "finding": ["Normal"]}, dtype=TEXT)
    kept, twice, notes = listed_once(rows, pd.Series([None], dtype=TEXT))
    assert kept is rows
    assert twice.empty
    assert notes == ()


def test_row_that_lists_a_file_again_names_the_rows_of_the_table():
    rows = pd.DataFrame(
        {"image": ["a", "b", "a"], "path": ["a", "b", "a"], "finding": [None, "SARS", "SARS"]},
        dtype=TEXT,
        index=[3, 5, 8],
    )
    kept, twice, _ = listed_once(rows, pd.Series(["1", "2", None], rows.index, TEXT))
    assert kept["finding"].tolist() == ["SARS", "SARS"]
    reason = "row 9 lists it again, as patient (unknown); row 4, as patient 1, stays"
    assert twice["reason"].tolist() == [reason]


def test_own_patients_stay_and_the_others_are_looked_up(tmp_path):
    table = _write(tmp_path / "p.csv", "image,patient_id,source\na.png,1,s\nb.png,2,\nother,3,s\n")
    rows = pd.DataFrame(
        {"image": ["a.png", "b.png", "c.png"], "path": ["x/a.png", "x/b.png", "x/c.png"]}
    ).assign(patient_id=["d:9", None, None])
    filled, notes = fill_patients(rows, table, source="d")
    assert tuple(filled.columns) == ROW_COLUMNS
    assert filled["patient_id"].fillna("?").tolist() == ["d:9", "d:2", "?"]
    assert filled["source"].tolist() == ["s", "d", "d"]
    assert notes[0] == "d: p.csv knows the patients of 1 images."
    assert notes[1].startswith("d: the patients of 1 of 3 images are unknown.")


def test_source_is_put_before_a_patient_once():
    ids = with_source(
        pd.Series(["1", "s:1", "t:1", None], dtype=TEXT), pd.Series(["s"] * 4, dtype=TEXT)
    )
    assert ids.fillna("?").tolist() == ["s:1", "s:1", "s:t:1", "?"]


def test_ids_under_several_sources_are_told():
    patients, sources = pd.Series(["p1", "p1", "p2", None]), pd.Series(["a", "b", "a", "b"])
    (note,) = in_several_sources(patients, sources)
    assert note.startswith("1 patient ids stand under several sources") and "p1" in note
    assert in_several_sources(patients[[0, 2]], sources[[0, 2]]) == ()
