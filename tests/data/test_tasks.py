import dataclasses

import pandas as pd
import pytest

from tfcovid.data.sources.reading import Finding
from tfcovid.data.tasks import TASK_LABELS, label_rows

# What each finding is in each task, in the order of TASKS; "-" for no class.
TASKS = (
    "binary",
    "multiclass",
    "pneumonia",
    "pneumonia_cause",
    "etiology",
    "viral",
    "lung_opacity",
)
CLASSES_OF_FINDING = {
    "Normal": "non-COVID-19 Normal Normal Normal Normal Normal Normal",
    "Pneumonia": "non-COVID-19 Pneumonia Pneumonia - - - -",
    "Bacterial": "non-COVID-19 Pneumonia Pneumonia Bacterial Bacterial - -",
    "Chlamydophila": "non-COVID-19 Pneumonia Pneumonia Bacterial Bacterial - -",
    "E. coli": "non-COVID-19 Pneumonia Pneumonia Bacterial Bacterial - -",
    "Klebsiella": "non-COVID-19 Pneumonia Pneumonia Bacterial Bacterial - -",
    "Legionella": "non-COVID-19 Pneumonia Pneumonia Bacterial Bacterial - -",
    "Mycoplasma": "non-COVID-19 Pneumonia Pneumonia Bacterial Bacterial - -",
    "Streptococcus": "non-COVID-19 Pneumonia Pneumonia Bacterial Bacterial - -",
    "Viral": "non-COVID-19 Pneumonia Pneumonia Viral Viral Viral Viral",
    "COVID-19": "COVID-19 COVID-19 - - COVID-19 COVID-19 COVID-19",
    "Influenza": "non-COVID-19 Pneumonia Pneumonia Viral Viral Viral Viral",
    "MERS": "non-COVID-19 Pneumonia Pneumonia Viral Viral Viral Viral",
    "SARS": "non-COVID-19 Pneumonia Pneumonia Viral Viral Viral Viral",
    "Varicella": "non-COVID-19 Pneumonia Pneumonia Viral Viral Viral Viral",
    "Pneumocystis": "non-COVID-19 Pneumonia Pneumonia - - - -",
    "Lipoid": "non-COVID-19 Pneumonia Pneumonia - - - -",
    "Lung opacity": "- - - - - - Lung_opacity",
    "ARDS": "- - - - - - -",
    "Stress-Smoking": "- - - - - - -",
    "Other finding": "non-COVID-19 - - - - - -",
}
FINDINGS = list(CLASSES_OF_FINDING)


def classes_in(task):
    column = [cells.split()[TASKS.index(task)] for cells in CLASSES_OF_FINDING.values()]
    return [None if cell == "-" else cell.replace("_", " ") for cell in column]


def test_finding_vocabulary_is_the_one_tested_here():
    assert [str(finding) for finding in Finding] == FINDINGS
    assert set(TASK_LABELS) == {*TASKS, "pneumonia_finding", "findings14", "findings14_covid"}
    assert all(name == task.name for name, task in TASK_LABELS.items())


@pytest.mark.parametrize("task", TASKS)
def test_every_finding_has_its_class_or_is_set_aside_with_the_reason(task):
    expected = classes_in(task)
    rows = pd.DataFrame({"image": FINDINGS, "path": FINDINGS, "finding": FINDINGS})
    rows["n"] = range(len(rows))
    labelled, aside = label_rows(rows, TASK_LABELS[task])
    assert labelled["label"].tolist() == [label for label in expected if label]
    assert labelled["n"].tolist() == [n for n, label in enumerate(expected) if label]
    assert aside.columns.tolist() == ["image", "path", "reason", "category"]
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
    assert positive == {
        "binary": "COVID-19",
        "pneumonia": "Pneumonia",
        "pneumonia_finding": "Pneumonia",
    }


def test_pneumonia_finding_takes_other_findings_for_non_pneumonia_and_has_no_covid19():
    class_of = TASK_LABELS["pneumonia_finding"].class_of
    for finding, pneumonia in zip(FINDINGS, classes_in("pneumonia"), strict=True):
        expected = {"Normal": "non-Pneumonia", "Pneumonia": "Pneumonia", None: None}[pneumonia]
        expected = "non-Pneumonia" if finding == "Other finding" else expected
        assert class_of.get(finding) == expected, finding


def test_class_that_no_finding_has_is_refused():
    with pytest.raises(ValueError, match="only in one of them: Other"):
        dataclasses.replace(TASK_LABELS["viral"], classes=("Normal", "Viral", "COVID-19", "Other"))


@pytest.mark.parametrize(("task", "positive"), [("viral", "Viral"), ("binary", None)])
def test_positive_class_is_for_two_classes_only(task, positive):
    with pytest.raises(ValueError, match="must be the second of two classes"):
        dataclasses.replace(TASK_LABELS[task], positive=positive)


def test_a_finding_that_is_not_known_has_no_class_and_is_not_taken_for_normal():
    rows = pd.DataFrame({"image": ["a"], "path": ["a"], "finding": pd.Series([None], dtype="str")})
    labelled, aside = label_rows(rows, TASK_LABELS["binary"])
    assert labelled.empty
    assert aside["reason"].tolist() == ["the task binary has no class for the finding (unknown)"]
