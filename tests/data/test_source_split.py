import pandas as pd
import pytest

from tfcovid.data.split import source_split, split_by_group
from tfcovid.data.tasks import source_task


def frame(counts, *, images=2):
    """Rows of (label, source) with so many groups each."""
    rows = [
        (label, source, f"{label}-{source}-{group}")
        for (label, source), count in counts.items()
        for group in range(count)
        for _ in range(images)
    ]
    table = pd.DataFrame(rows, columns=["label", "source", "group_id"])
    return table.sample(frac=1, random_state=0)


BOTH = {("a", "x"): 10, ("b", "x"): 10, ("a", "y"): 10, ("b", "y"): 10}


def held_out(table, name="y"):
    return source_split(table, held_out=name, validation_fraction=0.2, seed=0)


def test_the_held_out_source_is_the_test_split_and_nothing_else_is():
    table = frame(BOTH)
    split = held_out(table)
    assert set(table["source"][split == "test"]) == {"y"}
    assert set(table["source"][split != "test"]) == {"x"}
    assert table["group_id"].groupby(split).unique().explode().is_unique
    assert table.groupby(split)["label"].nunique().tolist() == [2, 2, 2]


def test_images_that_hang_together_with_the_held_out_source_are_in_no_split():
    table = frame(BOTH)
    shared = table["group_id"].isin(["a-x-0", "a-y-0"])
    table.loc[shared, "group_id"] = "shared"
    split = held_out(table)
    assert split[shared & (table["source"] == "x")].isna().all()
    assert (split[shared & (table["source"] == "y")] == "test").all()


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({("a", "x"): 5, ("b", "x"): 5}, "expected one of several sources"),
        (BOTH | {("b", "y"): 0}, "it has no b"),
        (BOTH | {("b", "x"): 0}, "the other sources have no b to train on"),
    ],
)
def test_a_source_that_cannot_be_held_out_is_refused(counts, message):
    with pytest.raises(ValueError, match=message):
        held_out(frame(counts))


def test_each_split_has_its_share_of_each_source():
    table = frame({("a", "x"): 30, ("b", "x"): 30, ("a", "y"): 30, ("b", "y"): 3})
    split = split_by_group(table, test_fraction=0.2, validation_fraction=0.2, seed=0)
    groups = table.assign(split=split).groupby(["label", "source", "split"])["group_id"].nunique()
    assert groups["a", "x", "test"] == groups["a", "y", "test"] == groups["b", "x", "test"] == 6
    assert groups["b", "y", "test"] == groups["b", "y", "validation"] == 1


def test_a_source_with_too_few_patients_of_a_class_is_stratified_with_the_others():
    table = frame({("a", "x"): 30, ("b", "x"): 2, ("b", "y"): 2})
    split = split_by_group(table, test_fraction=0.2, validation_fraction=0.2, seed=0)
    assert table.groupby(split)["label"].nunique().tolist() == [2, 2, 2]


def test_sources_are_the_classes_of_the_control_and_one_source_is_refused():
    task = source_task(["y", "x", "y"])
    assert (task.classes, task.positive, task.column) == (("x", "y"), "y", "source")
    with pytest.raises(ValueError, match="expected images of two sources or more, found 1"):
        source_task(["x", "x"])
