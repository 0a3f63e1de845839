import dataclasses
import pathlib

import pandas as pd
import pytest

from tfcovid.data.sources.joining import join_readings
from tfcovid.data.sources.reading import ROW_COLUMNS, Category, Reading, aside


def reading(root, names, note="a note"):
    rows = pd.DataFrame({"image": names, "path": [f"images/{name}" for name in names]})
    rows = rows.reindex(columns=list(ROW_COLUMNS))
    gone = aside(pd.DataFrame({"image": ["x"], "path": ["x"]}), Category.MISSING, "missing file")
    return Reading(rows, gone, (note,), pathlib.Path(root), {root: "said of it"})


def test_one_data_set_stays_as_it_is():
    alone = reading("/data/a", ["1.png"])
    assert join_readings([alone]) is alone


def test_equal_file_names_stay_apart_and_paths_start_at_the_shared_folder():
    joined = join_readings(
        [
            reading("/data/a", ["1.png"]),
            reading("/data/b/c", ["1.png"]),
            reading("/data/d/c", ["2"]),
        ]
    )
    assert joined.root == pathlib.Path("/data")
    assert joined.rows["image"].tolist() == ["1.png", "c/1.png", "c-2/2"]
    assert joined.rows["path"].tolist() == ["a/images/1.png", "b/c/images/1.png", "d/c/images/2"]
    assert joined.rejected["path"].tolist() == ["a/x", "b/c/x", "d/c/x"]
    assert joined.notes == ("a note",)
    assert list(joined.declared) == ["/data/a", "/data/b/c", "/data/d/c"]


def with_patients(root, numbers, source):
    found = reading(root, [f"{i}.png" for i in range(len(numbers))])
    ids = [f"{source}:{number}" for number in numbers]
    return dataclasses.replace(found, rows=found.rows.assign(source=source, patient_id=ids))


def test_two_folders_of_one_name_are_two_sources_with_patients_of_their_own():
    sites = [with_patients(f"/{site}/data", ["1", "2"], "data") for site in ("a", "b")]
    joined = join_readings(sites)
    assert joined.rows["source"].tolist() == ["data", "data", "data-2", "data-2"]
    assert joined.rows["patient_id"].tolist() == ["data:1", "data:2", "data-2:1", "data-2:2"]
    assert any("2 patient ids stand in two data sets" in note for note in joined.notes)


def test_a_source_that_two_data_sets_share_keeps_its_patients_together():
    sites = [with_patients(f"/{site}", ["1", "2"], "ieee8023") for site in ("a", "b")]
    joined = join_readings(sites)
    assert set(joined.rows["source"]) == {"ieee8023"}
    assert joined.rows["patient_id"].nunique() == 2
    assert joined.notes == ("a note",)


@pytest.mark.parametrize("second", ["/data/a", "/data/a/inner", "/data"])
def test_a_data_set_inside_another_is_refused(second):
    with pytest.raises(ValueError, match="would count twice"):
        join_readings([reading("/data/a", ["1"]), reading(second, ["2"])])
