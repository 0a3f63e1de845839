import pandas as pd

from tests.report import examples
from tfcovid.report import tables


def test_counts_are_of_images_and_groups():
    frame = pd.DataFrame(
        {
            "label": ["a", "a", "b", "a"],
            "split": ["train", "train", "train", "test"],
            "group_id": ["g1", "g1", "g1", "g2"],
        }
    )
    rows = tables.count_table(frame, "split", ["a", "b"], ["train", "test"])
    assert rows == [
        {"name": "train", "cells": [(2, 1), (1, 1), (3, 1)]},
        {"name": "test", "cells": [(1, 1), (0, 0), (1, 1)]},
        {"name": "all", "cells": [(3, 2), (1, 1), (4, 2)]},
    ]


def test_images_of_unknown_source_are_counted_too():
    frame = examples.manifest().assign(source=None)
    (unknown, _) = tables.data_tables(frame, examples.CLASSES)["by_source"]
    assert unknown["name"] == "unknown"
    assert unknown["cells"][-1][0] == len(frame)


def test_confusion_shares_are_of_the_true_class_and_zero_without_images():
    rows = tables.confusion_rows({"classes": ["a", "b"], "confusion_matrix": [[3, 1], [0, 0]]})
    assert rows[0]["cells"] == [(3, 0.75), (1, 0.25)]
    assert rows[1]["cells"] == [(0, 0.0), (0, 0.0)]


def test_ladder_has_the_model_first_then_controls_from_the_best():
    values = [row["value"] for row in tables.ladder_rows(examples.metrics())]
    assert values[1:] == [0.67, 0.42, 0.36]


def test_class_cells_stand_under_their_headings():
    metrics = examples.metrics()
    row = tables.class_rows(metrics)[2]
    for (key, _), (value, found) in zip(tables.CLASS_COLUMNS, row["cells"], strict=True):
        assert value == metrics["per_class"]["COVID-19"][key]
        assert found == metrics["intervals"].get(f"per_class.COVID-19.{key}")
