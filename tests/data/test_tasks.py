import dataclasses

import pandas as pd
import pytest

from tfcovid.data.sources.reading import Finding
from tfcovid.data.tasks import TASK_LABELS, label_rows

CLASS_OF = {
    "binary": ["non-COVID-19"] * 3 + ["COVID-19", "non-COVID-19", "non-COVID-19", None, None],
    "multiclass": ["Normal", "Pneumonia", "Pneumonia", "COVID-19", "Pneumonia", "Pneumonia"],
    "pneumonia": ["Normal", "Pneumonia", "Pneumonia", None, "Pneumonia", "Pneumonia"],
    "etiology": ["Normal", "Bacterial", "Viral", "COVID-19", "Viral", "Bacterial"],
    "viral": ["Normal", None, "Viral", "COVID-19", "Viral", None],
}
FINDINGS = ["Normal", "Bacterial", "Viral", "COVID-19", "SARS", "Streptococcus"]
FINDINGS += ["ARDS", "Stress-Smoking"]


def test_finding_vocabulary_is_the_one_tested_here():
    assert [str(finding) for finding in Finding] == FINDINGS
    assert set(TASK_LABELS) == set(CLASS_OF)
    assert all(name == task.name for name, task in TASK_LABELS.items())


@pytest.mark.parametrize("task", CLASS_OF)
def test_every_finding_has_its_class_or_is_set_aside_with_the_reason(task):
    expected = (CLASS_OF[task] + [None, None])[: len(FINDINGS)]
    rows = pd.DataFrame({"image": FINDINGS, "path": FINDINGS, "finding": FINDINGS, "n": range(8)})
    labelled, aside = label_rows(rows, TASK_LABELS[task])
    assert labelled["label"].tolist() == [label for label in expected if label]
    assert labelled["n"].tolist() == [n for n, label in enumerate(expected) if label]
    assert aside.columns.tolist() == ["image", "path", "reason"]
    assert aside["reason"].tolist() == [
        f"the task {task} has no class for the finding {finding}"
        for finding, label in zip(FINDINGS, expected, strict=True)
        if not label
    ]


def test_classes_stand_in_the_order_of_the_outputs():
    assert TASK_LABELS["binary"].classes == ("non-COVID-19", "COVID-19")
    assert TASK_LABELS["multiclass"].classes == ("Normal", "Pneumonia", "COVID-19")
    assert TASK_LABELS["pneumonia"].classes == ("Normal", "Pneumonia")
    assert TASK_LABELS["etiology"].classes == ("Normal", "Bacterial", "Viral", "COVID-19")
    assert TASK_LABELS["viral"].classes == ("Normal", "Viral", "COVID-19")


def test_two_class_tasks_look_for_their_second_class():
    positive = {name: task.positive for name, task in TASK_LABELS.items() if task.positive}
    assert positive == {"binary": "COVID-19", "pneumonia": "Pneumonia"}


def test_class_that_no_finding_has_is_refused():
    with pytest.raises(ValueError, match="only in one of them: Other"):
        dataclasses.replace(TASK_LABELS["viral"], classes=("Normal", "Viral", "COVID-19", "Other"))


@pytest.mark.parametrize(("task", "positive"), [("viral", "Viral"), ("binary", None)])
def test_positive_class_is_for_two_classes_only(task, positive):
    with pytest.raises(ValueError, match="must be the second of two classes"):
        dataclasses.replace(TASK_LABELS[task], positive=positive)
