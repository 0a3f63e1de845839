"""How the images of a comparison are labelled for all tasks at once, and whose they are."""

import pathlib
import types

import pandas as pd

from tfcovid.data.copies.merging import COPY_REASON
from tfcovid.data.sources.reading import Category
from tfcovid.data.tasks import BINARY, ETIOLOGY, MULTICLASS
from tfcovid.experiment.comparison.pool import (
    _common_sources,
    _strata,
    in_main_data,
    joint_labels,
)


def test_joint_classes_tell_apart_what_any_task_tells_apart():
    tasks = [BINARY, MULTICLASS, ETIOLOGY]
    joint, members = joint_labels(tasks)
    for task in tasks:
        for finding, name in joint.class_of.items():
            assert members[task.name].get(name) == task.class_of.get(finding)


def test_one_task_alone_keeps_its_classes():
    joint, members = joint_labels([MULTICLASS])
    assert joint.classes == MULTICLASS.classes
    assert members["multiclass"] == {name: name for name in MULTICLASS.classes}


def test_a_joint_class_of_too_few_patients_is_split_with_a_like_one():
    label = ["A"] * 5 + ["B"] * 4 + ["C"]
    frame = pd.DataFrame({"label": label, "group_id": [f"g{i}" for i in range(10)]})
    # C is like B in the first task, and has no class in the second.
    first = frame["label"].map({"A": "x", "B": "y", "C": "y"})
    second = frame["label"].map({"A": "x", "B": "y"})
    assert _strata(frame, {"1": first, "2": second}, 3).tolist() == ["A"] * 5 + ["B"] * 5


def test_a_source_with_fewer_patients_of_a_class_than_folds_is_spread_with_the_commonest():
    frame = pd.DataFrame(
        {
            "label": ["A"] * 5 + ["B"] * 4,
            "source": ["x", "x", "x", "y", "z", "y", "y", "y", "x"],
            "group_id": [f"g{i}" for i in range(9)],
        }
    )
    assert _common_sources(frame, 3).tolist() == ["x"] * 5 + ["y"] * 4


def test_a_picture_that_both_hold_is_the_main_data_set_s():
    frame = pd.DataFrame(
        {"image": ["a", "added/b", "added/c"], "path": ["main/a", "added/b", "added/c"]}
    )
    copy = {"path": "main/b", "category": str(Category.COPY)}
    rejected = pd.DataFrame(
        [
            copy | {"reason": COPY_REASON.format("added/b")},
            {"path": "main/x", "category": str(Category.LATERAL), "reason": "lateral view"},
        ]
    )
    dataset = types.SimpleNamespace(frame=frame, rejected=rejected)
    root = pathlib.Path("/data")
    assert in_main_data(dataset, root, root / "main").tolist() == [True, True, False]
