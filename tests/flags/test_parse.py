import dataclasses
import pathlib
import re
import subprocess
import sys

import pytest
from absl import flags as absl_flags

from flags import choices, config, parse


def _config(*arguments):
    return parse.config_from_flags(parse.flag_values_from_argv(["train", *arguments]))


@pytest.fixture(name="folder")
def _folder(tmp_path):
    (tmp_path / "a.weights.h5").touch()
    (tmp_path / "list.csv").touch()
    return tmp_path


def test_no_flags_ask_for_the_default_config():
    assert _config() == config.Config()


def test_every_flag_is_a_field_of_the_same_name_and_every_field_a_flag():
    flag_values = parse.flag_values_from_argv(["train"])
    flags = [
        flag.name
        for module in parse.FLAG_MODULES
        for flag in flag_values.get_flags_for_module(module.__name__)
    ]
    assert sorted(flags) == sorted(config.Config().by_flag_name())


def test_every_flag_says_what_it_does():
    flag_values = parse.flag_values_from_argv(["train"])
    for name in config.Config().by_flag_name():
        assert flag_values[name].help.endswith("."), name


@pytest.mark.parametrize(
    ("argument", "section", "value"),
    [
        ("--task=binary", "data", choices.Task.BINARY),
        ("--cache=none", "data", choices.Cache.NONE),
        ("--image_size=96", "data", 96),
        ("--horizontal_flip", "augmentation", True),
        ("--zoom=0", "augmentation", 0.0),
        ("--backbone=mobilenet_v2", "model", choices.Backbone.MOBILENET_V2),
        ("--focal_gamma=1.5", "loss", 1.5),
        ("--focal_alpha=1,2,3.5", "loss", (1.0, 2.0, 3.5)),
        ("--learning_rate=3e-4", "training", 3e-4),
        ("--workdir=runs/a b", "run", pathlib.Path("runs/a b")),
        ("--calibration=temperature", "decision", choices.Calibration.TEMPERATURE),
        ("--operating_class=Lung opacity", "decision", "Lung opacity"),
        ("--prevalence=0.05", "decision", 0.05),
        ("--controls=none", "run", choices.Controls.NONE),
    ],
)
def test_a_flag_sets_its_field_and_no_other(argument, section, value):
    name = argument.removeprefix("--").split("=")[0]
    changed = dataclasses.replace(getattr(config.Config(), section), **{name: value})
    assert _config(argument) == dataclasses.replace(config.Config(), **{section: changed})


def test_the_last_value_of_a_flag_wins():
    assert _config("--epochs=3", "--epochs=5").training.epochs == 5


def test_parsing_a_command_line_leaves_the_flags_of_the_program_alone():
    before = absl_flags.FLAGS["epochs"].value
    parse.flag_values_from_argv(["train", "--epochs=77"])
    assert absl_flags.FLAGS["epochs"].value == before


def test_a_data_folder_leaves_the_kind_open_and_the_size_full(folder):
    asked = _config(f"--data_dir={folder}")
    assert (asked.sources.data, asked.sources.data_dir) == (None, folder)
    assert asked.data.image_size == 224


def test_the_embedded_sample_has_its_own_size_unless_one_is_given():
    assert _config("--data=synthetic").data.image_size == 64
    assert _config("--data=synthetic", "--image_size=128").data.image_size == 128
    assert _config("--backbone=inception_v3").data.image_size == 75


def test_the_embedded_sample_has_its_own_number_of_epochs_unless_one_is_given(folder):
    assert _config().training.epochs == 10
    assert _config("--epochs=5").training.epochs == 5
    assert _config(f"--data_dir={folder}").training.epochs == 30


def test_phase_1_runs_by_default_only_where_there_are_weights(folder):
    weights = f"--weights={folder}/a.weights.h5"
    assert _config().training.head_epochs == 0
    assert _config(weights).training.head_epochs == 3
    assert _config(weights, "--head_epochs=0").training.head_epochs == 0


