import io
import pathlib

import numpy as np
import pytest
import tensorflow as tf
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
        Image.fromarray(rng.integers(0, 256, (32 + index, 40), np.uint8)).save(buffer, "PNG")
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
    broken.write_bytes(pathlib.Path(images[0]).read_bytes()[:60])  # the header is whole
    files = [images[0], str(broken), "no such file.png", images[1]]
    good, undecoded, missing, last = predict_files(signature, files, batch_size=4)
    assert good.decision and last.decision
    assert good.as_json().keys() == {"image", "probabilities", "decision"}
    assert "does not decode" in undecoded.as_json()["error"]
    assert "No such file" in missing.as_json()["error"]


def png(width, height):
    buffer = io.BytesIO()
    Image.new("L", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty file (0 bytes)"),
        (b"<html>", "not an image in one of the formats JPEG, PNG, GIF"),
        (png(31, 300), "too small: 31 by 300"),
        (png(300, 31), "too small: 300 by 31"),
        (png(101, 100), "too large: 101 by 100 is more than 10000 pixels"),
    ],
)
def test_header_that_is_no_x_ray_is_refused_with_the_reason(
    signature, images, tmp_path, content, expected
):
    (tmp_path / "odd.png").write_bytes(content)
    files = [str(tmp_path / "odd.png"), images[0]]
    refused, good = predict_files(signature, files, batch_size=2, max_pixels=10_000)
    assert refused.error is not None and expected in refused.error
    assert good.decision


def test_smallest_and_largest_allowed_image_is_classified(signature, tmp_path):
    (tmp_path / "edge.png").write_bytes(png(32, 32))
    files = [str(tmp_path / "edge.png")]
    (only,) = predict_files(signature, files, batch_size=1, max_pixels=32 * 32)
    assert only.decision


def saved(folder, **outputs):
    """Writes a SavedModel that somebody else could have made."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serve(image_bytes):
        return {name: tf.strings.length(image_bytes) + add for name, add in outputs.items()}

    module = tf.Module()
    module.serve = serve
    tf.saved_model.save(module, str(folder), signatures={"serving_default": serve})


def test_foreign_model_is_a_clear_error(tmp_path):
    saved(tmp_path / "other", scores=1)
    with pytest.raises(ValueError, match="found another SavedModel"):
        load_signature(tmp_path / "other")


def test_foreign_input_is_a_clear_error(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def serve(x):
        return {"probabilities": x, "labels": x, "decision": x}

    module = tf.Module()
    module.serve = serve
    tf.saved_model.save(module, str(tmp_path / "other"), signatures={"serving_default": serve})
    with pytest.raises(ValueError, match="found another SavedModel"):
        load_signature(tmp_path / "other")


def test_model_without_signature_is_a_clear_error(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "none"))
    with pytest.raises(ValueError, match="found another SavedModel"):
        load_signature(tmp_path / "none")


@pytest.mark.parametrize("share", [0, 0.5, 0.95])
@pytest.mark.parametrize(
    "part", ["saved_model.pb", "variables/variables.index", "variables/variables.data*"]
)
def test_model_cut_short_is_a_clear_error(tmp_path, part, share):
    folder = tmp_path / "saved_model"
    save_exported(exported(3), folder)
    (path,) = folder.glob(part)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"--model=.*(damaged|another SavedModel)"):
        load_signature(folder)


def test_run_folder_is_answered_with_its_model(tmp_path):
    (tmp_path / "saved_model").mkdir()
    with pytest.raises(ValueError, match=f"name {tmp_path / 'saved_model'}"):
        load_signature(tmp_path)


def test_folder_without_a_model_is_a_clear_error(tmp_path):
    with pytest.raises(ValueError, match="expected a SavedModel folder"):
        load_signature(tmp_path)
