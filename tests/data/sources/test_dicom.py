import stat

import pytest

from tests.data.dicoms import NAME, PATIENT_ID, PLANTED, compressed, dicom, lut
from tests.data.images import encode, noise
from tfcovid.data.image_files import scan_files
from tfcovid.data.sources.dicom import read, recognise
from tfcovid.data.sources.dicom_patients import (
    default_key_path,
    keyed_id,
    shows_a_name,
    site_key,
    years_of_age,
)
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.readers import recognise as kind_of

PIXELS = noise(40, 50)


@pytest.fixture(autouse=True)
def config_folder(tmp_path_factory, monkeypatch):
    """Keeps the tests from the user's own key."""
    folder = tmp_path_factory.mktemp("config")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    return folder


@pytest.fixture
def options(tmp_path_factory):
    key = tmp_path_factory.mktemp("site") / "patient.key"
    key.write_bytes(bytes(range(32)))
    return SourceOptions(patient_key=key)


def _write(root, **files):
    """Writes files by their path, with __ for / and no ending."""
    return _write_files(root, {name.replace("__", "/"): file for name, file in files.items()})


def _write_files(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def _rejected(reading):
    table = reading.rejected
    return {
        path: (str(category), reason)
        for path, category, reason in zip(
            table["path"], table["category"], table["reason"], strict=True
        )
    }


def _everything(reading):
    return "\n".join(
        [reading.rows.to_csv(), reading.rejected.to_csv(), *reading.notes, repr(reading)]
    ).lower()


def test_header_says_view_sex_age_and_a_hashed_patient(tmp_path, options):
    tags = {"ViewPosition": "PA", "PatientSex": "F", "PatientAge": "058Y"}
    files = {
        "a.dcm": dicom(PIXELS, **tags),
        "deep/er/b": dicom(PIXELS, PatientID="", Modality="CR"),
    }
    reading = read(_write_files(tmp_path / "clinic", files), options)
    first, second = reading.rows.to_dict("records")
    assert reading.rows["image"].tolist() == ["a.dcm", "b"]
    assert reading.rows["path"].tolist() == ["a.dcm", "deep/er/b"]
    assert (first["view"], first["sex"], first["age"]) == ("PA", "F", 58)
    assert first["patient_id"] == keyed_id(PATIENT_ID, bytes(range(32)))
    assert set(reading.rows["source"]) == {"clinic"}
    assert reading.rows.loc[1, ["patient_id", "view", "sex", "age"]].isna().all(), second
    assert reading.rows[["finding", "official_split", "pathologies"]].isna().all(axis=None)
    assert any("2 of 2 images have no finding" in note for note in reading.notes)
    assert any("the patients of 1 of 2 images are unknown" in note for note in reading.notes)
    assert reading.rejected.empty


def test_nothing_of_the_patient_is_in_the_reading(tmp_path, options):
    files = {
        "a.dcm": dicom(PIXELS),
        "b.dcm": compressed(PIXELS),
        "ct.dcm": dicom(PIXELS, Modality="CT"),
        "odd.dcm": dicom(PIXELS, ViewPosition=NAME, PatientSex=NAME[:4], PatientAge="Z"),
        "name.dcm": dicom(PIXELS, Modality=NAME),
        "loud.dcm": dicom(PIXELS, Modality=PLANTED[0].upper()),
        "cut.dcm": dicom(PIXELS)[:400],
    }
    assert b"Zimperlein" in files["a.dcm"]
    reading = read(_write_files(tmp_path, files), options)
    text = _everything(reading)
    assert not [word for word in PLANTED if word in text]
    assert options.patient_key.read_bytes().hex() not in text
    _, rejected = scan_files(reading.rows, reading.root)
    assert not [word for word in PLANTED if word in rejected.to_csv().lower()]


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("PA", "PA"),
        ("LEFT LATERAL", "LEFT LATERAL"),
        ("AP_SUPINE", "AP_SUPINE"),
        ("ZIMPERLEIN", None),
        ("PA ZIMPERLEIN", None),
        ("19580417", None),
    ],
)
def test_a_view_has_no_words_but_those_of_views(tmp_path, options, written, read_as):
    _write_files(tmp_path, {"a.dcm": dicom(PIXELS, ViewPosition=written)})
    found = read(tmp_path, options).rows["view"]
    assert found.fillna("none").tolist() == [read_as or "none"]


def test_the_key_alone_decides_the_patient_id(tmp_path, options):
    root = _write_files(
        tmp_path / "data",
        {
            "a.dcm": dicom(PIXELS),
            "b.dcm": dicom(PIXELS[::-1], PatientID=PATIENT_ID + " "),
            "c.dcm": dicom(PIXELS, PatientID="2"),
        },
    )
    first, again, other = read(root, options).rows["patient_id"]
    assert first == again != other
    assert len(first) == len("dicom:") + 16
    key = tmp_path / "other.key"
    key.write_bytes(bytes(range(1, 33)))
    assert read(root, SourceOptions(patient_key=key)).rows["patient_id"][0] != first
    assert read(root, options).rows["patient_id"][0] == first


