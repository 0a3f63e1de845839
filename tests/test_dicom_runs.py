"""A run on DICOM files from end to end: the same figures as on images, and nobody's name."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.conftest import SMALL, run_entry, train_here
from tests.data.dicoms import PLANTED, dataset, encoded
from tfcovid.data.decode_files import decode_files
from tfcovid.data.image_store import ImageStore
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.sources import coronahack

FOLDER_OF = {"Normal": "normal", "COVID-19": "covid"}
NUMBER_OF_FILMS = 180


@pytest.fixture(scope="module")
def films(small_data):
    """A class folder name and pixels uint8 [48, 48] for each film, one a patient."""
    rows = coronahack.read(small_data).rows.drop_duplicates("patient_id").head(NUMBER_OF_FILMS)
    folders = rows["finding"].map(FOLDER_OF).fillna("pneumonia")
    pixels = [np.asarray(Image.open(small_data / path)) for path in rows["path"]]
    return list(zip(folders, pixels, strict=True))


@pytest.fixture(scope="module")
def runs(films, tmp_path_factory):
    """The folders of two runs: on the films as DICOM, each with a patient, and as PNG."""
    root = tmp_path_factory.mktemp("dicom")
    key = root / "site.key"
    key.write_bytes(bytes(range(32)))
    for number, (folder, pixels) in enumerate(films):
        for kind in ("dcm", "png"):
            (root / kind / folder).mkdir(parents=True, exist_ok=True)
        twelve_bit = dataset(
            pixels.astype(np.uint16) * 16, bits_stored=12, PatientID=f"PID-471100-{number}"
        )
        (root / "dcm" / folder / f"{number}.dcm").write_bytes(encoded(twelve_bit))
        Image.fromarray(pixels).save(root / "png" / folder / f"{number}.png")
    for kind, more in (("dcm", [f"--patient_key={key}"]), ("png", [])):
        folders = [f"--data_dir={root / kind}", f"--workdir={root / kind}-run"]
        train_here(*folders, *more, *SMALL, "--epochs=1")
    return root


def test_planted_patients_are_in_no_output_file(runs):
    files = [path for path in (runs / "dcm-run").rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        content = path.read_bytes().lower()
        assert not [word for word in PLANTED if word.encode() in content], path


def test_patients_are_told_apart_by_a_keyed_hash(runs):
    manifest = pd.read_csv(runs / "dcm-run" / "manifest.csv")
    assert manifest["patient_id"].str.fullmatch(r"dicom:[0-9a-f]{16}").all()
    assert manifest["patient_id"].is_unique
    assert set(manifest["mode"]) == {"MONOCHROME2"}


def test_dicom_files_decode_to_the_squares_of_the_images(runs):
    names = sorted(path.relative_to(runs / "dcm") for path in (runs / "dcm").rglob("*.dcm"))
    squares = Preprocessing(image_size=32)
    from_dicom = decode_files([str(runs / "dcm" / name) for name in names], squares)
    from_png = decode_files(
        [str(runs / "png" / name.with_suffix(".png")) for name in names], squares
    )
    for one, other in zip(from_dicom, from_png, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_predict_says_the_same_of_a_dicom_file_as_of_its_image(runs, films):
    folder = films[0][0]
    shown = run_entry(
        "predict",
        f"--model={runs / 'png-run' / 'saved_model'}",
        runs / "dcm" / folder / "0.dcm",
        runs / "png" / folder / "0.png",
    ).stdout
    one, other = map(json.loads, shown.splitlines())
    assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-6)
    assert one["decision"] == other["decision"]


def test_dicom_files_are_refused_where_the_stream_would_have_to_read_them(runs):
    path = next((runs / "dcm").rglob("*.dcm"))
    with pytest.raises(ValueError, match=r"--cache=none .* reads no DICOM files"):
        ImageStore.load([path], Preprocessing(image_size=32), cache="none")
