import pandas as pd
import pytest

from tests.data.images import encode, noise
from tfcovid.data.sources.csv_table import read, recognise
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.pathologies import PATHOLOGIES, checked_pathologies, findings_of


def table(root, text, *files):
    root.mkdir(parents=True, exist_ok=True)
    (root / "table.csv").write_text(text)
    for seed, file in enumerate(files):
        (root / file).write_bytes(encode(noise(40, 50, seed=seed), "PNG"))
    return root


def test_there_are_chestx_ray14_s_fourteen():
    assert len(PATHOLOGIES) == len(set(PATHOLOGIES)) == 14


def test_findings_follow_the_labels_and_an_empty_cell_is_unknown():
    cells = pd.Series(["Mass|Pneumonia", "No Finding", None, "Hernia"], dtype="str")
    found = findings_of(cells)
    assert found.fillna("?").tolist() == ["Pneumonia", "Normal", "?", "Other finding"]
    assert findings_of(cells.iloc[[2]]).isna().all()


@pytest.mark.parametrize("cell", ["Mass|Covid", "Mass|", "No Finding|Mass", "mass"])
def test_other_labels_are_refused_with_the_row(cell, tmp_path):
    cells = pd.Series(["Mass", cell], dtype="str")
    with pytest.raises(ValueError, match=r"column labels, row 2: expected"):
        checked_pathologies(cells, "labels", tmp_path)


def test_a_table_s_pathologies_are_kept_and_give_the_finding_where_it_has_none(tmp_path):
    root = table(
        tmp_path,
        "path,finding,pathologies\na.png,COVID-19,Consolidation|Edema\nb.png,,No Finding\n"
        "c.png,,Mass\nd.png,Normal,\ne.png,COVID-19,No Finding\n",
        *("a.png", "b.png", "c.png", "d.png", "e.png"),
    )
    rows = read(root, SourceOptions()).rows
    assert rows["finding"].tolist() == ["COVID-19", "Normal", "Other finding", "Normal", "COVID-19"]
    expected = ["Consolidation|Edema", "No Finding", "Mass", "?", "No Finding"]
    assert rows["pathologies"].fillna("?").tolist() == expected


def test_a_table_of_pathologies_alone_is_recognised_and_read(tmp_path):
    root = table(tmp_path, "image,pathologies\na.png,Hernia\n", "a.png")
    assert recognise(root)
    assert read(root, SourceOptions()).rows["pathologies"].tolist() == ["Hernia"]


def test_normal_beside_a_pathology_is_refused(tmp_path):
    root = table(tmp_path, "path,finding,pathologies\na.png,Normal,Mass\n", "a.png")
    with pytest.raises(ValueError, match=r"row 1: expected No Finding or nothing beside Normal"):
        read(root, SourceOptions())


def test_two_rows_of_a_file_that_contradict_each_other_leave_both_labels_unknown(tmp_path):
    root = table(
        tmp_path,
        "path,finding,pathologies\na.png,Pneumonia,Mass\na.png,Pneumonia,Hernia\n",
        "a.png",
    )
    rows = read(root, SourceOptions()).rows
    assert rows["finding"].tolist() == ["Pneumonia"]
    assert rows["pathologies"].isna().all()