def test_the_learning_rate_is_lower_where_there_are_weights_to_keep(folder):
    weights = f"--weights={folder}/a.weights.h5"
    assert _config().training.learning_rate == 1e-3
    assert _config(weights).training.learning_rate == 1e-4
    assert _config("--weights=imagenet").training.learning_rate == 1e-4
    assert _config(weights, "--learning_rate=0.01").training.learning_rate == 0.01


def test_a_tilde_in_a_path_is_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert _config("--data_dir=~").sources.data_dir == folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--data_dir=/no/such", "--data_dir=/no/such: expected a folder that exists"),
        ("--data_dir=", "--data_dir=: expected a path, got nothing; drop the flag"),
        ("--manifest=/no/m.csv", "--manifest=/no/m.csv: expected a file that exists"),
        ("--weights=no.weights.h5", "--weights=no.weights.h5: expected a file that exists"),
        ("--weights=imagenet --backbone=tiny", "--weights=imagenet with --backbone=tiny: nobody"),
        ("--focal_alpha=much", "--focal_alpha=much: expected none, numbers"),
        ("--focal_alpha=", "--focal_alpha=: expected none, numbers"),
        ("--split=kfold --fold=7", "--fold=7: expected 0..4, because --folds=5"),
        ("epochs=3", "unexpected argument 'epochs=3': flags are written --name=value"),
        ("--epochs=3 x --seed=1", "unexpected argument 'x'"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_flag(arguments, message):
    with pytest.raises(ValueError, match="^" + re.escape(message)) as raised:
        _config(*arguments.split())
    assert "\n" not in str(raised.value)


def test_a_patients_file_that_is_not_there_is_refused(folder):
    with pytest.raises(ValueError, match=r"--patients=no\.csv: expected a file that exists"):
        _config(f"--data_dir={folder}", "--patients=no.csv")


@pytest.mark.parametrize("argument", ["--epohcs=3", "--task=cancer", "--epochs=many", "--epochs"])
def test_an_unknown_flag_or_a_value_of_the_wrong_type_is_refused(argument):
    with pytest.raises(absl_flags.Error, match=r"epohcs|task|epochs"):
        _config(argument)


def _run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=pathlib.Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_line_is_read_without_any_heavy_import():
    code = (
        "import flags.parse, flags.config_json, flags.flag_file, sys;"
        "heavy = {'tensorflow', 'keras', 'numpy', 'pandas', 'tfcovid'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = _run(code)
    assert done.returncode == 0, done.stderr


_ENTRY = """
'''Trains.'''
from absl import app
from flags import parse
parse.adopt_key_flags()
def main(argv):
    parse.refuse_stray_arguments(argv)
    print(parse.config_from_flags().training.epochs)
app.run(main, flags_parser=parse.flags_parser)
"""


def test_help_of_an_entry_shows_every_flag():
    shown = _run(_ENTRY, "--help").stdout
    for name in config.Config().by_flag_name():
        assert re.search(rf"^  --(\[no\])?{name}:", shown, re.MULTILINE), name


def test_an_entry_gets_its_config_from_the_program_s_own_flags():
    done = _run(_ENTRY, "--epochs=9")
    assert (done.returncode, done.stdout, done.stderr) == (0, "9\n", "")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--epohcs=3", "error: Unknown command line flag 'epohcs'. Did you mean: epochs .\n"),
        ("--flagfile=no.cfg", "error: Unable to open flagfile: .*'no.cfg'\n"),
        ("--system=nobody", "error: --system=nobody: expected one of bolhassani_.*\n"),
        ("--batch_size=a b", "error: flag --batch_size=a b: .*\n"),
    ],
)
def test_an_entry_ends_a_mistake_with_one_line_and_status_2(argument, message):
    done = _run(_ENTRY, argument)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(message, done.stderr)


def test_an_entry_lets_a_preset_yield_to_its_own_arguments():
    done = _run(_ENTRY, "--flagfile=flags/presets/smoke.cfg", "--loss=ce", "--epochs=9")
    assert (done.returncode, done.stdout, done.stderr) == (0, "9\n", "")
    refused = _run(_ENTRY, "--flagfile=flags/presets/smoke.cfg", "--loss=ce", "--focal_gamma=1")
    assert "--focal_gamma=1.0 with --loss=ce" in refused.stderr
