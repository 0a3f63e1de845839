import re

import pytest
from absl import flags as absl_flags

from flags import compare_flags, compare_methods, config, parse
from flags.preset_files import (
    DECIDING_FLAGS,
    PRESETS_FOLDER,
    SYSTEMS_FOLDER,
    expand_system,
    named_flags,
    system_names,
)

_COMPARISONS = sorted((PRESETS_FOLDER / "comparisons").glob("*.cfg"))
_PRESETS = sorted({*PRESETS_FOLDER.rglob("*.cfg")} - {*_COMPARISONS})
_every_preset = pytest.mark.parametrize("preset", _PRESETS, ids=lambda path: path.stem)


def _given(preset):
    """Returns flag name -> value text of a preset's lines."""
    lines = [line for line in preset.read_text().splitlines() if line.startswith("--")]
    return dict(line.removeprefix("--").split("=", 1) for line in lines)


def _parsed(*arguments):
    return parse.config_from_flags(parse.flag_values_from_argv(["train", *arguments]))


def _with_folder(preset, folder):
    """Returns what the user adds to a preset: where the data lies, weights where they must be."""
    given = _given(preset)
    added = [] if given["data"] == "synthetic" else [f"--data_dir={folder}"]
    trees = "boosted_trees" in given.get("classifier", "") + given.get("members", "")
    return [*added, "--weights=imagenet"] if trees else added


def test_the_paper_s_runs_are_there_with_each_task_network_and_loss():
    assert set(system_names()) >= {
        f"bolhassani_{task}_{network}_{loss}"
        for task in ("binary", "multiclass")
        for network in ("resnet50", "densenet121")
        for loss in ("focal", "ce")
    }


@_every_preset
def test_a_preset_asks_for_what_its_lines_say(preset, tmp_path):
    asked = _parsed(f"--flagfile={preset}", *_with_folder(preset, tmp_path))
    values = asked.by_flag_name()
    for name, text in _given(preset).items():
        value = values[name]
        expected = (",".join(value) if isinstance(value, tuple) else str(value)).lower()
        assert text in (expected, expected.removesuffix(".0")), name


@_every_preset
def test_a_preset_is_flat_and_each_line_is_a_flag_a_comment_or_blank(preset):
    for line in preset.read_text().splitlines():
        assert re.fullmatch(r"--[a-z0-9_]+=[^\s#]+|#.*|", line), line
    assert not {"flagfile", "system"} & set(_given(preset))


@_every_preset
def test_each_line_of_a_preset_says_above_it_where_its_value_comes_from(preset):
    comment = ""
    for line in preset.read_text().splitlines():
        if line.startswith("# "):
            comment += line.removeprefix("# ") + " "
        elif line.startswith("--"):
            assert re.match(r"(source|chosen): \S+ \S+", comment), line
            comment = ""
        else:
            comment = ""


@_every_preset
def test_a_preset_names_every_flag_that_decides_the_result_and_names_it_once(preset):
    given = _given(preset)
    assert set(given) == named_flags(given)
    lines = [line for line in preset.read_text().splitlines() if line.startswith("--")]
    assert len(lines) == len(given)


@_every_preset
def test_a_preset_begins_with_its_own_command(preset):
    head = preset.read_text().split("\n\n")[0]
    name = preset.stem
    command = f"--system={name}" if preset.parent == SYSTEMS_FOLDER else preset.name
    assert "#   python -m tfcovid.train " in head
    assert command in head


def test_what_a_preset_may_leave_out_does_not_decide_the_result():
    assert set(config.Config().by_flag_name()) - set(DECIDING_FLAGS) == {
        # Where things lie, and who runs it: the user's.
        *("data_dir", "patients", "manifest", "workdir", "system", "weights", "member_weights"),
        # Follow from --weights.
        *("head_epochs", "head_augment"),
        # Turned off by the values of every preset.
        *("folds", "fold", "effective_number_beta", "operating_value"),
        # What the user wants to know besides.
        *("operating_class", "prevalence", "heat_map"),
        # Speed, memory and what counts as a usable image.
        *("cache", "cache_budget_mib", "num_parallel_calls", "initial_loss_scale"),
        *("on_bad_image", "max_set_aside", "max_pixels"),
        # Which images there are: the data set's own, unless the user says more.
        *(
            "extra_data_dir",
            "copies",
            "lateral_views",
            "lung_masks",
            "held_out_source",
            "table",
            "columns",
            "label_names",
            "patient_key",
        ),
    }


