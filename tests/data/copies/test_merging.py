import pandas as pd

from tfcovid.data.copies.merging import merge_copies
from tfcovid.data.copies.search import PAIR_COLUMNS
from tfcovid.data.manifest import COLUMN_TYPES, Manifest
from tfcovid.data.sources.reading import TEXT, no_rejected


def manifest(**columns):
    """Four images a, b, c, d of four patients, the same label, c the largest."""
    frame = pd.DataFrame({"image": list("abcd"), "path": list("abcd")})
    values = {
        "label": ["x"] * 4,
        "patient_id": [f"p{name}" for name in "abcd"],
        "sha256": [f"{n:064x}" for n in range(4)],
        "width": [10, 10, 20, 10],
        "height": [10, 10, 20, 10],
    }
    frame = frame.assign(**(values | columns)).reindex(columns=list(COLUMN_TYPES))
    frame = frame.astype(COLUMN_TYPES)
    empty = pd.Series(pd.NA, frame.index, dtype=TEXT)
    return Manifest(frame, empty, empty, no_rejected(), ())


def merged(found, pairs, *, keep_laterals=False):
    table = pd.DataFrame(pairs, columns=list(PAIR_COLUMNS))
    return merge_copies(found, table, keep_laterals=keep_laterals)


def test_of_copies_the_one_with_most_pixels_is_kept_and_the_others_are_listed():
    after = merged(manifest(), [(0, 2, "same picture", 0.97), (1, 2, "same bytes", 1.0)])
    assert after.frame["image"].tolist() == ["c", "d"]
    assert after.rejected[["image", "reason", "category"]].to_numpy().tolist() == [
        ["a", "copy of c, which is kept", "copy"],
        ["b", "copy of c, which is kept", "copy"],
    ]


def test_among_equals_the_first_is_kept():
    after = merged(manifest(), [(0, 1, "same picture", 0.97)])
    assert after.frame["image"].tolist() == ["a", "c", "d"]


def test_copies_make_their_patients_one_group():
    frame = merged(manifest(), [(0, 1, "same picture", 0.97)]).frame.set_index("image")
    assert frame["group_id"].to_dict() == {"a": "pa", "c": "pc", "d": "pd"}
    chained = manifest(patient_id=["pa", "pd", "pc", "pd"])
    frame = merged(chained, [(0, 1, "same picture", 0.97)]).frame.set_index("image")
    assert frame.loc["a", "group_id"] == frame.loc["d", "group_id"] == "pa"


def test_look_alikes_stay_but_hang_together():
    after = merged(manifest(), [(0, 3, "look-alike", 0.9)])
    assert len(after.frame) == 4
    assert after.frame.loc[0, "group_id"] == after.frame.loc[3, "group_id"]
    assert any("1 pairs of images are so alike" in note for note in after.notes)


def test_copies_with_different_labels_are_all_set_aside():
    after = merged(manifest(label=["x", "y", "x", "x"]), [(0, 1, "same picture", 0.97)])
    assert after.frame["image"].tolist() == ["c", "d"]
    assert after.rejected["category"].tolist() == ["copies with different labels"] * 2
    assert after.rejected["reason"].str.endswith("a is x, b is y").all()


def test_what_one_copy_knows_of_the_film_all_know():
    known = manifest(view=["AP", None, None, None], age=[61.0, None, None, None])
    frame = merged(known, [(0, 2, "same picture", 0.97)]).frame.set_index("image")
    assert frame.loc["c", ["view", "age"]].tolist() == ["AP", 61.0]


def test_a_film_that_one_copy_knows_to_be_lateral_is_set_aside_in_all_copies():
    known = manifest(view=["L", None, None, None])
    after = merged(known, [(0, 2, "same picture", 0.97)])
    assert after.frame["image"].tolist() == ["b", "d"]
    assert after.rejected["category"].tolist() == ["lateral view"] * 2
    kept = merged(known, [(0, 2, "same picture", 0.97)], keep_laterals=True)
    assert kept.frame["image"].tolist() == ["b", "c", "d"]


def test_an_index_with_gaps_is_kept_because_it_is_the_place_of_the_pixels():
    gapped = manifest()
    for name in ("frame", "official", "formats"):
        getattr(gapped, name).index = [0, 2, 5, 7]
    after = merged(gapped, [(0, 2, "same picture", 0.97)])
    assert after.frame.index.tolist() == [2, 5, 7]
    assert after.official.index.tolist() == after.formats.index.tolist() == [2, 5, 7]
