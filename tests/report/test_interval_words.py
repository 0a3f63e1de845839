from tests.report import examples
from tfcovid.report import words
from tfcovid.report.interval_words import interval_legend

HEADLINE = {"ece": "calibration error, ECE (lower is better)", "mcc": "MCC (a correlation)"}


def made(method, level=0.95):
    return {"low": 0, "high": 1, "level": level, "method": method}


def test_each_figure_stands_beside_the_method_of_its_own_interval():
    intervals = {
        "ece": made("wilson_score"),
        "mcc": made("bootstrap"),
        "per_class.No. 1.recall": made("wilson_score"),
        "per_class.B.recall": made("wilson_score"),
        "per_class.No. 1.auroc": made("Newcombe"),
        "per_class.B.auroc": made("exact"),
    }
    controls = {
        "border": {"sees": "the border", "interval": made("wilson_score"), "above": made("MOVER")}
    }
    assert interval_legend({"intervals": intervals, "controls": controls}, HEADLINE) == (
        "Intervals: 95 %. calibration error, recall, what a control reaches: wilson score; MCC: "
        "bootstrap; AUROC of No. 1: Newcombe; AUROC of B: exact; how far the model is above a "
        "control: MOVER."
    )


def test_where_levels_differ_each_method_says_its_own():
    intervals = {"mcc": made("bootstrap"), "ece": made("bootstrap", 0.9)}
    assert interval_legend({"intervals": intervals, "controls": {}}, HEADLINE) == (
        "Intervals: 95 % and 90 %. MCC: 95 %, bootstrap; calibration error: 90 %, bootstrap."
    )


def test_a_run_without_intervals_has_no_legend():
    assert interval_legend({"intervals": {}, "controls": {}}, HEADLINE) == ""


def test_every_figure_of_a_run_with_an_interval_is_named_once():
    metrics = examples.metrics()
    metrics["intervals"]["accuracy"]["method"] = "wilson_score"
    legend = interval_legend(metrics, words.HEADLINE)
    assert legend.startswith("Intervals: 95 %. ") and f": {examples.METHOD}" in legend
    assert "accuracy: wilson score" in legend
