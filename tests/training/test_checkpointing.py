import keras
import numpy as np
import pytest

from tfcovid.training.checkpointing import SELECTION_FIGURE, BestModel


@pytest.fixture
def model():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])


def end_epoch(best, model, epoch, value, kernel):
    best.set_model(model)
    model.layers[0].kernel.assign(np.full((2, 1), kernel))
    best.on_epoch_end(epoch, {SELECTION_FIGURE: value})


def saved_kernel(path):
    return float(keras.models.load_model(path).layers[0].kernel.numpy()[0, 0])


def test_lowest_figure_of_all_phases_is_kept(tmp_path, model):
    best = BestModel(tmp_path / "model.keras")
    best.phase = "head"
    end_epoch(best, model, 0, 0.9, 1.0)
    end_epoch(best, model, 1, 0.5, 2.0)
    best.phase = "fine-tuning"
    end_epoch(best, model, 0, 0.7, 3.0)
    assert saved_kernel(best.path) == 2.0
    assert (best.best, best.best_phase, best.best_epoch) == (0.5, "head", 1)


def test_nothing_but_the_model_lies_beside_it(tmp_path, model):
    best = BestModel(tmp_path / "model.keras")
    end_epoch(best, model, 0, 0.9, 1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_model_without_the_selection_figure_is_an_error(tmp_path, model):
    best = BestModel(tmp_path / "model.keras")
    with pytest.raises(KeyError, match=SELECTION_FIGURE):
        best.on_epoch_end(0, {"val_loss": 1.0})


def test_figure_that_is_no_number_is_never_the_best(tmp_path, model):
    best = BestModel(tmp_path / "model.keras")
    end_epoch(best, model, 0, float("nan"), 1.0)
    assert not best.path.exists()
