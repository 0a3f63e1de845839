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


@pytest.mark.parametrize("second", ["/data/a", "/data/a/inner", "/data"])
def test_a_data_set_inside_another_is_refused(second):
    with pytest.raises(ValueError, match="would count twice"):
        join_readings([reading("/data/a", ["1"]), reading(second, ["2"])])
