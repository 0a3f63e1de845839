import keras
import numpy as np
import pytest

from tfcovid.training.checkpointing import SELECTION_FIGURE, BestModel
from tfcovid.training.snapshots import Snapshots, carries_digest


@pytest.fixture
def model():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])


@pytest.fixture
def best(tmp_path):
    return BestModel(tmp_path / "model.keras", Snapshots(tmp_path))


def end_epoch(best, model, epoch, value, kernel):
    best.set_model(model)
    model.layers[0].kernel.assign(np.full((2, 1), kernel))
    best.on_epoch_end(epoch, {SELECTION_FIGURE: value})


def saved_kernel(path):
    return float(keras.models.load_model(path).layers[0].kernel.numpy()[0, 0])


def test_lowest_figure_of_all_phases_is_kept(best, model):
    best.phase = "head"
    end_epoch(best, model, 0, 0.9, 1.0)
    end_epoch(best, model, 1, 0.5, 2.0)
    best.phase = "fine-tuning"
    end_epoch(best, model, 0, 0.7, 3.0)
    assert (best.best, best.best_phase, best.best_epoch) == (0.5, "head", 1)
    best.settle()
    assert saved_kernel(best.path) == 2.0


def test_a_model_that_no_snapshot_needs_goes_when_a_better_one_is_there(tmp_path, best, model):
    end_epoch(best, model, 0, 0.9, 1.0)
    first = best.file
    best.snapshots.write({}, {}, needs=[first.name])
    end_epoch(best, model, 1, 0.8, 2.0)
    second = best.file
    end_epoch(best, model, 2, 0.7, 3.0)
    assert sorted(tmp_path.glob("*.keras")) == sorted([first, best.file])
    assert carries_digest(best.file) and not second.exists()


def test_when_it_is_settled_nothing_but_the_model_lies_there(tmp_path, best, model):
    end_epoch(best, model, 0, 0.9, 1.0)
    best.settle()
    best.remove_all()
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_what_it_has_seen_can_be_taken_over(tmp_path, best, model):
    end_epoch(best, model, 0, 0.5, 2.0)
    other = BestModel(best.path, best.snapshots)
    other.go_on(best.progress())
    end_epoch(other, model, 1, 0.6, 3.0)
    other.settle()
    assert saved_kernel(best.path) == 2.0 and other.describe() == best.describe()


def test_model_without_the_selection_figure_is_an_error(best):
    with pytest.raises(KeyError, match=SELECTION_FIGURE):
        best.on_epoch_end(0, {"val_loss": 1.0})


def test_figure_that_is_no_number_is_never_the_best(best, model):
    end_epoch(best, model, 0, float("nan"), 1.0)
    assert best.file is None
    with pytest.raises(FloatingPointError, match="no epoch had a finite validation log-loss"):
        best.settle()
    assert not best.path.exists()
