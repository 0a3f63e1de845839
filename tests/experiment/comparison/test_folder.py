"""What a folder of an earlier version holds, and what continues it."""

import json

import pytest

from tfcovid.experiment.comparison.folder import ComparisonFolder

HELD = {"seed": 0, "finetuning": None}


@pytest.fixture
def before(tmp_path):
    """The folder of a comparison whose settings do not name the preprocessing yet."""
    (tmp_path / "settings.json").write_text(json.dumps(HELD))
    return ComparisonFolder(tmp_path)


def test_comparison_made_before_there_was_another_preprocessing_is_continued_plain(before):
    before.refuse_other(HELD | {"preprocessing": "plain"})


def test_it_is_not_continued_with_crops(before):
    with pytest.raises(ValueError, match="preprocessing was plain and is lung_crop now"):
        before.refuse_other(HELD | {"preprocessing": "lung_crop"})