def test_keyed_id_equals_the_published_hmac():
    # RFC 4231, test case 2.
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert keyed_id("what do ya want for nothing?", b"Jefe") == f"dicom:{expected[:16]}"


def test_default_key_is_made_once_and_only_its_owner_can_read_it(tmp_path, config_folder):
    root = _write_files(tmp_path / "data", {"a.dcm": dicom(PIXELS)})
    first = read(root, SourceOptions()).rows["patient_id"][0]
    path = default_key_path()
    assert path == config_folder / "tfcovid" / "patient.key"
    assert len(path.read_bytes()) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert read(root, SourceOptions()).rows["patient_id"][0] == first
    path.unlink()
    assert read(root, SourceOptions()).rows["patient_id"][0] != first


def test_no_key_is_made_where_there_is_no_patient(tmp_path, config_folder):
    read(_write_files(tmp_path, {"a.dcm": dicom(PIXELS, PatientID=None)}), SourceOptions())
    assert not list(config_folder.iterdir())


def test_absent_and_short_keys_are_refused(tmp_path, config_folder):
    with pytest.raises(ValueError, match=r"--patient_key=.*none.key: expected a file .* make one"):
        site_key(tmp_path / "none.key")
    (tmp_path / "short.key").write_bytes(b"secret")
    with pytest.raises(ValueError, match=r"short.key: expected 16 bytes or more.*6 bytes"):
        site_key(tmp_path / "short.key")
    (config_folder / "tfcovid").write_text("a file where the folder should be")
    with pytest.raises(ValueError, match="cannot open it"):
        site_key(None)
    assert default_key_path({}).parts[-3:] == (".config", "tfcovid", "patient.key")


@pytest.mark.parametrize(
    ("age", "years"),
    [
        ("058Y", 58),
        ("006M", 0.5),
        ("026W", 26 * 7 / 365.25),
        ("003D", 3 / 365.25),
        ("58", None),
        ("58 years", None),
        ("999Y", None),
        ("", None),
        (None, None),
    ],
)
def test_age_in_years(age, years):
    assert years_of_age(age) == (None if years is None else pytest.approx(years))


def test_other_modalities_and_files_are_set_aside_with_the_reason(tmp_path, options):
    directory = dicom(SOPClassUID="1.2.840.10008.1.3.10")
    root = _write_files(
        tmp_path,
        {
            "good.dcm": dicom(PIXELS, Modality="RG"),
            "ct.dcm": dicom(PIXELS, Modality="CT"),
            "sr.dcm": dicom(Modality="SR"),
            "none.dcm": dicom(PIXELS, Modality=None),
            "DICOMDIR": directory,
            "cut.dcm": dicom(PIXELS)[:200],
            "tiny.dcm": dicom(PIXELS)[:135],
            "text.dcm": b"no DICOM at all",
            "empty.dcm": b"",
            "readme.txt": b"hello",
            "a.png": encode(PIXELS, "PNG"),
            ".hidden.dcm": dicom(PIXELS),
        },
    )
    reading = read(root, options)
    assert reading.rows["image"].tolist() == ["good.dcm"]
    no_mark = ("bad file", "not a DICOM file: the mark DICM is missing")
    cut = ("bad file", "damaged or cut off: the header of the DICOM file is not whole")
    assert _rejected(reading) == {
        "ct.dcm": ("no X-ray", "modality CT, not one of CR, DX, RG"),
        "sr.dcm": ("no X-ray", "modality SR, not one of CR, DX, RG"),
        "none.dcm": ("no X-ray", "no modality that DICOM allows, not one of CR, DX, RG"),
        "DICOMDIR": ("not listed", "the directory of a DICOM medium, no image"),
        "cut.dcm": cut,
        "tiny.dcm": cut,
        "text.dcm": no_mark,
        "empty.dcm": no_mark,
        "readme.txt": ("not listed", "no DICOM file"),
        "a.png": ("not listed", "no DICOM file"),
        ".hidden.dcm": ("not listed", "hidden, by its name"),
    }


def test_folder_without_an_x_ray_says_what_there_is(tmp_path, options):
    with pytest.raises(ValueError, match="there is no such folder"):
        read(tmp_path / "absent", options)
    with pytest.raises(ValueError, match=r"expected DICOM files of X-rays .* Received: none"):
        read(tmp_path, options)
    files = {"1.dcm": dicom(PIXELS, Modality="CT"), "2.dcm": dicom(PIXELS, Modality="CT")}
    with pytest.raises(ValueError, match=r"Received: 2 modality CT, not one of CR, DX, RG"):
        read(_write_files(tmp_path, files), options)


def test_folder_directly_below_the_root_says_the_finding(tmp_path, options):
    root = _write(
        tmp_path,
        covid__study__a=dicom(PIXELS),
        normal__b=dicom(PIXELS),
        odd__c=dicom(PIXELS),
        ward__covid__d=dicom(PIXELS),
    )
    assert read(root, options).rows.set_index("image")["finding"].fillna("?").to_dict() == {
        "a": "COVID-19",
        "b": "Normal",
        "c": "?",
        "d": "?",
    }
    named = SourceOptions(patient_key=options.patient_key, label_names={"odd": "Pneumonia"})
    assert read(root, named).rows.set_index("image")["finding"]["c"] == "Pneumonia"


