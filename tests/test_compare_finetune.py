"""Cells that are trained fully: really trained, scored beside their probes, never trained twice."""

import json
import shutil

import keras
import numpy as np
import pandas as pd
import pytest

from flags import compare_choices, compare_flags, parse
from tests.conftest import SMALL, train_here
from tests.test_compare import compare_here, content_of, random_weights
from tfcovid.experiment.classifiers import single
from tfcovid.models.backbones import build_backbone
from tfcovid.models.weights_file import load_backbone_weights

# Two cells of two seeds each. The first phase leaves a poor head, so that the second is the better.
FINETUNE = (
    "--finetune=binary-*-ce-*",
    "--finetune_seeds=2",
    "--head_epochs=1",
    "--epochs=2",
    "--warmup_epochs=0",
    "--batch_size=16",
    "--head_learning_rate=.3",
    "--learning_rate=1e-3",
    "--precision=mixed_bfloat16",
)
CELL = "binary-without-a-ce-class_weight"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return random_weights(tmp_path_factory.mktemp("systems") / "a.weights.h5", 0)


@pytest.fixture(scope="module")
def asked(small_data, weights):
    return [
        f"--data_dir={small_data}",
        f"--weights_files={weights}",
        "--image_size=32",
        "--seeds=2",
        "--tasks=binary",
        "--copies=bytes",
        "--imbalances=class_weight,weighted_sampling",
    ]


@pytest.fixture(scope="module")
def probes(asked, tmp_path_factory):
    """The folder of the comparison without fine-tuned cells."""
    workdir = tmp_path_factory.mktemp("probes") / "out"
    compare_here(*asked, f"--workdir={workdir}")
    return workdir


@pytest.fixture(scope="module")
def compared(asked, probes, tmp_path_factory):
    """The folder of a comparison that fine-tuned cells were added to, and what was shown."""
    workdir = tmp_path_factory.mktemp("finetuned") / "out"
    shutil.copytree(probes, workdir)
    return workdir, compare_here(*asked, *FINETUNE, f"--workdir={workdir}")


def cells_by(workdir, training):
    return [cell for cell in content_of(workdir)["cells"] if cell["training"] == training]


def without_time(cells):
    return [{k: v for k, v in cell.items() if k != "seconds"} for cell in cells]


def trained_model(workdir, name):
    path = workdir / "finetuned" / name / "checkpoints" / "model.keras"
    return keras.models.load_model(path, compile=False)


def test_a_training_moves_the_whole_backbone_from_the_system_s_weights(compared, weights):
    start = build_backbone("tiny", image_size=32, channels=3)
    load_backbone_weights(start, weights)
    models = [trained_model(compared[0], f"{CELL}-finetuned-seed{seed}") for seed in (0, 1)]
    for model in models:
        trained = model.get_layer("backbone").trainable_variables
        for before, after in zip(start.trainable_variables, trained, strict=True):
            assert 0 < np.abs(before.numpy() - after.numpy()).max() < 0.1
    kernels = [model.get_layer("logits").kernel.numpy() for model in models]
    assert not np.allclose(*kernels)


def test_a_training_leaves_what_a_run_leaves_of_it(compared):
    folder = compared[0] / "finetuned" / f"{CELL}-finetuned-seed0"
    phases = pd.read_csv(folder / "history.csv")["phase"].tolist()
    assert phases == ["1_head", *["2_fine_tuning"] * 2]
    assert {p.name for p in (folder / "tensorboard").iterdir()} == {"1_head", "2_fine_tuning"}


def test_only_the_cells_that_are_named_are_trained_fully(compared):
    workdir, _ = compared
    assert len(cells_by(workdir, "probe")) == 4
    assert [cell["loss"] for cell in cells_by(workdir, "finetuned")] == ["ce", "ce"]


def test_a_finetuned_cell_is_scored_on_the_images_of_its_probe(compared):
    whole, probe = (
        pd.read_csv(compared[0] / "cells" / f"{CELL}-{training}.csv")
        for training in ("finetuned", "probe")
    )
    assert whole["image"].tolist() == probe["image"].tolist()
    assert not np.allclose(whole["prob_COVID-19"], probe["prob_COVID-19"])


def test_the_record_says_how_each_network_was_trained(compared):
    for cell in cells_by(compared[0], "finetuned"):
        (fold,) = cell["folds"]
        assert [one["seed"] for one in fold["trainings"]] == [0, 1]
        assert {one["precision"] for one in fold["trainings"]} == {"mixed_bfloat16"}
        assert cell["seconds"] == pytest.approx(
            sum(one["seconds"] for one in fold["trainings"]), abs=0.1
        )


def test_the_probes_are_what_they_are_without_finetuned(compared, probes):
    """Computed anew, beside networks in another precision that have drawn from the generators."""
    alone, beside = (cells_by(folder, "probe") for folder in (probes, compared[0]))
    assert beside == alone


