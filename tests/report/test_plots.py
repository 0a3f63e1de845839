import xml.etree.ElementTree

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tests.report import examples
from tfcovid.report import curves, plots


def legend_words(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def all_figures():
    labels, probs = examples.predictions()
    return {
        "roc": curves.roc_figure(labels, probs, examples.CLASSES),
        "precision_recall": curves.precision_recall_figure(labels, probs, examples.CLASSES),
        "reliability": plots.reliability_figure(
            *(examples.metrics()["calibration"][key]["reliability"] for key in ("after", "before"))
        ),
        "training": plots.training_curves_figure(examples.history()),
        "confusion": plots.confusion_matrix_figure(
            examples.metrics()["confusion_matrix"], examples.CLASSES, "validation"
        ),
    }


@pytest.mark.parametrize(
    "name", ["roc", "precision_recall", "reliability", "training", "confusion"]
)
def test_the_same_figure_gives_the_same_svg(name):
    once, again = (plots.figure_to_svg(all_figures()[name], name=name) for _ in range(2))
    assert once == again


@pytest.mark.parametrize(
    "name", ["roc", "precision_recall", "reliability", "training", "confusion"]
)
def test_svg_is_well_formed_small_and_keeps_to_itself(name):
    svg = plots.figure_to_svg(all_figures()[name], name=name)
    root = xml.etree.ElementTree.fromstring(svg)
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert ids and all(i.startswith(f"{name}-") for i in ids)
    for reference in [r.split(")")[0] for r in svg.split("url(#")[1:]]:
        assert reference in ids
    assert "<style" not in svg and "<metadata" not in svg
    assert plots.INK not in svg and "currentColor" in svg
    assert len(svg) < 60_000


def test_pixels_are_rgb_on_white_and_repeatable():
    once, again = (plots.figure_to_rgb(all_figures()["confusion"]) for _ in range(2))
    assert once.dtype == np.uint8 and once.shape[2] == 3
    assert (once[0, 0] == 255).all()
    np.testing.assert_array_equal(once, again)


def test_confusion_cells_hold_count_and_share_of_the_truth():
    figure = plots.confusion_matrix_figure([[3, 1], [0, 0]], ["a", "b"], "")
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == ["3\n75 %", "1\n25 %", "0\n0 %", "0\n0 %"]


def test_class_names_are_no_markup():
    names = ["$\\frac$", "<b>&"]
    svg = plots.figure_to_svg(plots.confusion_matrix_figure([[1, 0], [0, 1]], names, ""), name="c")
    words = [e.text for e in xml.etree.ElementTree.fromstring(svg).iter() if e.text]
    assert set(names) <= set(words)


def test_confusion_matrix_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"expected a matrix \[3, 3\].*\(2, 2\)"):
        plots.confusion_matrix_figure([[1, 0], [0, 1]], ["a", "b", "c"], "")


def test_roc_legend_tells_each_area():
    labels, probs = examples.predictions()
    figure = curves.roc_figure(labels, probs, examples.CLASSES)
    areas = [c["auroc"] for c in examples.metrics()["per_class"].values()]
    assert legend_words(figure) == [
        f"{name}  {area:.2f}" for name, area in zip(examples.CLASSES, areas, strict=True)
    ]


def test_class_without_images_has_no_roc_curve_and_says_so():
    labels, probs = examples.predictions()
    present = labels != 2
    figure = curves.roc_figure(labels[present], probs[present], examples.CLASSES)
    assert legend_words(figure)[2] == "COVID-19  n/a"


def test_two_classes_have_one_roc_curve_of_the_second():
    probs = np.array([[0.8, 0.2], [0.3, 0.7], [0.4, 0.6], [0.9, 0.1]])
    figure = curves.roc_figure(np.array([0, 1, 0, 1]), probs, ["no", "yes"])
    assert legend_words(figure) == ["yes  0.50"]


def test_reliability_curves_go_through_the_bins_after_and_before_calibration():
    found = examples.metrics()["calibration"]
    after, before = (found[key]["reliability"] for key in ("after", "before"))
    figure = plots.reliability_figure(after, before)
    _, *curves = figure.axes[0].lines
    for line, bins in zip(curves, (before, after), strict=True):
        said, came = line.get_data()
        np.testing.assert_array_equal(said, [found["confidence"] for found in bins])
        np.testing.assert_array_equal(came, [found["accuracy"] for found in bins])
    bars = figure.axes[1].patches
    assert [bar.get_height() for bar in bars] == [found["n_images"] for found in after]
    assert [bar.get_x() for bar in bars] == [found["low"] for found in after]
    assert legend_words(figure) == ["before", "after calibration"]


def test_reliability_without_bins_before_has_one_curve_and_no_legend():
    after = examples.metrics()["calibration"]["after"]["reliability"]
    figure = plots.reliability_figure(after)
    assert figure.axes[0].get_legend() is None


def test_best_epoch_is_the_lowest_selection_figure_over_all_phases():
    history = examples.history()
    values = [epoch["val_macro_log_loss"] for epoch in history]
    assert plots.best_epoch(history) == values.index(min(values)) >= 4
    assert plots.best_epoch([{"phase": "1_training", "epoch": 1, "loss": 1.0}]) is None


def test_curves_that_no_epoch_has_are_left_out():
    figure = plots.training_curves_figure([{"phase": "1_training", "epoch": 1, "loss": 1.0}])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["loss minimised"]


def test_curves_without_an_epoch_are_refused():
    with pytest.raises(ValueError, match="at least one epoch"):
        plots.training_curves_figure([])


def test_precision_recall_legend_tells_each_area_and_a_line_each_share():
    labels, probs = examples.predictions()
    (axes,) = curves.precision_recall_figure(labels, probs, examples.CLASSES).axes
    for index, text in enumerate(axes.get_legend().get_texts()):
        area = average_precision_score(labels == index, probs[:, index])
        assert text.get_text() == f"{examples.CLASSES[index]}  {area:.2f}"
    shares = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == ":"]
    assert shares == [(labels == index).mean() for index in range(3)]
