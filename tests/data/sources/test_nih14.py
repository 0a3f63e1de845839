import pandas as pd
import pytest

from tests.data.images import encode, noise
from tfcovid.data.sources.nih14 import read, recognise
from tfcovid.data.sources.options import SourceOptions

OPTIONS = SourceOptions()
OLD, NEW = "Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv"
# The first table's header: commas inside of names, and one at the end of each line.
OLD_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
)
NEW_HEADER = OLD_HEADER.replace("Gender", "Sex").replace("y],", "y]")
# image, labels, patient, age, sex, view
ROWS = [
    ("00000001_000.png", "Cardiomegaly", "1", "058Y", "M", "PA"),
    ("00000001_001.png", "Cardiomegaly|Pneumonia", "1", "058Y", "M", "AP"),
    ("00000002_000.png", "No Finding", "2", "414Y", "F", "PA"),
    ("00000003_000.png", "Pneumonia", "3", "006M", "F", "AP"),
]


def _write(root, rows=ROWS, *, parts=None, table=OLD, absent=()):
    root.mkdir(parents=True, exist_ok=True)
    end = "," if table == OLD else ""
    lines = [f"{n},{f},0,{p},{a},{s},{v},2682,2749,.143,.143{end}\n" for n, f, p, a, s, v in rows]
    (root / table).write_text((OLD_HEADER if table == OLD else NEW_HEADER) + "".join(lines))
    for index, row in enumerate(rows):
        folder = root / (parts[index % len(parts)] if parts else "images")
        folder.mkdir(parents=True, exist_ok=True)
        if row[0] not in absent:
            (folder / row[0]).write_bytes(encode(noise(40, 50, seed=index), "PNG"))
    return root


def test_recognised_by_its_table(tmp_path):
    assert not recognise(tmp_path)
    assert recognise(_write(tmp_path / "old"))
    assert recognise(_write(tmp_path / "new", table=NEW))


def test_findings_follow_the_labels(tmp_path):
    rows = read(_write(tmp_path), OPTIONS).rows
    assert rows["pathologies"].tolist() == [row[1] for row in ROWS]
    assert rows["finding"].tolist() == ["Other finding", "Pneumonia", "Normal", "Pneumonia"]
    assert rows["patient_id"].tolist() == ["nih14:1", "nih14:1", "nih14:2", "nih14:3"]
    assert rows[["view", "sex"]].iloc[1].tolist() == ["AP", "M"]
    assert set(rows["source"]) == {"nih14"}


def test_ages_are_years_and_impossible_ones_missing(tmp_path):
    reading = read(_write(tmp_path), OPTIONS)
    assert reading.rows["age"].fillna(-1).tolist() == [58.0, 58.0, -1.0, 0.5]
    assert any("1 ages are none" in note and "414Y" in note for note in reading.notes)


def test_corrected_table_goes_first_and_has_plain_ages(tmp_path):
    _write(tmp_path, table=OLD)
    rows = [
        (*row[:3], age, *row[4:]) for row, age in zip(ROWS, ("57", "58", "80", "0"), strict=True)
    ]
    assert read(_write(tmp_path, rows, table=NEW), OPTIONS).rows["age"].tolist() == [57, 58, 80, 0]


def test_images_are_found_in_the_parts_of_the_archive(tmp_path):
    parts = ["images_001/images", "images_002/images", "images_012/images"]
    rows = read(_write(tmp_path, parts=parts), OPTIONS).rows
    assert rows["path"].tolist() == [
        f"{parts[index % 3]}/{row[0]}" for index, row in enumerate(ROWS)
    ]


def test_part_of_the_archive_is_enough(tmp_path):
    reading = read(_write(tmp_path, absent=[row[0] for row in ROWS[1:]]), OPTIONS)
    assert reading.rows["image"].tolist() == [ROWS[0][0]]
    assert reading.rejected["category"].tolist() == ["missing file"] * 3
    assert f"3 of 4 images that {OLD} lists are not there." in reading.notes


