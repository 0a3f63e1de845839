import pathlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.sources.coronahack_tree import FOLDER, ROWS, write_coronahack
from tfcovid.data.manifest import (
    COLUMN_TYPES,
    MANIFEST_COLUMNS,
    build_manifest,
    read_manifest,
    source_notes,
    write_csv,
)
from tfcovid.data.sources.coronahack import read
from tfcovid.data.split import split_by_group
from tfcovid.data.tasks import TASK_LABELS

CONTRACT = (
    "image,path,label,split,fold,patient_id,group_id,source,view,sex,age,sha256,width,height,mode"
)


def _valid():
    """A manifest with two classes, three splits, and what a manifest may leave out."""
    n = 6
    frame = pd.DataFrame(
        {
            "image": [f"{i}.png" for i in range(n)],
            "path": [f"train/{i}.png" for i in range(n)],
            "label": ["a", "b"] * 3,
            "split": ["train", "train", "validation", "validation", "test", "test"],
            "fold": [0, 1, None, None, None, None],
            "patient_id": ["p0", None, "NA", "p3", 'quote"', "comma,"],
            "group_id": [f"g{i}" for i in range(n)],
            "source": ["kermany"] * n,
            "view": ["PA", None, "L", None, "AP Supine", None],
            "sex": [None] * n,
            "age": [61.5, np.nan, 3, np.nan, np.nan, 0],
            "sha256": [f"{i:064x}" for i in range(n - 1)] + [None],
            "width": [5, None, 7, 7, 7, 7],
            "height": [5, None, 7, 7, 7, 7],
            "mode": ["L", None, "RGB", "L", "L", "I;16"],
        }
    )
    return frame.astype(COLUMN_TYPES)


def test_columns_are_the_published_contract(tmp_path):
    write_csv(_valid(), tmp_path / "manifest.csv")
    header = (tmp_path / "manifest.csv").read_text().splitlines()[0]
    assert header == CONTRACT == ",".join(MANIFEST_COLUMNS)


def test_manifest_survives_the_file(tmp_path):
    write_csv(_valid(), tmp_path / "manifest.csv")
    again = read_manifest(tmp_path / "manifest.csv", classes=["a", "b"])
    pd.testing.assert_frame_equal(again, _valid())


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1))
def test_any_patient_name_survives_the_file(tmp_path_factory, name):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    frame = _valid()
    frame.loc[0, "patient_id"] = name
    write_csv(frame, path)
    assert read_manifest(path).loc[0, "patient_id"] == name


def test_table_that_fails_to_write_leaves_the_old_one(tmp_path):
    class Unprintable:
        def __str__(self):
            raise RuntimeError("no text")

    path = tmp_path / "manifest.csv"
    write_csv(_valid(), path)
    before = path.read_bytes()
    broken = pd.DataFrame({"image": ["fine"] * 3 + [Unprintable()]}, dtype=object)
    with pytest.raises(RuntimeError):
        write_csv(broken, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["manifest.csv"]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("image", "1.png", "column image, row 3: expected every image once. Received: 1.png"),
        ("image", None, r"column image, row 3: expected a value. Received: \(empty\)"),
        ("label", None, "column label, row 3: expected a value"),
        ("label", "c", "column label, row 3: expected one of the classes a, b. Received: c"),
        ("split", "valid", "expected one of train, validation, test. Received: valid"),
        ("group_id", None, "column group_id, row 3: expected a value"),
        ("group_id", "g0", "every copy of a file, in one split; 1 groups hang .*: g0"),
        ("path", "/etc/passwd", "expected a path inside the data folder"),
        ("path", "a/../../b.png", "expected a path inside the data folder"),
        ("path", "..", "expected a path inside the data folder"),
        ("path", "C:/b.png", "expected a path inside the data folder"),
        ("path", "a\\b.png", "expected a path inside the data folder"),
        ("sha256", "xyz", "expected 64 hexadecimal digits, or nothing. Received: xyz"),
        ("age", "old", "column age, row 3: expected a number from 0 to"),
        ("age", "inf", "column age, row 3: expected a number from 0 to"),
        ("width", "7.5", "column width, row 3: expected a number from 0 to"),
        ("fold", "-1", "column fold, row 3: expected a number from 0 to"),
        ("label", "b", "every class in every split; validation has no a"),
    ],
)
def test_value_that_cannot_stand_there_is_named(tmp_path, column, value, message):
    frame = _valid().astype("str")
    frame.loc[2, column] = value
    write_csv(frame, tmp_path / "m.csv")
    with pytest.raises(ValueError, match=message):
        read_manifest(tmp_path / "m.csv", classes=["a", "b"])


def test_dots_inside_a_name_are_no_way_out(tmp_path):
    frame = _valid()
    frame.loc[0, "path"] = "a..b/..c.png"
    write_csv(frame, tmp_path / "m.csv")
    assert read_manifest(tmp_path / "m.csv").loc[0, "path"] == "a..b/..c.png"


@pytest.mark.parametrize("column", MANIFEST_COLUMNS)
def test_absent_column_is_named(tmp_path, column):
    write_csv(_valid().drop(columns=column), tmp_path / "m.csv")
    with pytest.raises(ValueError, match=f"expected the column {column}\\."):
        read_manifest(tmp_path / "m.csv")


def test_manifest_without_a_split_is_refused(tmp_path):
    frame = _valid()
    write_csv(frame[frame["split"] != "test"], tmp_path / "m.csv")
    with pytest.raises(ValueError, match="test has no a, b"):
        read_manifest(tmp_path / "m.csv")


