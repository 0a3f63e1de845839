import pytest

from flags import parse, predict_flags


def refuse(*arguments):
    predict_flags.refuse_unused(parse.flag_values_from_argv(["predict", *arguments]))


def test_a_model_is_enough():
    refuse("--model=RUN/saved_model")


def test_an_archive_needs_a_folder():
    with pytest.raises(ValueError, match="--shards=8 without --output"):
        refuse("--model=M", "--shards=8")
    refuse("--model=M", "--shards=8", "--output=DIR", "--beam_args=--runner=FlinkRunner")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--model"),
        (["--model=M", "--beam_args=--runner=FlinkRunner"], "--beam_args without --shards"),
        (["--model=M", "--shards=2", "--output=DIR", "--heatmap_dir=H"], "--heatmap_dir"),
        (["--model=M", "--epochs=2"], "--epochs"),
    ],
)
def test_a_flag_that_would_not_be_read_is_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        refuse(*arguments)
