"""The classes of each classification task, and which finding belongs to which."""

import dataclasses
from collections.abc import Mapping

import pandas as pd

from tfcovid.data.sources.reading import REJECTED_COLUMNS, TEXT, Finding


@dataclasses.dataclass(frozen=True)
class TaskLabels:
    """What a task tells apart.

    Attributes:
      name: the task's name on the command line.
      classes: class names in the order of the network's outputs.
      class_of: the class of each finding; a finding that is not in it has no class in this task.
      positive: the class that a two-class task looks for (the second one), else None.
    """

    name: str
    classes: tuple[str, ...]
    class_of: Mapping[Finding, str]
    positive: str | None = None

    def __post_init__(self) -> None:
        strangers = set(self.class_of.values()) ^ set(self.classes)
        if strangers:
            raise ValueError(
                f"Task {self.name}: `classes` and the values of `class_of` must be the same names. "
                f"Received only in one of them: {', '.join(sorted(strangers))}."
            )
        if self.positive != (self.classes[1] if len(self.classes) == 2 else None):
            raise ValueError(
                f"Task {self.name}: `positive` must be the second of two classes, and None with "
                f"more. Received: {self.positive} with the classes {', '.join(self.classes)}."
            )


# Acute respiratory distress (ARDS) and Stress-Smoking name no cause of a pneumonia: no task has a
# class for them, so that they are set aside and listed.
BINARY = TaskLabels(
    name="binary",
    classes=("non-COVID-19", "COVID-19"),
    class_of={
        Finding.NORMAL: "non-COVID-19",
        Finding.BACTERIAL: "non-COVID-19",
        Finding.STREPTOCOCCUS: "non-COVID-19",
        Finding.VIRAL: "non-COVID-19",
        Finding.SARS: "non-COVID-19",
        Finding.COVID19: "COVID-19",
    },
    positive="COVID-19",
)
MULTICLASS = TaskLabels(
    name="multiclass",
    classes=("Normal", "Pneumonia", "COVID-19"),
    class_of={
        Finding.NORMAL: "Normal",
        Finding.BACTERIAL: "Pneumonia",
        Finding.STREPTOCOCCUS: "Pneumonia",
        Finding.VIRAL: "Pneumonia",
        Finding.SARS: "Pneumonia",
        Finding.COVID19: "COVID-19",
    },
)
PNEUMONIA = TaskLabels(
    name="pneumonia",
    classes=("Normal", "Pneumonia"),
    class_of={
        Finding.NORMAL: "Normal",
        Finding.BACTERIAL: "Pneumonia",
        Finding.STREPTOCOCCUS: "Pneumonia",
        Finding.VIRAL: "Pneumonia",
        Finding.SARS: "Pneumonia",
    },
    positive="Pneumonia",
)
ETIOLOGY = TaskLabels(
    name="etiology",
    classes=("Normal", "Bacterial", "Viral", "COVID-19"),
    class_of={
        Finding.NORMAL: "Normal",
        Finding.BACTERIAL: "Bacterial",
        Finding.STREPTOCOCCUS: "Bacterial",
        Finding.VIRAL: "Viral",
        Finding.SARS: "Viral",
        Finding.COVID19: "COVID-19",
    },
)
VIRAL = TaskLabels(
    name="viral",
    classes=("Normal", "Viral", "COVID-19"),
    class_of={
        Finding.NORMAL: "Normal",
        Finding.VIRAL: "Viral",
        Finding.SARS: "Viral",
        Finding.COVID19: "COVID-19",
    },
)

TASK_LABELS: dict[str, TaskLabels] = {
    "binary": BINARY,
    "multiclass": MULTICLASS,
    "pneumonia": PNEUMONIA,
    "etiology": ETIOLOGY,
    "viral": VIRAL,
}


def label_rows(rows: pd.DataFrame, task_labels: TaskLabels) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the rows that have a class in the task, and the ones set aside.

    Args:
      rows: columns image, path, finding and any others.
      task_labels: the task.

    Returns:
      The rows that stay, with the column `label` (a class name) added, in their order and with
      their index; and the rows set aside, columns image, path, reason.
    """
    class_of = {str(finding): label for finding, label in task_labels.class_of.items()}
    labels = rows["finding"].map(class_of).astype(TEXT)
    stays = labels.notna()
    aside = rows.loc[~stays, ["image", "path"]].assign(
        reason=f"the task {task_labels.name} has no class for the finding "
        + rows.loc[~stays, "finding"]
    )
    return rows.loc[stays].assign(label=labels[stays]), aside[list(REJECTED_COLUMNS)]
