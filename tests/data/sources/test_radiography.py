import pytest

from tests.data.images import encode, noise
from tfcovid.data.sources import folders
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.radiography import read, recognise
from tfcovid.data.sources.readers import recognise as kind_of

OPTIONS = SourceOptions()
NEW = {"COVID": "COVID-1", "Lung_Opacity": "Lung_Opacity-1", "Normal": "Normal-1"} | {
    "Viral Pneumonia": "Viral Pneumonia-1"
}
OLD = {
    "COVID-19": "COVID-19 (1)",
    "NORMAL": "NORMAL (1)",
    "Viral Pneumonia": "Viral Pneumonia (1)",
}


def _image(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(noise(40, 50, seed=seed), "PNG"))


def _write_new(root):
    for seed, (folder, stem) in enumerate(NEW.items()):
        _image(root / folder / "images" / f"{stem}.png", seed)
        _image(root / folder / "masks" / f"{stem}.png", seed + 100)
        (root / f"{folder}.metadata.xlsx").write_bytes(b"no image")
    (root / "README.md.txt").write_text("read me")
    return root


def _write_old(root):
    for seed, (folder, stem) in enumerate(OLD.items()):
        _image(root / folder / f"{stem}.png", seed)
    return root


@pytest.mark.parametrize("write", [_write_new, _write_old])
@pytest.mark.parametrize("below", ["", "COVID-19_Radiography_Dataset"])
def test_both_layouts_are_recognised_also_one_folder_higher(tmp_path, write, below):
    assert not recognise(tmp_path / "absent")
    write(tmp_path / below)
    assert recognise(tmp_path)
    assert kind_of(tmp_path) == "radiography"
    reading = read(tmp_path, OPTIONS)
    assert all((reading.root / path).is_file() for path in reading.rows["path"])


def test_other_class_folders_are_not_taken_for_it(tmp_path):
    for folder in ("covid", "normal", "viral"):
        _image(tmp_path / folder / "a.png")
    assert not recognise(tmp_path)
    assert folders.recognise(tmp_path)


def test_masks_are_never_images(tmp_path):
    reading = read(_write_new(tmp_path), OPTIONS)
    assert reading.rows["path"].tolist() == [f"{f}/images/{stem}.png" for f, stem in NEW.items()]
    assert reading.rows["finding"].tolist() == ["COVID-19", "Lung opacity", "Normal", "Viral"]
    assert reading.rejected.empty
    assert "4 files in masks/ are not read: they are masks of lungs." in reading.notes


def test_old_layout_without_a_folder_of_images(tmp_path):
    _image(_write_old(tmp_path) / "NORMAL" / "masks" / "m.png")
    reading = read(tmp_path, OPTIONS)
    assert reading.rows["image"].tolist() == [f"{stem}.png" for stem in OLD.values()]
    assert reading.rows["finding"].tolist() == ["COVID-19", "Normal", "Viral"]


def test_patients_are_unknown_and_a_note_says_so(tmp_path):
    reading = read(_write_new(tmp_path), OPTIONS)
    assert set(reading.rows["source"]) == {"radiography"}
    assert (
        reading.rows[["patient_id", "view", "sex", "age", "official_split"]].isna().all(axis=None)
    )
    assert any("the patients of 4 of 4 images are unknown" in note for note in reading.notes)
    assert "different ones for the classes" in reading.declared["radiography"]


def test_patients_table_fills_them_in(tmp_path):
    table = tmp_path / "p.csv"
    table.write_text("image,patient_id,source\nCOVID-1.png,7,padchest\nNormal-1.png,7,\n")
    rows = read(_write_new(tmp_path / "data"), SourceOptions(patients=table)).rows
    assert rows["patient_id"].fillna("?").tolist() == ["padchest:7", "?", "radiography:7", "?"]


def test_what_else_lies_there_is_listed(tmp_path):
    root = _write_new(tmp_path)
    _image(root / "COVID" / "stray.png")
    _image(root / "preview.png")
    _image(root / "Other" / "x.png")
    (root / "Normal" / "images" / "notes.txt").write_text("no image")
    (root / "Normal" / "images" / "Thumbs.db").write_text("no image")
    rejected = read(root, OPTIONS).rejected
    assert dict(zip(rejected["path"], rejected["category"], strict=True)) == dict.fromkeys(
        ["preview.png", "COVID/stray.png", "Normal/images/notes.txt", "Other/x.png"], "not listed"
    )


def test_linked_folder_of_images_is_followed_once(tmp_path):
    _image(tmp_path / "elsewhere" / "c.png")
    root = _write_new(tmp_path / "data")
    (root / "COVID" / "images" / "COVID-1.png").unlink()
    (root / "COVID" / "images").rmdir()
    (root / "COVID" / "images").symlink_to(tmp_path / "elsewhere")
    reading = read(root, OPTIONS)
    assert reading.rows["path"].iloc[0] == "COVID/images/c.png"
    assert reading.rejected.empty


def test_absent_folder_and_images_are_named(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        read(tmp_path / "absent", OPTIONS)
    with pytest.raises(ValueError, match="expected images in the class folders COVID/"):
        read(tmp_path, OPTIONS)