def test_build_labels_scans_and_groups(tmp_path):
    root = write_coronahack(tmp_path, missing=["strep.jpg"])
    images = root / FOLDER / FOLDER / "train"
    # The same bytes under the names of two patients: one group.
    (images / "lateral.png").write_bytes((images / "fig-day1.jpg").read_bytes())
    manifest = build_manifest(read(root), TASK_LABELS["multiclass"])
    frame = manifest.frame
    assert tuple(frame.columns) == MANIFEST_COLUMNS
    assert {name: frame[name].dtype for name in frame} == COLUMN_TYPES
    assert frame["image"].tolist() == [row[0] for row in ROWS[:8]]
    assert frame["label"].value_counts().to_dict() == {"Normal": 2, "Pneumonia": 3, "COVID-19": 3}
    assert frame["group_id"].nunique() == 6
    assert frame["group_id"][4:7].unique().tolist() == ["ieee8023:guessed:fig"]
    assert (frame["width"] == 56).all()
    assert (frame["height"] == 40).all()
    assert frame[["split", "fold"]].isna().all(axis=None)
    assert manifest.official.tolist() == [row[2] for row in ROWS[:8]]
    reasons = dict(zip(manifest.rejected["image"], manifest.rejected["reason"], strict=True))
    assert reasons == {
        "strep.jpg": "missing file",
        "ards.jpg": "the task multiclass has no class for the finding ARDS",
    }


def test_every_listed_image_is_in_the_manifest_or_rejected(tmp_path):
    root = write_coronahack(tmp_path, missing=["strep.jpg"])
    (root / FOLDER / FOLDER / "train/sars.jpeg").write_bytes(b"")
    for task in TASK_LABELS.values():
        manifest = build_manifest(read(root), task, on_bad_image="set_aside", every_class=False)
        images = pd.concat([manifest.frame["image"], manifest.rejected["image"]])
        assert sorted(images) == sorted(row[0] for row in ROWS)


def test_bad_image_fails_by_default_and_can_be_set_aside(tmp_path):
    root = write_coronahack(tmp_path)
    (root / FOLDER / FOLDER / "train/sars.jpeg").write_bytes(b"")
    task = TASK_LABELS["multiclass"]
    with pytest.raises(ValueError, match=r"sars\.jpeg: empty file .* --on_bad_image=set_aside"):
        build_manifest(read(root), task)
    manifest = build_manifest(read(root), task, on_bad_image="set_aside", every_class=False)
    assert "sars.jpeg" in set(manifest.rejected["image"])
    assert any("1 images set aside as bad files" in note for note in manifest.notes)
    with pytest.raises(ValueError, match=r"expected fail or set_aside. Received: skip"):
        build_manifest(read(root), task, on_bad_image="skip")


def test_bad_image_that_the_task_does_not_use_does_not_matter(tmp_path):
    root = write_coronahack(tmp_path)
    (root / FOLDER / FOLDER / "train/ards.jpg").write_bytes(b"")
    build_manifest(read(root), TASK_LABELS["multiclass"])


def test_class_without_an_image_is_named(tmp_path):
    root = write_coronahack(tmp_path, [row for row in ROWS if row[3] != "COVID-19"])
    with pytest.raises(ValueError, match="no image of COVID-19; found: Pneumonia 4, Normal 2"):
        build_manifest(read(root), TASK_LABELS["multiclass"])


def test_note_says_when_class_equals_source(tmp_path):
    notes = build_manifest(read(write_coronahack(tmp_path)), TASK_LABELS["viral"]).notes
    assert not any("CLASS EQUALS SOURCE" in note for note in notes)  # SARS has that source too
    frame = pd.DataFrame({"label": ["c"] * 5 + ["n"] * 100, "source": ["x"] * 5 + ["y"] * 100})
    frame.loc[5, "source"] = "x"
    first, second = source_notes(frame)
    assert "5 of 5 c images come from x, and 1 of 100 others do" in first
    assert "99 of 100 n images come from y, and 0 of 5 others do" in second


@pytest.mark.parametrize("sources", [["x"] * 6, ["x", "y"] * 3, [None] * 6])
def test_no_note_where_sources_do_not_tell_the_classes(sources):
    frame = pd.DataFrame({"label": list("aabbcc"), "source": pd.Series(sources, dtype="str")})
    assert source_notes(frame) == []


SHARED = pathlib.Path(__file__).parents[2] / "../shared/data"


@pytest.mark.skipif(
    not (SHARED / "coronahack").is_dir(), reason="needs the real X-rays in ../shared/data"
)
def test_real_manifest_says_that_covid19_equals_its_source_and_splits_by_patient(tmp_path):
    reading = read(SHARED / "coronahack", patients=SHARED / "covid_chestxray/metadata.csv")
    manifest = build_manifest(reading, TASK_LABELS["multiclass"])
    frame = manifest.frame
    assert frame["label"].value_counts().to_dict() == {
        "Pneumonia": 4274,
        "Normal": 1576,
        "COVID-19": 55,
    }
    notes = source_notes(frame)
    assert any("55 of 55 COVID-19 images come from ieee8023" in note for note in notes)
    frame["split"] = split_by_group(frame, test_fraction=0.2, validation_fraction=0.1, seed=0)
    assert frame.groupby("patient_id")["split"].nunique().max() == 1
    assert frame.groupby("sha256")["split"].nunique().max() == 1
    write_csv(frame, tmp_path / "manifest.csv")
    again = read_manifest(tmp_path / "manifest.csv", classes=TASK_LABELS["multiclass"].classes)
    pd.testing.assert_frame_equal(again, frame)
