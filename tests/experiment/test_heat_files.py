import numpy as np
from PIL import Image

from tests.data.images import write_images
from tfcovid.experiment.heat_files import HeatFiles
from tfcovid.serving.client import HeatMap, Prediction


def predicted(path, values):
    square = np.zeros(values.shape, np.uint8)
    heat = HeatMap("Normal", values.astype(np.float32), square)
    return Prediction(str(path), {"Normal": 1.0}, "Normal", heat_map=heat)


def test_an_empty_heat_map_is_null_and_no_picture(tmp_path):
    (path,) = write_images(tmp_path, 1)
    folder = tmp_path / "heat"
    folder.mkdir()
    files = HeatFiles(folder)
    said = files.draw(predicted(path, np.zeros((8, 8))))
    assert said == {"heatmap": None, "heatmap_class": "Normal"}
    assert not list(folder.iterdir())
    drawn = files.draw(predicted(path, np.eye(8)))
    with Image.open(drawn["heatmap"]) as picture:
        assert picture.size == (50, 40)
