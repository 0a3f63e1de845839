"""A command whose training diverges says on which images, and what is left of it."""

import json

import pandas as pd
import pytest

from flags.resume_flags import Keeping
from tests.conftest import SMALL, run_entry, train_here
from tfcovid.training.divergence import StopAtDivergence

NO_CONTROLS = "--controls=none"


def test_a_learning_rate_far_too_large_ends_in_one_line_that_names_images(small_data, tmp_path):
    asked = [f"--data_dir={small_data}", *SMALL, NO_CONTROLS, "--learning_rate=1e25"]
    done = run_entry("train", *asked, f"--workdir={tmp_path / 'run'}", check=False)
    record = json.loads((tmp_path / "run" / "diverged.json").read_text())
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert record["reason"] in line and "lower --learning_rate" in line
    assert "--precision=float32" not in line  # it is float32
    assert record["images"][0].rpartition("/")[2] in line and "and 61 more" in line
    manifest = pd.read_csv(tmp_path / "run" / "manifest.csv")
    train = set(manifest.loc[manifest["split"] == "train", "path"])
    assert len(record["images"]) == 64 and set(record["images"]) <= train
    assert not (tmp_path / "run" / "finished.json").exists()


def diverge_in(monkeypatch, epoch):
    """Lets a run's loss be no number at the second batch of an epoch."""
    look = StopAtDivergence.on_train_batch_end

    def look_and_spoil(self, batch, logs=None):
        spoilt = self.epoch == epoch and batch == 1
        look(self, batch, {"loss": float("nan")} if spoilt else logs)

    monkeypatch.setattr(StopAtDivergence, "on_train_batch_end", look_and_spoil)


def test_the_last_good_model_and_snapshot_are_named_and_the_run_goes_on_from_there(
    small_data, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    asked = [f"--data_dir={small_data}", *SMALL, NO_CONTROLS, f"--workdir={run}"]
    keeping = Keeping(goes_on=True, every_s=0.0)
    with monkeypatch.context() as patch:
        diverge_in(patch, 1)
        with pytest.raises(FloatingPointError) as caught:
            train_here(*asked, "--precision=mixed_bfloat16", keeping=keeping)
    record = json.loads((run / "diverged.json").read_text())
    assert (record["epoch"], record["batch"], record["best_epoch"]) == (2, 2, 1)
    assert (run / record["best_model"]).is_file() and (run / record["snapshot"]).is_file()
    assert f"the last good model is {run / record['best_model']}, epoch 1 of" in str(caught.value)
    assert "or try --precision=float32" in str(caught.value)
    train_here(*asked, "--precision=mixed_bfloat16", keeping=keeping)
    assert (run / "finished.json").is_file() and not (run / "diverged.json").exists()
