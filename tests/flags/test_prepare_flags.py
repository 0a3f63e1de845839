import pytest

from flags import parse, prepare_flags


def refuse(*arguments):
    prepare_flags.refuse_unused(parse.flag_values_from_argv(["prepare", *arguments]))


def test_records_of_cropped_images_are_refused_in_one_line():
    with pytest.raises(ValueError, match=r"^--preprocessing=lung_crop: records hold .*") as raised:
        refuse("--data_dir=x", "--output_dir=y", "--preprocessing=lung_crop")
    assert "\n" not in str(raised.value)
    refuse("--data_dir=x", "--output_dir=y")
