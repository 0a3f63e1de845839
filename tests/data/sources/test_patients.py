import pandas as pd
import pytest

from tfcovid.data.sources.patients import read_patients


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
    for cell in ("old", "-1", "1000", "nan"):
        file = _write(tmp_path / "p.csv", f"image,patient_id,age\na,1,\nb,2,{cell}\n")
        with pytest.raises(ValueError, match=f"column age, row 2: .*Received: {cell}"):
            read_patients(file)


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
