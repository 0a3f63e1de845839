"""What each data set says of the findings, and what is unknown."""

import numpy as np
import pandas as pd
import pytest

from tfcovid.data.blocks import label_matrix
from tfcovid.data.finding_labels import check_trainable, finding_source_notes
from tfcovid.data.sources.pathologies import PATHOLOGIES
from tfcovid.data.tasks import TASK_LABELS, label_rows

ALONE, WITH_COVID = TASK_LABELS["findings14"], TASK_LABELS["findings14_covid"]

# finding, pathologies, class, what is known of the 14 (None: nothing; a set: those that are there)
ROWS = [
    ("Normal", "No Finding", "Normal", set()),
    ("Pneumonia", "Mass|Pneumonia", "Pneumonia", {"Mass", "Pneumonia"}),
    ("Other finding", "Hernia", None, {"Hernia"}),
    ("Normal", None, "Normal", set()),
    ("Bacterial", None, "Pneumonia", "Pneumonia alone"),
    ("SARS", None, "Pneumonia", "Pneumonia alone"),
    ("COVID-19", None, "COVID-19", None),
    ("COVID-19", "Consolidation", "COVID-19", {"Consolidation"}),
    ("Other finding", None, None, None),
    ("ARDS", None, None, None),
]


def rows():
    frame = pd.DataFrame(
        {
            "finding": [row[0] for row in ROWS],
            "pathologies": [row[1] for row in ROWS],
        },
        index=range(100, 100 + len(ROWS)),
        dtype="str",
    )
    names = [f"{i}.png" for i in range(len(frame))]
    return frame.assign(image=names, path=names, source="s")


def expected(says):
    if says is None:
        return [-1] * 14
    if says == "Pneumonia alone":
        return [1 if name == "Pneumonia" else -1 for name in PATHOLOGIES]
    return [int(name in says) for name in PATHOLOGIES]


def test_the_fourteen_are_known_unknown_or_partly_known_as_the_table_says():
    labelled, aside = label_rows(rows(), ALONE)
    matrix = label_matrix(labelled["label"], ALONE.blocks)
    known = [expected(says) for _, _, _, says in ROWS if says is not None]
    assert matrix.tolist() == known
    assert aside["image"].tolist() == [f"{i}.png" for i, row in enumerate(ROWS) if row[3] is None]
    assert labelled.index.tolist() == [100 + i for i, row in enumerate(ROWS) if row[3] is not None]


def test_classes_stand_beside_the_findings_and_are_unknown_for_other_findings():
    labelled, aside = label_rows(rows(), WITH_COVID)
    matrix = label_matrix(labelled["label"], WITH_COVID.blocks)
    stays = [row for row in ROWS if row[2] is not None or row[3] is not None]
    assert len(aside) == len(ROWS) - len(stays)
    for found, (_, _, name, says) in zip(matrix, stays, strict=True):
        classes = [-1] * 3 if name is None else [int(c == name) for c in WITH_COVID.exclusive]
        assert found.tolist() == classes + expected(says)


def test_outputs_have_names_of_their_own():
    assert len(set(WITH_COVID.classes)) == len(WITH_COVID.classes) == 17
    assert WITH_COVID.exclusive == ("Normal", "Pneumonia", "COVID-19")
    place = WITH_COVID.findings.index("Pneumonia finding")
    assert place == PATHOLOGIES.index("Pneumonia")
    assert ALONE.classes == PATHOLOGIES


def frame_of(labels, split="train", source="a"):
    return pd.DataFrame({"label": labels, "split": split, "source": source}, dtype="str")


def test_training_without_an_image_of_a_finding_or_of_its_absence_is_refused():
    every = ["|".join(PATHOLOGIES[:7]), "|".join(PATHOLOGIES[7:]), "No Finding"]
    parts = [frame_of(every), frame_of(every, "validation")]
    check_trainable(pd.concat(parts, ignore_index=True), ALONE.blocks)
    lacking = [frame_of(["Mass", "No Finding"]), frame_of(every, "validation")]
    with pytest.raises(ValueError, match="no training image has Atelectasis, Cardiomegaly"):
        check_trainable(pd.concat(lacking, ignore_index=True), ALONE.blocks)
    always = [frame_of(["|".join(PATHOLOGIES)]), frame_of(every, "validation")]
    with pytest.raises(ValueError, match="no training image is known to be without Atelectasis"):
        check_trainable(pd.concat(always, ignore_index=True), ALONE.blocks)


def test_validation_that_says_nothing_of_a_block_is_refused():
    findings = "|".join(WITH_COVID.findings)
    train = [
        f"{name}; {says}" for name in WITH_COVID.exclusive for says in (findings, "No Finding")
    ]
    parts = [frame_of(train), frame_of([f"?; {findings}"], "validation")]
    with pytest.raises(ValueError, match="no validation image says anything of its diagnosis"):
        check_trainable(pd.concat(parts, ignore_index=True), WITH_COVID.blocks)


def test_an_output_of_one_source_alone_is_noted_and_so_is_what_is_unknown():
    labels = ["COVID-19; ?"] * 4 + ["Normal; No Finding"] * 4 + ["?; Mass"] * 2
    sources = ["new"] * 4 + ["old"] * 6
    notes = finding_source_notes(
        pd.DataFrame({"label": labels, "source": sources}, dtype="str"), WITH_COVID.blocks
    )
    assert any("4 of 4 COVID-19 images come from new, and 0 of 4" in note for note in notes)
    assert any(note.startswith("diagnosis: 2 of 10 images") for note in notes)
    assert any(note.startswith("findings: 4 of 10 images") for note in notes)
    assert not np.any(["Mass images come from" in note for note in notes])
