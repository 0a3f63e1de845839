"""Files that decode and yet are no plain film: refused, or classified with a warning."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import ExifTags, Image

from tests.data.dicoms import dicom
from tests.data.images import encode, noise
from tests.serving.conftest import PREDICT, b64, client_of
from tests.serving.test_exported import PREPROCESSING, of_rule, random_model, rule_of
from tfcovid.serving.client import load_signature, predict_files
from tfcovid.serving.exported import save_exported
from tfcovid.serving.servable import Servable

CLASSIFY = "/api/classify"
PIXELS = noise(40, 50)
SLICE = dicom(PIXELS, Modality="CT")
NO_FILM = "modality CT: expected a radiograph (CR, DX or RG)"


@pytest.fixture(scope="module")
def cropping_folder(tmp_path_factory):
    """The SavedModel of a network that crops to the lungs."""
    folder = tmp_path_factory.mktemp("cropping") / "saved_model"
    cropping = dataclasses.replace(PREPROCESSING, chain="lung_crop")
    save_exported(of_rule(rule_of(3), random_model(3), preprocessing=cropping), folder)
    return folder


def predicted(folder, tmp_path, *contents):
    """Returns the JSON line of each file, as `predict` gives them."""
    files = [str(tmp_path / str(number)) for number in range(len(contents))]
    for number, content in enumerate(contents):
        (tmp_path / str(number)).write_bytes(content)
    found = predict_files(load_signature(folder), files, batch_size=8, new_images=True)
    return [prediction.as_json() for prediction in found]


def test_a_ct_slice_is_refused_by_a_model_of_films(client, model_folder, tmp_path):
    answer = client.post(CLASSIFY, content=SLICE)
    assert (answer.status_code, answer.json()) == (400, {"error": NO_FILM})
    answer = client.post(PREDICT, content=json.dumps({"instances": [b64(SLICE)]}))
    assert (answer.status_code, answer.json()) == (400, {"error": f"instances[0]: {NO_FILM}"})
    line, good = predicted(model_folder, tmp_path, SLICE, dicom(PIXELS))
    assert line["error"] == NO_FILM and good["decision"]


def test_a_ct_slice_is_taken_by_a_model_that_crops_to_the_lungs(cropping_folder, tmp_path):
    with client_of(Servable(cropping_folder)) as client:
        answer = client.post(CLASSIFY, content=SLICE)
        assert answer.status_code == 200 and "lungs_found" in answer.json()
    (line,) = predicted(cropping_folder, tmp_path, SLICE)
    assert line["decision"] == answer.json()["decision"]


def test_scoring_a_data_set_asks_no_modality(model_folder, tmp_path):
    (tmp_path / "slice.dcm").write_bytes(SLICE)
    (line,) = predict_files(
        load_signature(model_folder), [str(tmp_path / "slice.dcm")], batch_size=1
    )
    assert line.decision


def animated():
    frames = [Image.fromarray(noise(40, 50, seed=seed)) for seed in range(3)]
    return encode(frames[0], "GIF", save_all=True, append_images=frames[1:])


def test_an_animation_is_refused_with_its_number_of_frames(client, model_folder, tmp_path):
    answer = client.post(CLASSIFY, content=animated())
    assert (answer.status_code, answer.json()) == (400, {"error": "3 frames: expected one film"})
    (line,) = predicted(model_folder, tmp_path, animated())
    assert line["error"] == "3 frames: expected one film"


def turned():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return encode(PIXELS, "JPEG", exif=exif.tobytes())


WARNED = {
    "turned": (turned(), "the file says it is rotated (EXIF orientation 6); pixels are"),
    "flat": (encode(np.full((40, 50), 9, np.uint8), "PNG"), "no contrast: every pixel has"),
    "flat DICOM": (dicom(np.full((40, 50), 9, np.uint8)), "no contrast: every pixel has"),
    "flat 16 bit": (encode(np.full((40, 50), 9, np.uint16), "PNG"), "no contrast: every pixel"),
}


@pytest.mark.parametrize("name", WARNED)
def test_what_is_odd_about_an_image_stands_beside_its_answer(client, model_folder, tmp_path, name):
    content, warning = WARNED[name]
    answer = client.post(CLASSIFY, content=content)
    assert answer.status_code == 200
    (said,) = answer.json()["warnings"]
    assert said.startswith(warning)
    line, plain = predicted(model_folder, tmp_path, content, encode(PIXELS, "PNG"))
    assert line["warnings"] == [said] and plain["warnings"] == []
    assert line["decision"] == answer.json()["decision"]


def test_an_answer_has_the_rule_of_the_card_that_travels_with_the_model(client, plain_folder):
    content = encode(PIXELS, "PNG")
    assert client.post(CLASSIFY, content=content).json()["rule"] == "the 7th rule."
    with client_of(Servable(plain_folder)) as plain:
        assert plain.post(CLASSIFY, content=content).json()["rule"] is None
