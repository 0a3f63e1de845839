"""A benchmark that cannot go on says why in one line, and nothing of it is a traceback."""

import subprocess
import sys
import types

import pytest

from benchmarks.failing import check_names, check_paths, images_below, last_words, output_of
from tests.conftest import ROOT


def flag(name, value):
    return types.SimpleNamespace(name=name, value=value)


def test_every_flag_whose_path_leads_nowhere_is_named_in_one_line(tmp_path):
    file = tmp_path / "a.pt"
    file.touch()
    check_paths(folders=[flag("data_dir", str(tmp_path)), flag("none", None)])
    check_paths(files=[flag("weights", str(file))], programs=[flag("peers", sys.executable)])
    with pytest.raises(SystemExit) as ended:
        check_paths(
            folders=[flag("data_dir", str(file)), flag("folders", [str(tmp_path), "/lost"])],
            files=[flag("weights", str(tmp_path))],
            programs=[flag("peers", str(file))],
        )
    line = ended.value.code
    assert all(f"--{name}: " in line for name in ("data_dir", "folders", "weights", "peers"))
    assert line.startswith("error: ") and line.count("\n") == 0 and f"no {tmp_path};" in line


def test_a_misspelt_name_is_told_with_those_known():
    check_names(flag("networks", ["a", "b"]), ("a", "b", "c"))
    check_names(flag("networks", None), ("a",))
    with pytest.raises(SystemExit, match=r"--networks: expected some of a, b\. Received: x, y\."):
        check_names(flag("networks", ["a", "x", "y"]), ("a", "b"))


def test_images_are_found_to_the_bottom_and_a_folder_without_one_is_refused(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.txt").touch()
    with pytest.raises(SystemExit, match=r"--images=.*: expected \.jpeg"):
        images_below(flag("images", str(tmp_path)))
    (tmp_path / "deep" / "b.JPG").touch()
    assert images_below(flag("images", str(tmp_path))) == [tmp_path / "deep" / "b.JPG"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("W tensorflow\nerror: no such folder\nW tensorflow again\n", "no such folder"),
        ("Traceback:\n  File x\nModuleNotFoundError: No module named 'torch'\n\n", "ModuleNot"),
        ("", ""),
    ],
)
def test_the_last_words_are_the_line_of_an_error_else_the_last_line(said, expected):
    assert last_words(said).startswith(expected) and bool(last_words(said)) == bool(expected)


def test_a_command_that_fails_ends_with_its_own_line_and_one_that_does_not_is_read():
    assert output_of("echo", [sys.executable, "-c", "print('a')"]) == "a\n"
    script = "import sys; print('b', file=sys.stderr); sys.exit('error: the disk is full')"
    with pytest.raises(SystemExit) as ended:
        output_of("prepare", [sys.executable, "-c", script])
    assert ended.value.code == "error: prepare: exit code 1: the disk is full"


@pytest.mark.parametrize(
    "words",
    [
        ["start", "--data_dir=/lost"],
        ["time_to_model", "--data_dir=/lost", "--weights=/lost", "--checkpoint=/lost", "--peers=x"],
    ],
    ids=lambda words: words[0],
)
def test_a_wrong_path_ends_a_benchmark_at_once_with_one_line(words):
    name, *flags = words
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and not done.stdout
    (line,) = done.stderr.splitlines()
    assert all(f"{flag.partition('=')[0]}: expected a " in line for flag in flags)
