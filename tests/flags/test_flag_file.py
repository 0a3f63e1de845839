import dataclasses
import pathlib

import pytest
from hypothesis import given, settings

from flags import config, parse
from flags.dependent_flags import acts
from flags.flag_file import flag_file_lines
from tests.flags.configs import configs


def _given_back(lines, folder, *arguments):
    path = folder / "flags.cfg"
    path.write_text("\n".join(lines) + "\n")
    argv = ["train", f"--flagfile={path}", *arguments]
    return parse.config_from_flags(parse.flag_values_from_argv(argv))


def _existing(path, folder, name):
    """Returns None for None and otherwise a path that exists."""
    if path is not None:
        (folder / name).touch()
        path = folder / name
    return path


def _with_existing_paths(asked, folder):
    sources, data, model = asked.sources, asked.data, asked.model
    return dataclasses.replace(
        asked,
        sources=dataclasses.replace(
            sources,
            data_dir=None if sources.data_dir is None else folder,
            extra_data_dir=tuple(
                f"{kind}:{folder}" if kind else str(folder) for kind, _ in sources.places()
            ),
            patients=_existing(sources.patients, folder, "the patients.csv"),
            patient_key=_existing(sources.patient_key, folder, "patient.key"),
            table=_existing(sources.table, folder, "the table.csv"),
        ),
        data=dataclasses.replace(
            data,
            manifest=_existing(data.manifest, folder, "manifest.csv"),
        ),
        model=dataclasses.replace(
            model,
            weights=_existing(model.weights, folder, "converted.weights.h5")
            if isinstance(model.weights, pathlib.Path)
            else model.weights,
            member_weights=tuple(
                _existing(path, folder, f"{number}.weights.h5")
                for number, path in enumerate(model.member_weights)
            ),
        ),
    )


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory):
    return tmp_path_factory.mktemp("flag file")


@settings(max_examples=50, deadline=None)
@given(asked=configs())
def test_given_back_by_flagfile_it_asks_for_the_same(asked, folder):
    asked = _with_existing_paths(asked, folder)
    again = _given_back(flag_file_lines(asked), folder)
    values = again.by_flag_name()
    for name, value in asked.by_flag_name().items():
        expected = None if name == "workdir" else value
        assert not acts(name, asked) or values[name] == expected, name
    assert flag_file_lines(again) == flag_file_lines(asked)


def test_the_default_config_comes_back_whole(tmp_path):
    assert _given_back(flag_file_lines(config.Config()), tmp_path) == config.Config()


def test_a_flag_behind_the_file_overrides_it(tmp_path):
    again = _given_back(flag_file_lines(config.Config()), tmp_path, "--epochs=7")
    assert again.training.epochs == 7


def test_the_system_comes_back_with_its_name_and_values(tmp_path):
    argv = ["train", "--system=bolhassani_binary_resnet50_ce", f"--data_dir={tmp_path}"]
    asked = parse.config_from_flags(parse.flag_values_from_argv([*argv, "--epochs=4"]))
    assert _given_back(flag_file_lines(asked), tmp_path) == asked


@settings(max_examples=50, deadline=None)
@given(asked=configs())
def test_every_flag_stands_on_one_line_as_a_value_or_a_comment(asked):
    lines = flag_file_lines(asked)
    for name, line in zip(asked.by_flag_name(), lines, strict=True):
        assert line.startswith((f"--{name}=", f"# --{name} "))


def test_the_folder_of_the_run_is_not_asked_for_again(tmp_path):
    argv = ["train", f"--workdir={tmp_path}"]
    asked = parse.config_from_flags(parse.flag_values_from_argv(argv))
    assert _given_back(flag_file_lines(asked), tmp_path) == config.Config()


def test_what_a_flag_file_says_is_shown_and_not_obeyed_by_the_terminal(tmp_path, capsys):
    path = tmp_path / "flags.cfg"
    path.write_text("--epochs=\x1b[2J\u202e\n")
    with pytest.raises(SystemExit):
        parse.flags_parser(["train", f"--flagfile={path}"])
    shown = capsys.readouterr().err
    assert shown.startswith("error: ") and shown.count("\n") == 1
    assert "\\x1b[2J\\u202e" in shown and "\x1b" not in shown
