import pytest

from tests.data.images import encode, noise
from tfcovid.data.sources.folders import read, recognise
from tfcovid.data.sources.options import SourceOptions

OPTIONS = SourceOptions()


def _write(root, *files):
    for seed, file in enumerate(files):
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(noise(40, 50, seed=seed), "PNG"))
    return root


def _rejected(reading):
    return dict(zip(reading.rejected["path"], reading.rejected["reason"], strict=True))


def test_recognised_by_two_known_names(tmp_path):
    assert not recognise(tmp_path / "absent")
    assert not recognise(_write(tmp_path / "one", "covid/a.png", "cats/a.png"))
    assert not recognise(_write(tmp_path / "same", "train/covid/a.png", "test/covid/b.png"))
    assert recognise(_write(tmp_path / "two", "covid/a.png", "normal/a.png"))
    assert recognise(_write(tmp_path / "split", "train/covid/a.png", "test/normal/a.png"))


def test_classes_are_read_at_any_depth_under_the_name_of_the_root(tmp_path):
    root = _write(tmp_path / "mine", "covid/a.png", "covid/x/y/b.JPG", "normal/c.gif")
    reading = read(root, OPTIONS)
    assert reading.rows["path"].tolist() == ["covid/a.png", "covid/x/y/b.JPG", "normal/c.gif"]
    assert reading.rows["image"].tolist() == ["a.png", "b.JPG", "c.gif"]
    assert reading.rows["finding"].tolist() == ["COVID-19", "COVID-19", "Normal"]
    assert set(reading.rows["source"]) == {"mine"}
    assert reading.rows[["patient_id", "official_split"]].isna().all(axis=None)
    assert any("patients of 3 of 3 images are unknown" in note for note in reading.notes)
    assert reading.rejected.empty


def test_repeated_names_become_paths(tmp_path):
    root = _write(tmp_path, "covid/1.png", "covid/2.png", "normal/1.png")
    assert read(root, OPTIONS).rows["image"].tolist() == ["covid/1.png", "2.png", "normal/1.png"]


def test_official_split_keeps_no_validation_apart(tmp_path):
    files = ["train/covid/a.png", "val/covid/b.png", "test/covid/c.png", "train/normal/d.png"]
    reading = read(_write(tmp_path, *files), OPTIONS)
    split = reading.rows.set_index("image")["official_split"].to_dict()
    assert split == {"a.png": "TRAIN", "b.png": "TRAIN", "c.png": "TEST", "d.png": "TRAIN"}
    assert any("train/, val/ are one" in note for note in reading.notes)


def test_nothing_is_skipped_in_silence(tmp_path):
    root = _write(
        tmp_path / "mine",
        *("covid/a.png", "normal/b.png", "normal/.DS_Store", "Thumbs.db"),
        *("readme.txt", "covid/table.csv", "covid/.c.png", ".cache/covid/a.png"),
    )
    (tmp_path / "elsewhere").mkdir()
    _write(tmp_path / "elsewhere", "d.png")
    (root / "covid" / "d.png").symlink_to(tmp_path / "elsewhere" / "d.png")
    (root / "covid" / "more").symlink_to(tmp_path / "elsewhere")
    (root / "covid" / "again.png").symlink_to(root / "covid" / "a.png")
    reading = read(root, OPTIONS)
    assert reading.rows["image"].tolist() == ["a.png", "again.png", "b.png"]
    reasons = _rejected(reading)
    assert reasons.pop("covid/table.csv").startswith("no image, by its name")
    assert reasons == {
        "readme.txt": "in no class folder",
        "covid/.c.png": "hidden, by its name",
        ".cache/covid/a.png": "hidden, by its name",
        "covid/d.png": "a link that leads out of the data set's folder",
        "covid/more": "a link to a folder, which is not followed",
    }
    bad = reading.rejected["category"] == "bad file"
    assert reading.rejected["path"][bad].tolist() == ["covid/d.png"]


def test_linked_class_folder_is_read(tmp_path):
    _write(tmp_path / "elsewhere", "a.png")
    root = _write(tmp_path / "mine", "normal/b.png")
    (root / "covid").symlink_to(tmp_path / "elsewhere")
    assert read(root, OPTIONS).rows["path"].tolist() == ["covid/a.png", "normal/b.png"]


def test_unknown_folder_is_named_with_the_way_out(tmp_path):
    root = _write(tmp_path, "covid/a.png", "tumour/b.png", "nad/b.png")
    with pytest.raises(ValueError, match=r"Received: nad, tumour; .*--label_names=nad:FINDING"):
        read(root, OPTIONS)
    options = SourceOptions(label_names={"nad": "Normal", "tumour": "Other finding"})
    assert read(root, options).rows["finding"].tolist() == ["COVID-19", "Normal", "Other finding"]


def test_mixed_empty_and_absent_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        read(tmp_path / "absent", OPTIONS)
    root = _write(tmp_path, "covid/readme.txt")
    with pytest.raises(ValueError, match=r"expected images .* in class folders, found none"):
        read(root, OPTIONS)
    _write(root, "train/covid/a.png")
    with pytest.raises(ValueError, match=r"nothing but train/, val/ and test/.*train/: covid"):
        read(root, OPTIONS)


def test_patients_table_names_the_ones_it_can_tell_apart(tmp_path):
    table = tmp_path / "p.csv"
    table.write_text("image,patient_id,view,age\n1.png,A,PA,5\n2.png,B,AP,6\ncovid/1.png,C,,\n")
    root = _write(tmp_path / "mine", "covid/1.png", "covid/2.png", "normal/1.png")
    reading = read(root, SourceOptions(patients=table))
    rows = reading.rows.set_index("path")
    assert rows.loc["covid/1.png", "patient_id"] == "mine:C"
    assert rows.loc["covid/2.png", ["patient_id", "view", "age"]].tolist() == ["mine:B", "AP", 6]
    assert rows.loc["normal/1.png", ["patient_id", "view", "age"]].isna().all()
    assert "mine: p.csv knows the patients of 2 images." in reading.notes
