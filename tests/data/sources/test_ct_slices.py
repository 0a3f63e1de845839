import pytest

from tests.data.images import encode, noise
from tfcovid.data.sources.ct_slices import read, recognise
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.readers import READERS, RECOGNISERS

OPTIONS = SourceOptions()


def _write(root, *files):
    for seed, file in enumerate(files):
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(noise(40, 50, seed=seed), "PNG"))
    return root


def test_never_recognised_only_named(tmp_path):
    assert not recognise(_write(tmp_path, "covid/p1/1.png", "normal/p2/1.png"))
    assert "ct_slices" in READERS
    assert "ct_slices" not in RECOGNISERS


def test_patients_are_the_folders_of_a_class(tmp_path):
    root = _write(tmp_path / "ct", "covid/p1/1.png", "covid/p1/s2/2.png", "normal/p1/1.png")
    reading = read(root, OPTIONS)
    assert reading.rows["image"].tolist() == ["covid/p1/1.png", "2.png", "normal/p1/1.png"]
    assert reading.rows["patient_id"].tolist() == ["ct:covid/p1", "ct:covid/p1", "ct:normal/p1"]
    assert reading.rows["finding"].tolist() == ["COVID-19", "COVID-19", "Normal"]
    assert set(reading.rows["view"]) == {"CT slice"}
    assert set(reading.rows["source"]) == {"ct"}
    assert reading.notes == (
        "3 CT slices of 2 patients, by the names of their folders.",
        "1 folders of patients have one name in several classes and count as different patients: "
        "p1.",
    )


def test_files_elsewhere_are_rejected(tmp_path):
    files = ("a.png", "covid/b.png", "covid/.x/c.png", "covid/p/.DS_Store", "covid/p/n.txt")
    reading = read(_write(tmp_path, "covid/p/1.png", *files), OPTIONS)
    assert reading.rows["path"].tolist() == ["covid/p/1.png"]
    reasons = dict(zip(reading.rejected["path"], reading.rejected["reason"], strict=True))
    assert reasons.pop("covid/p/n.txt").startswith("no image, by its name")
    assert reasons == {
        "a.png": "in no class folder",
        "covid/b.png": "in no patient's folder",
        "covid/.x/c.png": "hidden, by its name",
    }


def test_bad_trees_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        read(tmp_path / "absent", OPTIONS)
    root = _write(tmp_path, "covid/1.png")
    with pytest.raises(ValueError, match="expected CT slices as CLASS/PATIENT/IMAGE"):
        read(root, OPTIONS)
    _write(root, "CT_NCP/p/1.png")
    with pytest.raises(ValueError, match=r"class folders: .*Received: CT_NCP; .*--label_names"):
        read(root, OPTIONS)
    options = SourceOptions(label_names={"ct_ncp": "COVID-19"})
    assert read(root, options).rows["finding"].tolist() == ["COVID-19"]
