import pytest

from tests.data.images import encode, noise
from tfcovid.data.sources.csv_table import read, recognise
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.readers import recognise as kind_of

OPTIONS = SourceOptions()


def _write(root, text, *files, name="table.csv"):
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")
    for seed, file in enumerate(files):
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(noise(40, 50, seed=seed), "PNG"))
    return root


def _rejected(reading, category):
    part = reading.rejected[reading.rejected["category"] == category]
    return dict(zip(part["path"], part["reason"], strict=True))


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ("path,finding", True),
        ("image,finding", True),
        ("finding", False),
        ("file,finding", False),
        ("", False),
    ],
)
def test_recognised_by_our_column_names(tmp_path, header, known):
    assert recognise(_write(tmp_path, header + "\n")) is known


def test_two_tables_are_not_recognised_and_must_be_named(tmp_path):
    _write(tmp_path, "path,finding\na.png,Normal\n", "a.png", name="one.csv")
    assert recognise(tmp_path)
    _write(tmp_path, "path,finding\na.png,COVID-19\n", name="two.csv")
    assert not recognise(tmp_path)
    with pytest.raises(
        ValueError, match=r"Received: one\.csv, two\.csv; name it with --table=FILE"
    ):
        read(tmp_path, OPTIONS)
    options = SourceOptions(table=tmp_path / "two.csv")
    assert read(tmp_path, options).rows["finding"].tolist() == ["COVID-19"]


def test_table_decides_where_there_are_class_folders_too(tmp_path):
    _write(tmp_path, "path,finding\ncovid/a.png,SARS\n", "covid/a.png", "normal/b.png")
    assert kind_of(tmp_path) == "csv"


def test_all_columns_are_read(tmp_path):
    text = (
        "path,finding,patient_id,source,view,sex,age,split\n"
        "x/a.png,Normal,7,here,PA,F,61,train\n"
        "./x//b.png,covid,here:8,here,,,,test\n"
        "x/c.png,,,,,,,\n"
    )
    rows = read(_write(tmp_path / "mine", text, "x/a.png", "x/b.png", "x/c.png"), OPTIONS).rows
    assert rows["path"].tolist() == ["x/a.png", "x/b.png", "x/c.png"]
    assert rows["image"].tolist() == ["a.png", "b.png", "c.png"]
    assert rows["finding"].fillna("?").tolist() == ["Normal", "COVID-19", "?"]
    assert rows["patient_id"].fillna("?").tolist() == ["here:7", "here:8", "?"]
    assert rows["source"].tolist() == ["here", "here", "mine"]
    assert rows["official_split"].fillna("?").tolist() == ["TRAIN", "TEST", "?"]
    assert rows.loc[0, ["view", "sex", "age"]].tolist() == ["PA", "F", 61.0]
    assert rows.loc[1, ["view", "sex", "age", "pathologies"]].isna().all()


def test_columns_and_labels_go_by_their_declared_names(tmp_path):
    text = "file,diagnosis,pid\na.png,nad,1\nb.png,NCP,2\n"
    options = SourceOptions(
        columns={"image": "file", "finding": "diagnosis", "patient_id": "pid"},
        label_names={"nad": "Normal", "ncp": "COVID-19"},
    )
    rows = read(_write(tmp_path / "d", text, "a.png", "b.png"), options).rows
    assert rows["finding"].tolist() == ["Normal", "COVID-19"]
    assert rows["patient_id"].tolist() == ["d:1", "d:2"]


def test_image_beside_a_path_is_the_id(tmp_path):
    root = _write(tmp_path, "image,path,finding\ni1,a.png,SARS\ni2,b.png,SARS\n", "a.png", "b.png")
    assert read(root, OPTIONS).rows["image"].tolist() == ["i1", "i2"]
    (root / "table.csv").write_text("image,path,finding\ni1,a.png,SARS\ni1,b.png,SARS\n")
    with pytest.raises(ValueError, match="column image, row 2: expected an id that no other path"):
        read(root, OPTIONS)


def test_missing_and_unlisted_images_are_rejected(tmp_path):
    text = "path,finding\nx/a.png,SARS\nx/gone.png,SARS\n"
    root = _write(tmp_path, text, "x/a.png", "x/new.png", "x/readme.txt", "y/far.png")
    reading = read(root, OPTIONS)
    assert _rejected(reading, "missing file") == {"x/gone.png": "missing file"}
    assert _rejected(reading, "not listed") == {"x/new.png": "table.csv does not list it"}
    assert "1 of 2 listed images are missing: gone.png." in reading.notes