def test_differences_pair_a_network_with_its_probe_and_networks_with_each_other(compared):
    found = content_of(compared[0])["differences"]
    against = [d for d in found if d["factor"] == "training"]
    assert {(d["a"], d["b"], d["loss"]) for d in against} == {("finetuned", "probe", "ce")}
    assert len(against) == 2
    among = [d for d in found if d["factor"] != "training" and d["training"] == "finetuned"]
    assert [d["factor"] for d in among] == ["imbalance"]
    whole, probe = (
        next(cell for cell in cells_by(compared[0], t) if cell["loss"] == "ce")["metrics"]
        for t in ("finetuned", "probe")
    )
    assert against[0]["figures"]["balanced_accuracy"]["difference"] == pytest.approx(
        whole["balanced_accuracy"] - probe["balanced_accuracy"]
    )


def test_every_output_says_which_rows_are_fine_tuned(compared, probes):
    workdir, shown = compared
    page, latex = ((workdir / name).read_text() for name in ("compare.html", "compare.tex"))
    for text in (shown, page, latex):
        assert "Linear probes on frozen backbones, and 2 fine-tuned cells" in text
    for text in (shown, page):
        assert "These are not fine-tuned networks" not in text
        assert "finetuned" in text
    assert page.count("<td>finetuned</td>") >= 2
    assert "2 seeds (finetuned: 2)" in latex
    figures = pd.read_csv(workdir / "compare.csv")
    assert (figures["training"] == "finetuned").sum() == 2
    assert "finetuned" in set(pd.read_csv(workdir / "differences.csv")["a_value"])
    alone = (probes / "compare.html").read_text()
    assert "These are not fine-tuned networks" in alone and "finetuned" not in alone


def test_it_says_which_training_goes_on(compared):
    assert f"fine-tuning 2 of 4: {CELL}-finetuned-seed1" in compared[1]


def test_a_finished_training_is_not_done_again(compared, asked, monkeypatch):
    workdir, _ = compared
    before = cells_by(workdir, "finetuned")
    (workdir / "cells" / f"{CELL}-finetuned.json").unlink()
    (workdir / "finetuned" / f"{CELL}-finetuned-seed1" / "logits.npz").unlink()
    trained = []
    train = single.train
    monkeypatch.setattr(
        single,
        "train",
        lambda given, *rest: trained.append(given.config.run.seed) or train(given, *rest),
    )
    shown = compare_here(*asked, *FINETUNE, f"--workdir={workdir}")
    assert trained == [1]
    assert "kept from before" in shown
    after = cells_by(workdir, "finetuned")
    for one in (before[0], after[0]):
        for training in one["folds"][0]["trainings"]:
            del training["seconds"]
    assert without_time(after) == without_time(before)


def test_another_way_of_training_in_the_same_folder_is_refused(compared, asked):
    with pytest.raises(ValueError, match=r"weight_decay was 0\.05 and is 0\.1 now"):
        compare_here(*asked, *FINETUNE, "--weight_decay=.1", f"--workdir={compared[0]}")


def test_a_network_is_pretrained_and_so_are_the_defaults_of_its_training(asked):
    values = parse.flag_values_from_argv(["compare", *asked, "--finetune=all"])
    training = compare_flags.config_from_flags(values).training
    assert (training.head_epochs, training.learning_rate) == (3, 1e-4)


def test_a_network_of_a_run_starts_from_the_backbone_of_its_best_model(
    asked, small_data, probes, tmp_path, monkeypatch
):
    run = tmp_path / "earlier"
    manifest = f"--manifest={probes / 'manifest-binary.csv'}"
    train_here(
        f"--data_dir={small_data}",
        manifest,
        "--task=binary",
        f"--workdir={run}",
        *SMALL,
        "--copies=bytes",
    )
    starts = []
    train = single.train

    def look(given, model, *rest):
        starts.append(model.get_layer("backbone").get_weights())
        return train(given, model, *rest)

    monkeypatch.setattr(single, "train", look)
    compare_here(
        *(flag for flag in asked if not flag.startswith(("--weights_files", "--imbalances"))),
        f"--weights_files={run}",
        "--finetune=all",
        "--losses=ce",
        "--head_epochs=0",
        "--epochs=1",
        "--precision=float32",
        f"--workdir={tmp_path / 'out'}",
    )
    model = keras.models.load_model(run / "checkpoints" / "model.keras", compile=False)
    (start,) = starts
    for ours, its in zip(start, model.get_layer("backbone").get_weights(), strict=True):
        np.testing.assert_array_equal(ours, its)
    (cell,) = cells_by(tmp_path / "out", compare_choices.Trained.FINETUNED)
    assert json.dumps(cell["metrics"])
