import pathlib

import pandas as pd
import pytest

from tfcovid.data.sources.reading import (
    REJECTED_COLUMNS,
    ROW_COLUMNS,
    Reading,
    listing,
    read_table,
)


def _reading(images, columns=ROW_COLUMNS):
    rows = pd.DataFrame(dict.fromkeys(columns, images))
    return Reading(rows, pd.DataFrame(columns=list(REJECTED_COLUMNS)), (), pathlib.Path())


def test_reading_refuses_an_image_id_that_stands_twice():
    with pytest.raises(ValueError, match="unique, b is not"):
        _reading(["a", "b", "b"])


def test_reading_refuses_other_columns():
    with pytest.raises(ValueError, match=r"expected the columns image, .*Received: image, path\."):
        _reading(["a"], ["image", "path"])


def test_only_an_empty_cell_is_missing(tmp_path):
    file = tmp_path / "t.csv"
    file.write_bytes("\ufeffname,n\nNA,001\nNone,\n".encode())  # with a byte order mark
    table = read_table(file, required=["name", "n"])
    assert table["name"].tolist() == ["NA", "None"]
    assert table["n"].iloc[0] == "001"
    assert table["n"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"a,b\n", "at least one row"),
        (b"a,c\n1,2\n", r"expected the column b\. Received: a, c"),
        (b"a,b\n\xff\xfe,2\n", "expected UTF-8 text, byte .* is not"),
        (b"a,b\n1,2\n1,2,3,4\n", "expected a CSV file; .*: give each row the cells of the header"),
        (b'a,b\n1,2\n1,"2\n3,4\n', "the quotation mark in line 3 is never closed"),
        (b"a;b\n1;2\n", "expected commas between the columns, found another separator"),
    ],
)
def test_bad_table_is_one_clear_line(tmp_path, content, message):
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=message) as raised:
        read_table(file, required=["a", "b"])
    assert str(raised.value).startswith(str(file))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "line",
    ["Meier Anna,1947-09-23", "Meier Anna,23.09.1947", "Meier Anna,films/7.JPG", "Meier Anna,4711"],
)
def test_a_first_line_that_is_a_patient_is_not_quoted(tmp_path, line):
    file = tmp_path / "t.csv"
    file.write_text(f"{line}\n{line}\n")
    message = (
        r"expected the column a\. Received: 2 cells that seem to be a row of data; is the head"
    )
    with pytest.raises(ValueError, match=message) as raised:
        read_table(file, required=["a"])
    assert not any(word in str(raised.value) for word in line.split(","))


def test_absent_table_and_a_folder_in_its_place_are_named(tmp_path):
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(ValueError, match="cannot open it"):
            read_table(path, required=[])


def test_listing_says_how_many_more():
    assert listing(["a", "b"]) == "a, b"
    assert listing([str(n) for n in range(13)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 3 more"


def test_blanks_around_a_cell_are_no_part_of_it(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("image,patient\na, P1\nb,P1 \nc,  \n")
    table = read_table(path, required=("patient",))
    assert table["patient"].tolist()[:2] == ["P1", "P1"]
    assert table["patient"].isna().tolist() == [False, False, True]


def test_a_row_longer_than_the_header_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("image,patient\na,P1,x\nb,P2,y\n")
    with pytest.raises(ValueError, match="as many cells in a row as in the header line"):
        read_table(path, required=("patient",))
