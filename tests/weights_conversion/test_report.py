"""The page a person reads of a conversion, and what it makes of a proof."""

import json
import math

import numpy as np
import pytest

from weights_conversion.comparison_tables import summary_rows, tables
from weights_conversion.proof.comparison import (
    Comparison,
    refuse_difference,
    relative_difference,
    summary,
)
from weights_conversion.record import Record
from weights_conversion.report import write_reports

GOOD = [
    Comparison("inference, float32, 64x96 px", "stem", 1e-7, 1e-5),
    Comparison("inference, float32, 64x96 px", "logits", 3e-7, 1e-5),
    Comparison("training, float64, 64x96 px", "stem", 1e-15, 1e-9),
    Comparison("training, float64, 64x96 px", "logits", 1e-14, 1e-9),
    Comparison("gradients, float64, 64x96 px", "bn1", 2e-13, 1e-9),
]


def test_the_summary_has_the_largest_of_each_kind_and_nan_is_not_passed_over():
    assert summary(GOOD)["largest_relative_difference"] == {
        "inference": 3e-7,
        "training": 1e-14,
        "gradients": 2e-13,
    }
    broken = [*GOOD[:1], Comparison(GOOD[1].mode, "stage 1", math.nan, 1e-5), GOOD[1]]
    assert math.isnan(summary(broken)["largest_relative_difference"]["inference"])


@pytest.mark.parametrize("difference", [1.1e-5, math.nan, math.inf])
def test_the_first_difference_is_refused_with_the_stage_before_it(difference):
    refuse_difference(GOOD)
    wrong = [GOOD[0], Comparison(GOOD[1].mode, "stage 1", difference, 1e-5), GOOD[1]]
    with pytest.raises(ValueError, match=r"at stage 1, equal up to stem; inference, float32"):
        refuse_difference(wrong)


def test_a_difference_is_relative_to_the_source():
    ours, theirs = np.array([3.0, 4.0]), np.array([0.0, 5.0])
    assert relative_difference([(ours, theirs)]) == pytest.approx(np.sqrt(10) / 5)
    assert relative_difference([(ours, theirs[:1])]) == math.inf
    assert relative_difference([(theirs * 0, theirs * 0)]) == 0
    assert relative_difference([(ours, theirs * 0)]) == math.inf
    assert math.isnan(relative_difference([(ours * math.nan, theirs)]))


def test_the_page_pivots_by_stage_and_lists_batch_norms_apart():
    stages, norms = tables(GOOD)
    assert stages["modes"] == [GOOD[0].mode, GOOD[2].mode]
    assert [row["name"] for row in stages["rows"]] == ["stem", "logits"]
    assert stages["rows"][1]["cells"] == [GOOD[1], GOOD[3]]
    assert [row["name"] for row in norms["rows"]] == ["bn1"]
    assert "1e-05 in float32, 1e-09 in float64" in stages["caption"]


def test_the_scale_runs_from_1e_16_to_1():
    rows = {row["name"]: row for row in summary_rows(GOOD)}
    assert rows["training"]["at"] == pytest.approx(2 / 16)
    assert rows["inference"]["limit_at"] == pytest.approx(11 / 16, abs=1e-4)
    (row,) = summary_rows([Comparison("inference, float32", "x", math.nan, 1e-5)])
    assert not row["holds"] and row["at"] == 1


def test_a_refusal_before_anything_was_read_has_its_reports(tmp_path):
    record = Record("no.pth", refusal="there is no such file")
    write_reports(record, tmp_path / "x.weights.h5", "python -m weights_conversion")
    assert json.loads((tmp_path / "x.report.json").read_text())["refused"] == record.refusal
    page = (tmp_path / "x.report.html").read_text()
    assert "Refused: no weights were written" in page and record.refusal in page
    assert "http:" not in page and "https:" not in page and "<script" not in page


def test_a_difference_that_is_no_number_is_null_in_json(tmp_path):
    wrong = Comparison("inference, float32, 64x96 px", "stem", math.nan, 1e-5)
    record = Record("x.pth", comparisons=[wrong], refusal="they differ")
    write_reports(record, tmp_path / "x.weights.h5", "")
    (comparison,) = json.loads((tmp_path / "x.report.json").read_text())["proof"]["comparisons"]
    assert comparison["difference"] is None and comparison["holds"] is False
