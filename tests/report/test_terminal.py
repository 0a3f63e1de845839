import io
import pathlib

import pytest
from rich.console import Console

from tests.report import examples
from tfcovid.report.terminal import print_result

RUN = pathlib.Path("runs") / "20260301T101500Z-multiclass-focal"


def printed(metrics, width=80, run_folder=RUN):
    file = io.StringIO()
    print_result(Console(file=file, width=width), metrics, run_folder)
    return file.getvalue()


def words_of(text):
    """The text with its line breaks undone."""
    return " ".join(text.split())


def with_classes(names, n_images=1234):
    """Metrics over other class names, all of the same figures."""
    metrics = examples.metrics()
    figures = metrics["per_class"]["COVID-19"] | {"n_images": n_images, "n_patients": n_images}
    return metrics | {
        "classes": list(names),
        "per_class": dict.fromkeys(names, figures),
        "confusion_matrix": [[n_images] * len(names)] * len(names),
        "intervals": {
            f"per_class.{name}.{key}": examples.interval(0.5, 0.1, 9, few_groups=True)
            for name in names
            for key in ("recall", "auroc")
        },
    }


def test_headline_figures_stand_with_their_intervals():
    metrics = examples.metrics()
    text = words_of(printed(metrics))
    for key, name in (("balanced_accuracy", "balanced accuracy"), ("macro_f1", "macro F1")):
        found = metrics["intervals"][key]
        assert f"{name} {metrics[key]:.3f} {found['low']:.2f}-{found['high']:.2f}" in text
    assert "402 images of 134 patients" in text


def test_each_class_has_its_figures_images_and_patients():
    text = words_of(printed(examples.metrics()))
    for name, figures in examples.metrics()["per_class"].items():
        keys = ("recall", "precision", "specificity", "f1", "auroc")
        row = " ".join(f"{figures[key]:.2f}" for key in keys)
        assert f"{name} {figures['n_images']} images {row} {figures['n_patients']} patients" in text


def test_controls_stand_beside_the_headline_with_a_plain_sentence():
    text = words_of(printed(examples.metrics()))
    assert "the border around the lungs 0.42 0.37-0.47" in text
    assert "a probe that sees only the border around the lungs reaches" in text
    assert "what is left for the lungs is" in text
    assert "a probe of the network's own features tells at 0.93" in text
    assert "COVID-19 inside ieee8023 alone: AUROC 0.62 (0.52-0.72)" in text


def test_absence_of_controls_is_said():
    assert "No controls" in printed(examples.metrics() | {"controls": {}})


def test_few_patients_are_said_in_words_and_only_then():
    metrics = examples.metrics()
    assert "from fewer than 10 patients" in printed(metrics)
    for found in metrics["intervals"].values():
        found.pop("few_groups", None)
    assert "from fewer than 10 patients" not in printed(metrics)


def test_undefined_auroc_is_not_a_number():
    metrics = examples.metrics()
    metrics["per_class"]["COVID-19"]["auroc"] = None
    del metrics["intervals"]["per_class.COVID-19.auroc"]
    row = next(line for line in printed(metrics).splitlines() if "COVID-19  " in line)
    assert row.split()[-1] == "n/a"


def test_predictive_values_are_printed_where_a_prevalence_was_given():
    metrics = examples.metrics()
    assert "PPV" not in printed(metrics)
    text = words_of(printed(metrics | {"at_prevalence": examples.at_prevalence()}))
    assert "Where 5 % have COVID-19, the decision COVID-19 is right in 0.412 (0.31-0.51)" in text
    undefined = examples.at_prevalence() | {"ppv": None, "intervals": {}}
    assert "is right in n/a of the" in words_of(printed(metrics | {"at_prevalence": undefined}))


def test_notes_are_printed_whole():
    metrics = examples.metrics() | {"notes": ["train/[bold]x[/bold].png is :cat: no image " * 4]}
    assert words_of(metrics["notes"][0]) in words_of(printed(metrics)).replace("! ", "")


def test_another_view_is_said_in_the_title():
    assert "view border_only" in printed(examples.metrics() | {"view": "border_only"})


def test_paths_and_commands_stay_whole_in_a_narrow_window():
    run_folder = pathlib.Path("runs") / ("a long [red]name" * 6)
    text = printed(examples.metrics(), run_folder=run_folder)
    assert str(run_folder / "report.html") in text
    assert f"tensorboard --logdir '{run_folder / 'tensorboard'}'" in text


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize(
    "names",
    [
        examples.CLASSES,
        ("non-COVID-19", "COVID-19"),
        ("Normal", "Bacterial", "Viral", "COVID-19"),
        tuple(f"finding_{i}" for i in range(8)),
    ],
)
def test_tables_fit_the_width_and_lose_nothing(names, width):
    text = printed(with_classes(names), width).split("\nFiles")[0]
    assert max(len(line.rstrip()) for line in text.splitlines()) <= min(width, 100)
    assert text.isascii()  # no figure was cut: rich would mark it with an ellipsis
    assert "\x1b" not in text


def test_long_class_names_are_numbered_in_the_confusion_matrix():
    text = printed(with_classes([f"finding_{i}" for i in range(8)]))
    matrix = text.split("Confusion matrix")[1]
    assert matrix.splitlines()[1].split() == [str(i) for i in range(1, 9)]
    assert "8 finding_7" in matrix
