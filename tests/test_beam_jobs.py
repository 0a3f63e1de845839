"""Options of Apache Beam are its own, or refused in one line."""

import pytest

from tfcovid.beam_jobs import RUNNER, refuse_unknown_options

pytest.importorskip("apache_beam")


@pytest.mark.parametrize(
    ("beam_args", "expected"),
    [
        (["--nonsense=1"], "has no option --nonsense; correct it"),
        (["--nonsense", "1"], "has no option --nonsense; correct it"),
        (["--direct_num_workers=1", "nonsense"], "has no option nonsense; correct it"),
        (["--help"], "expected options of a pipeline"),
        ([f"--runner={RUNNER}", "--nonsense=1"], "has no option --nonsense; correct it"),
        (["-x"], "has no option -x; correct it"),
        (["--direct_num_workers=many"], "argument --direct_num_workers: invalid int value: 'many'"),
    ],
)
def test_an_option_that_beam_would_not_take_is_named_in_one_line(beam_args, expected, capfd):
    with pytest.raises(ValueError, match=f"^--beam_args: .*{expected}") as raised:
        refuse_unknown_options(beam_args)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "beam_args",
    [
        [],
        ["--direct_num_workers=1"],
        ["--direct_num_workers", "1"],
        ["--runner=DirectRunner", "--direct_running_mode=multi_processing"],
        ["--runner=FlinkRunner", "--an_option_of_its_job_server=1"],
    ],
)
def test_options_of_beam_and_of_other_runners_are_taken(beam_args):
    refuse_unknown_options(beam_args)
