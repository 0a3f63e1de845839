import pathlib
import re
import subprocess
import sys

import pytest

from flags import evaluate_flags, parse


def _check(*arguments):
    evaluate_flags.refuse_unused(parse.flag_values_from_argv(["evaluate", *arguments]))


def test_help_of_evaluate_shows_every_flag_that_it_reads():
    done = subprocess.run(
        [sys.executable, "-m", "tfcovid.evaluate", "--help"],
        cwd=pathlib.Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    for holder in evaluate_flags.USED:
        assert re.search(rf"^  --{holder.name}:", done.stdout, re.MULTILINE), holder.name
    assert "--epochs:" not in done.stdout


@pytest.mark.parametrize(
    "argument", ["--epochs=3", "--task=binary", "--nohorizontal_flip", "--seed=0"]
)
def test_a_flag_of_training_is_refused_even_with_its_default(argument):
    name = argument.removeprefix("--").removeprefix("no").split("=")[0]
    with pytest.raises(ValueError, match=f"^--{name}: evaluate does not read it; "):
        _check("--workdir=run", argument)


@pytest.mark.parametrize(
    "argument", ["--data=coronahack", "--patients=p.csv", "--table=t.csv", "--lateral_views=keep"]
)
def test_words_on_another_data_set_are_refused_without_its_folder(argument):
    with pytest.raises(ValueError, match=f"^{re.escape(argument)} without --data_dir: "):
        _check("--workdir=run", argument)


def test_the_synthetic_sample_is_refused_beside_a_folder():
    with pytest.raises(ValueError, match=r"^--data=synthetic with --data_dir=films: "):
        _check("--workdir=run", "--data=synthetic", "--data_dir=films")


@pytest.mark.parametrize(
    "arguments",
    [
        "--workdir=run",
        "--workdir=run --on_bad_image=set_aside --max_pixels=9",
        "--workdir=run --prevalence=0.05",
        "--workdir=run --data=coronahack --data_dir=films --patients=p.csv",
    ],
)
def test_what_evaluate_reads_is_accepted(arguments):
    _check(*arguments.split())
