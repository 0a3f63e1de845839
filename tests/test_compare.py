"""A whole comparison on two small sets: one split, cells that stay, figures that can be redone."""

import contextlib
import io
import json
import pathlib
import re

import keras
import numpy as np
import pandas as pd
import pytest

from flags import compare_flags, compare_methods, parse
from tests.conftest import SMALL, run_entry, train_here
from tests.experiment.test_transfer import CONTRACT
from tfcovid.data.sources.synthetic import write_synthetic
from tfcovid.experiment.comparison import comparing
from tfcovid.experiment.comparison.cells import FACTORS, score_table
from tfcovid.experiment.comparison.pool import MAIN
from tfcovid.metrics.significance import holm
from tfcovid.models.backbones import build_backbone
from tfcovid.models.weights_file import save_backbone_weights


def random_weights(path, seed):
    keras.utils.set_random_seed(seed)
    backbone = build_backbone("tiny", image_size=32, channels=3)
    rng = np.random.default_rng(seed)
    for variable in backbone.variables:
        if variable.name.startswith(("gamma", "moving_variance")):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif variable.name.startswith(("beta", "moving_mean")):
            variable.assign(rng.normal(0, 0.1, variable.shape))
    save_backbone_weights(backbone, path, CONTRACT)
    return path


@pytest.fixture(scope="module")
def systems(tmp_path_factory):
    folder = tmp_path_factory.mktemp("systems")
    return [random_weights(folder / f"{name}.weights.h5", i) for i, name in enumerate("ab")]


@pytest.fixture(scope="module")
def extra_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "extra"
    write_synthetic(folder, seed=2, image_size=48, patients=200)
    return folder


@pytest.fixture(scope="module")
def asked(small_data, extra_data, systems):
    """The flags of a comparison with every factor."""
    return [
        f"--data_dir={small_data}",
        f"--extra_data_dir={extra_data}",
        f"--weights_files={systems[0]},{systems[1]}",
        "--image_size=32",
        "--seeds=2",
    ]


def compare_here(*arguments):
    """Compares in this process; returns what the terminal showed."""
    values = parse.flag_values_from_argv(["compare", *map(str, arguments)])
    compare_flags.refuse_unused(values)
    config = compare_flags.config_from_flags(values)
    comparison = compare_flags.comparison_from_flags(config, values)
    presets = compare_methods.presets_from_flags(config, comparison, values)
    policy = keras.config.dtype_policy()
    try:
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            comparing.run_comparison(config, comparison, presets)
    finally:
        keras.config.set_dtype_policy(policy)
    return shown.getvalue()


@pytest.fixture(scope="module")
def compared(asked, tmp_path_factory):
    """The folder of a finished comparison, and what the terminal showed."""
    workdir = tmp_path_factory.mktemp("compared") / "out"
    return workdir, compare_here(*asked, f"--workdir={workdir}")


def content_of(workdir):
    return json.loads((workdir / "compare.json").read_text())


def predictions_by_task(workdir):
    tables = {}
    for path in sorted((workdir / "cells").glob("*.csv")):
        tables.setdefault(path.name.split("-")[0], []).append(pd.read_csv(path))
    return tables


def test_every_place_of_the_grid_is_a_cell(compared):
    cells = content_of(compared[0])["cells"]
    assert len(cells) == 2 * 2 * 2 * 2
    assert len({tuple(cell[factor] for factor in FACTORS) for cell in cells}) == len(cells)


def test_all_cells_of_a_task_are_tested_on_the_same_images_of_the_main_data_set(compared):
    workdir, _ = compared
    for task, tables in predictions_by_task(workdir).items():
        manifest = pd.read_csv(workdir / f"manifest-{task}.csv")
        test = manifest[manifest["split"] == "test"]
        assert set(test["data_set"]) == {MAIN}
        for table in tables:
            assert table["image"].tolist() == test["image"].tolist()


def test_the_tasks_share_one_split(compared):
    workdir, _ = compared
    splits = [
        pd.read_csv(workdir / f"manifest-{task}.csv").set_index("image")["split"]
        for task in ("binary", "multiclass")
    ]
    shared = splits[0].index.intersection(splits[1].index)
    assert len(shared) > 300
    pd.testing.assert_series_equal(splits[0][shared], splits[1][shared])


def test_no_group_stands_in_two_splits(compared):
    manifest = pd.read_csv(compared[0] / "manifest-binary.csv")
    assert manifest.groupby("group_id")["split"].nunique().max() == 1