def test_the_smoke_preset_is_small_and_crosses_an_epoch_end():
    asked = _parsed(f"--flagfile={PRESETS_FOLDER / 'smoke.cfg'}")
    assert asked.model.backbone == "tiny"
    assert asked.sources.data == "synthetic"
    assert 2 <= asked.training.epochs <= 3


def test_system_is_its_preset_placed_first(tmp_path):
    name = "bolhassani_binary_densenet121_ce"
    where = f"--data_dir={tmp_path}"
    by_name = _parsed(where, "--epochs=4", f"--system={name}")
    by_file = _parsed(f"--flagfile={SYSTEMS_FOLDER / name}.cfg", where, "--epochs=4")
    assert by_name.run.system == name
    assert by_name.training.epochs == 4
    assert by_name.by_flag_name() == by_file.by_flag_name() | {"system": name}


@pytest.mark.parametrize("form", [["--system={}"], ["-system={}"], ["--system", "{}"]])
def test_system_is_found_in_each_form_that_absl_reads(form, tmp_path):
    name = "bolhassani_multiclass_resnet50_ce"
    arguments = [part.format(name) for part in form]
    assert _parsed(*arguments, f"--data_dir={tmp_path}").loss.loss == "ce"


def test_system_inside_a_flag_file_acts_as_on_the_command_line(tmp_path):
    mine = tmp_path / "mine.cfg"
    mine.write_text("--epochs=3\n--system=bolhassani_multiclass_resnet50_ce\n")
    asked = _parsed(f"--flagfile={mine}", f"--data_dir={tmp_path}")
    assert (asked.loss.loss, asked.training.epochs) == ("ce", 3)


def test_an_unknown_system_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"^--system=covidnet: expected one of bolhassani_"):
        expand_system(["train", "--system=covidnet"])


def test_a_system_s_name_cannot_leave_its_folder():
    with pytest.raises(ValueError, match="expected one of"):
        expand_system(["train", "--system=../smoke"])


def test_two_different_systems_are_refused():
    names = system_names()[:2]
    with pytest.raises(ValueError, match=f"more than once: {names[0]}, {names[1]}; keep one"):
        expand_system(["train", *(f"--system={name}" for name in names)])


def test_without_a_system_the_command_line_stays_as_it_is():
    argv = ["train", "--epochs=3", "--", "--system=x"]
    assert expand_system(argv) == argv


def test_a_flag_file_that_is_not_there_is_refused():
    with pytest.raises(absl_flags.Error, match=r"no\.cfg"):
        expand_system(["train", "--flagfile=no.cfg"])


@pytest.mark.parametrize("preset", _COMPARISONS, ids=lambda path: path.stem)
def test_a_comparison_asks_for_methods_that_are_there_and_can_be_compared(preset, tmp_path):
    argv = ["compare", f"--flagfile={preset}", f"--data_dir={tmp_path}"]
    values = parse.flag_values_from_argv(argv)
    compare_flags.refuse_unused(values)
    asked = compare_flags.config_from_flags(values)
    comparison = compare_flags.comparison_from_flags(asked, values)
    assert len(comparison.presets) == len(list(SYSTEMS_FOLDER.glob(f"{preset.stem}_*.cfg")))
    presets = compare_methods.presets_from_flags(asked, comparison, values)
    assert {name for name, _ in presets} == set(comparison.presets)
    head = preset.read_text().split("\n\n")[0]
    assert (
        f"#   python -m tfcovid.compare --flagfile=flags/presets/comparisons/{preset.name}" in head
    )