def test_labels_table_goes_before_the_folder(tmp_path, options):
    root = _write(tmp_path, covid__a=dicom(PIXELS), covid__b=dicom(PIXELS), c=dicom(PIXELS))
    (root / "labels.csv").write_text("path,finding\n./covid/a,normal\nc,viral\nd.dcm,covid\n")
    reading = read(root, options)
    findings = reading.rows.set_index("image")["finding"].to_dict()
    assert findings == {"a": "Normal", "b": "COVID-19", "c": "Viral"}
    assert _rejected(reading) == {"d.dcm": ("missing file", "missing file")}
    assert any("1 listed images are missing" in note for note in reading.notes)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("path,label\na,normal\n", "expected the column finding"),
        ("path,finding\na,tumour\n", r"column finding: .* Received: tumour.*--label_names"),
        ("path,finding\na,normal\n./a,covid\n", "row 2 lists a file a second time"),
        ("path,finding\n,normal\n", "expected a path in row 1"),
        ("path,finding\nb,normal\n", "none of the 1 is one"),
    ],
)
def test_labels_that_cannot_be_used_are_named(tmp_path, options, table, message):
    root = _write(tmp_path, a=dicom(PIXELS))
    (root / "labels.csv").write_text(table)
    with pytest.raises(ValueError, match=message):
        read(root, options)


def test_burned_in_text_raw_data_and_names_in_paths_are_counted_never_shown(tmp_path, options):
    files = {
        "a.dcm": dicom(PIXELS, BurnedInAnnotation="YES"),
        "b.dcm": dicom(PIXELS, PresentationIntentType="FOR PROCESSING", BurnedInAnnotation="NO"),
        "quintus/c.dcm": dicom(PIXELS),
        f"{PATIENT_ID}.dcm": dicom(PIXELS),
        "some^one.dcm": dicom(PIXELS, PatientName=""),
    }
    notes = read(_write_files(tmp_path / "x", files), options).notes
    assert any(note.startswith("x: 1 images have text burned in") for note in notes)
    assert any(note.startswith("x: 1 images are a detector's raw data") for note in notes)
    assert any(note.startswith("x: 3 paths of files show a part of") for note in notes)
    assert any("all 5 images bear the same PatientID" in note for note in notes)
    assert not [word for word in PLANTED if word in " ".join(notes).lower()]


def test_short_parts_of_names_are_no_hint():
    assert shows_a_name("x/mueller_1.dcm", "Müller^Anna=Mueller", None)
    assert not shows_a_name("x/label.dcm", "El^Li", "1")
    assert not shows_a_name("x/1.dcm", None, None)


def test_patients_table_fills_what_the_header_lacks(tmp_path, options):
    root = _write(tmp_path / "x", a=dicom(PIXELS, PatientID=None), b=dicom(PIXELS))
    table = tmp_path / "patients.csv"
    table.write_text("image,patient_id,age\na,7,40\nb,8,41\n")
    rows = read(root, SourceOptions(patients=table, patient_key=options.patient_key)).rows
    assert rows["patient_id"].tolist() == ["x:7", keyed_id(PATIENT_ID, bytes(range(32)))]
    assert rows["age"].tolist() == [40, 41]


def test_lut_with_a_window_does_not_disturb_the_header(tmp_path, options):
    content = dicom(PIXELS, VOILUTSequence=lut(range(256), bits=8), ViewPosition="AP")
    assert read(_write(tmp_path, a=content), options).rows["view"].tolist() == ["AP"]


def test_recognised_by_ending_or_preamble_where_no_other_images_are(tmp_path):
    assert not recognise(tmp_path / "absent")
    assert recognise(_write_files(tmp_path / "ending", {"deep/a.DCM": b"anything"}))
    assert recognise(_write_files(tmp_path / "uid", {"deep/1.2.840.1": dicom(PIXELS)}))
    assert not recognise(_write_files(tmp_path / "text", {"readme": b"hello", "b.txt": b""}))
    mixed = {"covid/a.dcm": dicom(PIXELS), "normal/b.png": encode(PIXELS, "PNG")}
    assert not recognise(_write_files(tmp_path / "mixed", mixed))
    assert kind_of(tmp_path / "mixed") == "folders"


def test_dicom_goes_before_class_folders_and_a_known_table_before_dicom(tmp_path):
    files = {"covid/a.dcm": dicom(PIXELS), "normal/b.dcm": dicom(PIXELS)}
    root = _write_files(tmp_path, files)
    assert kind_of(root) == "dicom"
    (root / "labels.csv").write_text("path,finding\ncovid/a.dcm,covid\n")
    assert kind_of(root) == "dicom"
    (root / "labels.csv").rename(root / "table.csv")
    assert kind_of(root) == "csv"


def test_no_more_than_200_files_are_looked_at(tmp_path):
    files = {f"{number:03}.txt": b"" for number in range(200)} | {"z.dcm": b""}
    assert not recognise(_write_files(tmp_path, files))
    (tmp_path / "000.txt").unlink()
    assert recognise(tmp_path)