def test_hundred_thousand_missing_images_are_listed(tmp_path):
    rows = [(f"{i:08}_000.png", "No Finding", str(i), "058Y", "M", "PA") for i in range(112_120)]
    root = _write(tmp_path, ROWS[:1])
    lines = [f"{n},{f},0,{p},{a},{s},{v},1,1,.1,.1,\n" for n, f, p, a, s, v in rows]
    (root / OLD).write_text(OLD_HEADER + "".join(lines))
    reading = read(root, OPTIONS)
    assert (len(reading.rows), len(reading.rejected)) == (1, 112_119)


def test_official_lists_are_the_official_split(tmp_path):
    root = _write(tmp_path)
    assert read(root, OPTIONS).rows["official_split"].isna().all()
    assert sum("is not there" in note for note in read(root, OPTIONS).notes) == 2
    (root / "train_val_list.txt").write_text(f"{ROWS[0][0]}\r\n{ROWS[1][0]}\r\n")
    (root / "test_list.txt").write_text(f"{ROWS[2][0]}\n")
    splits = read(root, OPTIONS).rows["official_split"]
    assert splits.fillna("?").tolist() == ["TRAIN", "TRAIN", "TEST", "?"]
    (root / "test_list.txt").write_text(f"{ROWS[0][0]}\n")
    with pytest.raises(ValueError, match=rf"test_list\.txt: .*Received in both: {ROWS[0][0]}"):
        read(root, OPTIONS)


def test_other_files_are_rejected(tmp_path):
    root = _write(tmp_path)
    second = root / "images_001" / "images"
    second.mkdir(parents=True)
    (root / "images" / "new.png").write_bytes(b"x")
    (second / ROWS[0][0]).write_bytes(b"x")
    rejected = read(root, OPTIONS).rejected
    assert dict(zip(rejected["path"], rejected["reason"], strict=True)) == {
        f"images_001/images/{ROWS[0][0]}": (
            f"a second file of this name, images/{ROWS[0][0]} is read"
        ),
        "images/new.png": f"{OLD} does not list it",
    }


def test_empty_labels_are_unknown_and_never_normal(tmp_path):
    rows = read(_write(tmp_path, [("a.png", "", "1", "", "", "")]), OPTIONS).rows
    assert rows[["finding", "pathologies", "age", "sex", "view"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("Mass|Covid", r"column Finding Labels, row 1: expected Atelectasis.*Received: Covid\."),
        ("Mass|", r"Received: \(empty\)"),
        ("mass", "Received: mass"),
        ("No Finding|Mass", r"row 1: expected No Finding alone\. Received: No Finding\|Mass"),
    ],
)
def test_unknown_labels_are_refused(tmp_path, labels, message):
    root = _write(tmp_path, [("a.png", labels, "1", "058Y", "M", "PA")])
    with pytest.raises(ValueError, match=message):
        read(root, OPTIONS)


def test_broken_tables_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected Data_Entry_2017_v2020\.csv or Data_Entry"):
        read(tmp_path, OPTIONS)
    root = _write(tmp_path, [ROWS[0], ROWS[0]])
    with pytest.raises(ValueError, match=r"row 2 lists 00000001_000\.png a second time"):
        read(root, OPTIONS)
    _write(root, [("../a.png", *ROWS[0][1:])], absent=["../a.png"])
    with pytest.raises(ValueError, match="row 1: expected a file name without a folder"):
        read(root, OPTIONS)
    _write(root, [("gone.png", *ROWS[0][1:])], absent=["gone.png"])
    with pytest.raises(ValueError, match="none of the 1 is there"):
        read(root, OPTIONS)
    table = pd.read_csv(root / OLD)
    table.drop(columns="Patient Gender").to_csv(root / OLD, index=False)
    with pytest.raises(ValueError, match="expected a column Patient Gender or Patient Sex"):
        read(root, OPTIONS)
