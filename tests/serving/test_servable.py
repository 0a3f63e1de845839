"""What the server reads of a SavedModel's folder."""

import shutil

import pytest
import tensorflow as tf

from tests.serving.conftest import CARD, png
from tfcovid.serving.exported import ASSETS
from tfcovid.serving.servable import Servable


def test_signatures_say_what_one_row_is_and_which_outputs_have_no_batch_axis(servable):
    default, image = (servable.signatures[name] for name in ("serving_default", "image"))
    assert (default.input_name, default.dtype, default.rank) == ("image_bytes", tf.string, 0)
    assert (image.input_name, image.dtype, image.rank) == ("images", tf.uint8, 3)
    shared = {name: one.shared for name, one in servable.signatures.items()}
    labels_once = {key: {"labels"} for key in ("serving_default", "image", "explain")}
    assert shared == {**labels_once, "rows": set()}
    assert servable.labels == ["Normal", "Pneumonia", "COVID-19"]


def test_every_row_gets_its_own_outputs(servable):
    files = [png(1), png(2)]
    together = servable.call("serving_default", files)
    for file, outputs in zip(files, together, strict=True):
        (alone,) = servable.call("serving_default", [file])
        assert outputs["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-6)
        assert outputs["decision"] == alone["decision"]
    assert together[0]["probabilities"] != pytest.approx(together[1]["probabilities"], abs=1e-6)


def test_the_card_is_read_where_there_is_one(servable, plain_folder):
    assert servable.card == CARD and servable.explains
    plain = Servable(plain_folder)
    assert plain.card is None and not plain.explains


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_damaged_card_is_one_line_with_its_path(plain_folder, tmp_path, content):
    folder = tmp_path / "saved_model"
    shutil.copytree(plain_folder, folder)
    card = folder / ASSETS / "model_card.json"
    card.write_text(content)
    with pytest.raises(ValueError, match=r"model_card\.json: expected .*copy the model once more"):
        Servable(folder)
