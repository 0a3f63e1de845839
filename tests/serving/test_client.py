import io
import pathlib

import numpy as np
import pytest
from PIL import Image

from tests.serving.test_exported import exported
from tfcovid.serving.client import load_signature, predict_files
from tfcovid.serving.exported import save_exported


@pytest.fixture(scope="module")
def signature(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "saved_model"
    save_exported(exported(3), folder)
    return load_signature(folder)


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(5):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (30 + index, 40), np.uint8)).save(buffer, "PNG")
        (tmp_path / f"{index}.png").write_bytes(buffer.getvalue())
    return [str(tmp_path / f"{index}.png") for index in range(5)]


def test_every_file_gets_its_line_in_order_whatever_the_batch(signature, images):
    in_twos = list(predict_files(signature, images, batch_size=2))
    at_once = list(predict_files(signature, images, batch_size=50))
    assert [prediction.image for prediction in in_twos] == images
    for one, other in zip(in_twos, at_once, strict=True):
        assert one.decision == other.decision
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
        assert sum(one.probabilities.values()) == pytest.approx(1)


def test_bad_files_get_an_error_and_the_others_of_the_batch_their_line(signature, images, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(pathlib.Path(images[0]).read_bytes()[:60])
    files = [images[0], str(broken), "no such file.png", images[1]]
    good, undecoded, missing, last = predict_files(signature, files, batch_size=4)
    assert good.decision and last.decision
    assert good.as_json().keys() == {"image", "probabilities", "decision"}
    assert "does not decode" in undecoded.as_json()["error"]
    assert "No such file" in missing.as_json()["error"]


def test_folder_without_a_model_is_a_clear_error(tmp_path):
    with pytest.raises(ValueError, match="expected a SavedModel folder"):
        load_signature(tmp_path)
