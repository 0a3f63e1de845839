import pytest

from flags import parse, steps_flags


def values(*arguments):
    return parse.flag_values_from_argv(["steps", *arguments])


def test_flags_become_what_is_asked_of_the_images():
    asked = steps_flags.data_config(values("--preprocessing=lung_crop", "--max_pixels=99"))
    assert (asked.preprocessing, asked.image_size, asked.max_pixels) == ("lung_crop", 224, 99)
    assert steps_flags.data_config(values("--image_size=64")).image_size == 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--output_dir: expected a folder"),
        (["--output_dir="], "--output_dir: expected a folder"),
        (["--output_dir=x", "--epochs=3"], "--epochs: steps does not read it"),
        (["--output_dir=x", "--view=lungs_only"], "--view: steps does not read it"),
    ],
)
def test_what_is_missing_or_not_read_is_refused(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        steps_flags.refuse_unused(values(*arguments))


@pytest.mark.parametrize("size", [0, 31, 5000])
def test_an_image_size_that_no_run_takes_is_refused(size):
    with pytest.raises(ValueError, match=f"^--image_size={size}: expected a number"):
        steps_flags.data_config(values(f"--image_size={size}"))