def test_repeated_names_become_paths_and_a_repeated_row_does_not(tmp_path):
    text = "path,finding\nx/a.png,SARS\ny/a.png,SARS\nx/b.png,SARS\nx/b.png,SARS\n"
    reading = read(_write(tmp_path, text, "x/a.png", "y/a.png", "x/b.png"), OPTIONS)
    assert reading.rows["image"].tolist() == ["x/a.png", "y/a.png", "b.png"]
    assert list(_rejected(reading, "listed twice")) == ["x/b.png"]


def test_file_of_two_patients_makes_them_one_inside_their_source(tmp_path):
    text = (
        "path,finding,patient_id,source\n"
        "a.png,SARS,1,s\na.png,SARS,2,s\nb.png,SARS,2,s\nc.png,SARS,2,other\n"
    )
    rows = read(_write(tmp_path, text, "a.png", "b.png", "c.png"), OPTIONS).rows
    assert rows["patient_id"].tolist() == ["s:1", "s:1", "other:2"]


def test_links_out_of_the_folder_are_bad_files(tmp_path):
    _write(tmp_path / "elsewhere", "", "s.png")
    root = _write(tmp_path / "d", "path,finding\na.png,SARS\nl.png,SARS\nf/s.png,SARS\n", "a.png")
    (root / "l.png").symlink_to(tmp_path / "elsewhere" / "s.png")
    (root / "f").symlink_to(tmp_path / "elsewhere")
    reading = read(root, OPTIONS)
    assert reading.rows["path"].tolist() == ["a.png"]
    assert list(_rejected(reading, "bad file")) == ["l.png", "f/s.png"]
    assert len(reading.rejected) == 2 and not any("does not list" in n for n in reading.notes)


@pytest.mark.parametrize(
    "path", ["../a.png", "x/../../a.png", "/etc/a.png", "C:/a.png", "x\\a.png", ""]
)
def test_paths_out_of_the_folder_are_refused(tmp_path, path):
    root = _write(tmp_path, f"path,finding\na.png,SARS\n{path},SARS\n", "a.png")
    with pytest.raises(ValueError, match="column path, row 2: expected a path inside the data"):
        read(root, OPTIONS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,finding\na.png,tumour\na.png,nad\n", r"Received: nad, tumour; .*--label_names=nad"),
        ("path,finding,age\na.png,SARS,old\n", "column age, row 1: expected years"),
        ("path,finding,split\na.png,SARS,fold1\n", "column split, row 1: expected one of train"),
        ("path,label\na.png,SARS\n", "expected a column finding.*--columns=finding:NAME"),
        ("file,finding\na.png,SARS\n", "expected a column path.*--columns=path:NAME"),
        ("path,finding\ngone.png,SARS\n", r"none of the 1 is there; the first is gone\.png"),
    ],
)
def test_bad_tables_are_refused_with_the_way_out(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read(_write(tmp_path, text, "a.png"), OPTIONS)


def test_bad_columns_are_refused(tmp_path):
    root = _write(tmp_path, "path,finding\na.png,SARS\n", "a.png")
    with pytest.raises(ValueError, match=r"--columns=label:x: expected OURS:THEIRS, ours one of"):
        read(root, SourceOptions(columns={"label": "x"}))
    with pytest.raises(ValueError, match=r"table\.csv: expected the column pid"):
        read(root, SourceOptions(columns={"patient_id": "pid"}))
    with pytest.raises(ValueError, match="Received: none; name it with --table"):
        (root / "table.csv").unlink()
        read(root, OPTIONS)


def test_patients_table_fills_only_what_is_missing(tmp_path):
    patients = tmp_path / "p.csv"
    patients.write_text("image,patient_id,sex\na.png,A,F\nb.png,B,F\n")
    text = "path,finding,patient_id,sex\na.png,SARS,1,M\nb.png,SARS,,\n"
    root = _write(tmp_path / "d", text, "a.png", "b.png")
    rows = read(root, SourceOptions(patients=patients)).rows
    assert rows["patient_id"].tolist() == ["d:1", "d:B"]
    assert rows["sex"].tolist() == ["M", "F"]