def test_only_the_setting_with_trains_on_the_added_images(compared):
    workdir, _ = compared
    manifest = pd.read_csv(workdir / "manifest-binary.csv")
    train = manifest[manifest["split"] == "train"]
    for cell in content_of(workdir)["cells"]:
        if cell["task"] == "binary":
            used = train if cell["setting"] == "with" else train[train["data_set"] == MAIN]
            assert cell["folds"][0]["images"]["train"] == len(used)


def test_figures_of_a_cell_equal_those_of_its_predictions(compared):
    workdir, _ = compared
    content = content_of(workdir)
    for cell in content["cells"][::5]:
        name = "-".join(cell[factor] for factor in FACTORS)
        table = pd.read_csv(workdir / "cells" / f"{name}.csv")
        again = score_table(table, tuple(content["classes"][cell["task"]]), seed=0)
        assert json.loads(json.dumps(again)) == cell["metrics"]


def test_holm_is_applied_over_all_differences(compared):
    found = content_of(compared[0])["differences"]
    entries = [entry for difference in found for entry in difference["figures"].values()]
    # 2 tasks, 3 factors of two values, 4 combinations of the other factors, 2 figures.
    assert len(entries) == 2 * 3 * 4 * 2
    expected = holm([entry["p_value"] for entry in entries])
    np.testing.assert_allclose([entry["p_holm"] for entry in entries], expected)


def test_a_difference_is_that_of_the_two_cells(compared):
    content = content_of(compared[0])
    values = {
        tuple(cell[factor] for factor in FACTORS): cell["metrics"]["balanced_accuracy"]
        for cell in content["cells"]
    }
    for found in content["differences"]:
        places = [
            tuple(found[side] if factor == found["factor"] else found[factor] for factor in FACTORS)
            for side in ("a", "b")
        ]
        entry = found["figures"]["balanced_accuracy"]
        assert entry["difference"] == pytest.approx(values[places[0]] - values[places[1]])
    assert {(d["a"], d["b"]) for d in content["differences"] if d["factor"] == "setting"} == {
        ("with", "without")
    }


def test_the_tables_say_linear_probes_and_stand_beside_controls(compared):
    workdir, shown = compared
    page, latex = ((workdir / name).read_text() for name in ("compare.html", "compare.tex"))
    for text in (shown, page, latex):
        assert "Linear probes" in text
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")
    assert r"\toprule" in latex and latex.count(r"\begin{tabular}") == 2
    assert "CLASS EQUALS SOURCE" not in page  # the synthetic sample has one source
    figures = pd.read_csv(workdir / "compare.csv")
    systems = content_of(workdir)["systems"]
    assert set(figures["system"]) == {
        *(system["name"] for system in systems),
        *("border_only", "thumbnail_32"),
        *(f"border_only_features-{system['name']}" for system in systems),
        *(f"lungs_hidden_features-{system['name']}" for system in systems),
    }
    assert len(pd.read_csv(workdir / "differences.csv")) == 48


def test_a_second_call_computes_only_what_is_missing(compared, asked, monkeypatch):
    workdir, _ = compared
    before = content_of(workdir)
    gone = next((workdir / "cells").glob("*.json"))
    written = {path: path.stat().st_mtime_ns for path in (workdir / "cells").glob("*")}
    gone.unlink()
    computed = []
    run_cell = comparing.run_cell
    monkeypatch.setattr(
        comparing, "run_cell", lambda *arguments: computed.append(1) or run_cell(*arguments)
    )
    shown = compare_here(*asked, f"--workdir={workdir}")
    assert len(computed) == 1
    assert "kept from before" in shown
    untouched = [path for path in written if path.stem != gone.stem]
    assert all(path.stat().st_mtime_ns == written[path] for path in untouched)
    after = content_of(workdir)
    for cell in (*before["cells"], *after["cells"]):
        del cell["seconds"]
    assert after["cells"] == before["cells"]
    assert after["differences"] == before["differences"]


@pytest.mark.parametrize("other", ["--seeds=3", "--losses=ce", "--seed=1", "--view=border_only"])
def test_another_comparison_in_the_same_folder_is_refused(compared, asked, other):
    with pytest.raises(ValueError, match="expected the comparison that it holds"):
        compare_here(*asked, f"--workdir={compared[0]}", other)


