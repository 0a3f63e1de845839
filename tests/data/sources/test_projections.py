import pathlib

import pandas as pd

from tfcovid.data.sources.projections import frontal_only, is_lateral
from tfcovid.data.sources.reading import ROW_COLUMNS, TEXT, Reading, no_rejected


def reading(views):
    rows = pd.DataFrame({"image": [f"{i}.png" for i in range(len(views))], "view": views})
    rows["path"], rows["finding"] = rows["image"], "Normal"
    rows = rows.reindex(columns=list(ROW_COLUMNS)).astype({"view": TEXT, "image": TEXT})
    return Reading(rows, no_rejected(), ("a note",), pathlib.Path("data"))


def test_only_views_known_to_be_lateral_are_lateral():
    views = pd.Series(["L", "lateral", " LL ", "PA", "AP Supine", None], dtype=TEXT)
    assert is_lateral(views).tolist() == [True, True, True, False, False, False]


def test_lateral_views_are_set_aside_and_listed_and_unknown_ones_stay():
    found = frontal_only(reading(["PA", "L", None]))
    assert found.rows["image"].tolist() == ["0.png", "2.png"]
    assert found.rejected[["image", "category"]].to_numpy().tolist() == [["1.png", "lateral view"]]
    assert found.notes[0] == "a note"
    assert "1 lateral views set aside (Normal 1)" in found.notes[1]


def test_a_reading_without_lateral_views_is_left_as_it_is():
    same = reading(["PA", None])
    assert frontal_only(same) is same