def test_other_weights_of_the_same_name_are_refused(compared, asked, systems, tmp_path):
    changed = random_weights(tmp_path / "a.weights.h5", 9)
    with pytest.raises(ValueError, match="weights_files was"):
        compare_here(*asked, f"--workdir={compared[0]}", f"--weights_files={changed},{systems[1]}")


def test_kfold_pools_every_image_of_the_main_data_set_once(small_data, systems, tmp_path):
    compare_here(
        f"--data_dir={small_data}",
        f"--weights_files={systems[0]}",
        "--image_size=32",
        "--seeds=1",
        "--tasks=multiclass",
        "--losses=ce",
        "--imbalances=none,weighted_sampling",
        "--split=kfold",
        "--folds=3",
        f"--workdir={tmp_path / 'out'}",
    )
    content = content_of(tmp_path / "out")
    cell = content["cells"][0]
    assert len(cell["folds"]) == 3
    table = pd.read_csv(tmp_path / "out" / "cells" / "multiclass-without-a-ce-none-probe.csv")
    assert sorted(table["fold"].unique()) == [0, 1, 2]
    images = pd.read_csv(tmp_path / "out" / "manifest-multiclass-fold0.csv")["image"]
    assert sorted(table["image"]) == sorted(images)
    assert [d["factor"] for d in content["differences"]] == ["imbalance"]


@pytest.fixture(scope="module")
def run_on_the_split(compared, small_data, extra_data, tmp_path_factory):
    """A run that was trained on the split of the comparison."""
    workdir = tmp_path_factory.mktemp("runs") / "fine_tuned"
    train_here(
        f"--data_dir={small_data}",
        f"--extra_data_dir={extra_data}",
        f"--manifest={compared[0] / 'manifest-multiclass.csv'}",
        f"--workdir={workdir}",
        *SMALL,
    )
    return workdir


def test_a_run_is_a_system_where_it_has_seen_no_test_image(asked, run_on_the_split, tmp_path):
    compare_here(
        *(flag for flag in asked if not flag.startswith("--weights_files")),
        f"--weights_files={run_on_the_split}",
        "--losses=ce",
        f"--workdir={tmp_path / 'out'}",
    )
    (system,) = content_of(tmp_path / "out")["systems"]
    assert system["name"] == "fine_tuned"
    assert "tiny" in system["about"]


def test_a_run_that_has_seen_test_images_is_refused(asked, finished_run, tmp_path):
    with pytest.raises(ValueError, match=r"the run has seen [0-9]+ of the [0-9]+ images"):
        compare_here(
            *(flag for flag in asked if not flag.startswith("--weights_files")),
            f"--weights_files={finished_run}",
            f"--workdir={tmp_path / 'out'}",
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "--weights_files: expected at least one"),
        (["--weights_files=no.weights.h5"], "--weights_files=no.weights.h5: expected"),
        (["--weights_files=.", "--settings=with"], "--settings=with without --extra_data_dir"),
        (["--weights_files=.", "--losses=mse"], "--losses=mse: expected among focal, ce"),
        (["--weights_files=.", "--tasks=source"], "--tasks=source: expected"),
        (["--weights_files=.,."], "expected each once"),
        (["--weights_files=.", "--seeds=0"], "--seeds=0: expected"),
        (["--weights_files=.", "--backbone=tiny"], "--backbone: compare does not read it"),
        (["--weights_files=.", "--epochs=3"], "--epochs=3 without --finetune"),
        (["--weights_files=.", "--finetune_seeds=1"], "--finetune_seeds=1 without --finetune"),
        (["--weights_files=.", "--zoom=0"], "--zoom=0.0 without --finetune"),
        (["--weights_files=.", "--finetune=viral-*"], "--finetune=viral-*: expected all or a"),
        (["--weights_files=.", "--finetune=all", "--epochs=-1"], "--epochs=-1: expected"),
        (["--weights_files=.", "--losses=ce", "--focal_gamma=1"], "--focal_gamma acts only"),
        (["--weights_files=."], "expected a file of a finished run"),
    ],
)
def test_compare_says_what_it_lacks(arguments, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=re.escape(expected)):
        compare_here(*arguments)
    assert not list(pathlib.Path(tmp_path).iterdir())


def test_the_command_ends_in_one_line_where_flags_are_wrong():
    done = run_entry("compare", "--weights_files=no.weights.h5", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: --weights_files=no.weights.h5")
    assert done.stderr.count("\n") == 1
