"""The classes of each classification task, and which finding belongs to which."""

import dataclasses
from collections.abc import Iterable, Mapping

import pandas as pd

from tfcovid.data.sources.reading import TEXT, Category, Finding, aside


@dataclasses.dataclass(frozen=True)
class TaskLabels:
    """What a task tells apart.

    Attributes:
      name: the task's name on the command line.
      classes: class names in the order of the network's outputs.
      class_of: the class of each value of `column`; one that is not in it has no class here.
      positive: the class that a two-class task looks for (the second one), else None.
      column: what a row's class comes from, "finding" or "source".
    """

    name: str
    classes: tuple[str, ...]
    class_of: Mapping[str, str]
    positive: str | None = None
    column: str = "finding"

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


BACTERIA = (
    Finding.BACTERIAL,
    Finding.CHLAMYDOPHILA,
    Finding.E_COLI,
    Finding.KLEBSIELLA,
    Finding.LEGIONELLA,
    Finding.MYCOPLASMA,
    Finding.STREPTOCOCCUS,
)
VIRUSES = (Finding.VIRAL, Finding.INFLUENZA, Finding.MERS, Finding.SARS, Finding.VARICELLA)
OTHER_PNEUMONIAS = (Finding.PNEUMONIA, Finding.PNEUMOCYSTIS, Finding.LIPOID)
PNEUMONIAS = (*BACTERIA, *VIRUSES, *OTHER_PNEUMONIAS)


def _class_of(members: Mapping[str, tuple[Finding, ...]]) -> dict[str, str]:
    """Returns the class of each finding, from the findings of each class."""
    return {str(finding): name for name, findings in members.items() for finding in findings}


# Acute respiratory distress (ARDS) and Stress-Smoking name no cause of a pneumonia, and a lung
# opacity none at all: they have a class only where the task names them.
BINARY = TaskLabels(
    name="binary",
    classes=("non-COVID-19", "COVID-19"),
    class_of=_class_of(
        {
            "non-COVID-19": (Finding.NORMAL, *PNEUMONIAS, Finding.OTHER),
            "COVID-19": (Finding.COVID19,),
        }
    ),
    positive="COVID-19",
)
MULTICLASS = TaskLabels(
    name="multiclass",
    classes=("Normal", "Pneumonia", "COVID-19"),
    class_of=_class_of(
        {
            "Normal": (Finding.NORMAL,),
            "Pneumonia": PNEUMONIAS,
            "COVID-19": (Finding.COVID19,),
        }
    ),
)
PNEUMONIA = TaskLabels(
    name="pneumonia",
    classes=("Normal", "Pneumonia"),
    class_of=_class_of({"Normal": (Finding.NORMAL,), "Pneumonia": PNEUMONIAS}),
    positive="Pneumonia",
)
PNEUMONIA_CAUSE = TaskLabels(
    name="pneumonia_cause",
    classes=("Normal", "Bacterial", "Viral"),
    class_of=_class_of({"Normal": (Finding.NORMAL,), "Bacterial": BACTERIA, "Viral": VIRUSES}),
)
ETIOLOGY = TaskLabels(
    name="etiology",
    classes=("Normal", "Bacterial", "Viral", "COVID-19"),
    class_of=_class_of(
        {
            "Normal": (Finding.NORMAL,),
            "Bacterial": BACTERIA,
            "Viral": VIRUSES,
            "COVID-19": (Finding.COVID19,),
        }
    ),
)
VIRAL = TaskLabels(
    name="viral",
    classes=("Normal", "Viral", "COVID-19"),
    class_of=_class_of(
        {"Normal": (Finding.NORMAL,), "Viral": VIRUSES, "COVID-19": (Finding.COVID19,)}
    ),
)
LUNG_OPACITY = TaskLabels(
    name="lung_opacity",
    classes=("Normal", "Lung opacity", "Viral", "COVID-19"),
    class_of=_class_of(
        {
            "Normal": (Finding.NORMAL,),
            "Lung opacity": (Finding.LUNG_OPACITY,),
            "Viral": VIRUSES,
            "COVID-19": (Finding.COVID19,),
        }
    ),
)

TASK_LABELS: dict[str, TaskLabels] = {
    "binary": BINARY,
    "multiclass": MULTICLASS,
    "pneumonia": PNEUMONIA,
    "pneumonia_cause": PNEUMONIA_CAUSE,
    "etiology": ETIOLOGY,
    "viral": VIRAL,
    "lung_opacity": LUNG_OPACITY,
}


def source_task(sources: Iterable[str]) -> TaskLabels:
    """Returns the task of telling which data set an image is from, a control.

    Args:
      sources: names of the sources; at least two of them differ.

    Raises:
      ValueError: if there are fewer than two.
    """
    names = tuple(sorted(set(sources)))
    if len(names) < 2:
        raise ValueError(
            f"--task=source: expected images of two sources or more, found {len(names)} "
            f"({', '.join(names) or 'none'}); add another data set with --extra_data_dir"
        )
    return TaskLabels(
        name="source",
        classes=names,
        class_of={name: name for name in names},
        positive=names[1] if len(names) == 2 else None,
        column="source",
    )


def task_labels_of(task: str, sources: Iterable[str]) -> TaskLabels:
    """Returns the classes of a task; those of `source` are the sources there are.

    Args:
      task: its name on the command line.
      sources: names of the sources, read for `source` only.
    """
    return source_task(sources) if task == "source" else TASK_LABELS[task]


def label_rows(rows: pd.DataFrame, task_labels: TaskLabels) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the rows that have a class in the task, and the ones set aside.

    Args:
      rows: columns image, path, finding and any others.
      task_labels: the task.

    Returns:
      The rows that stay, with the column `label` (a class name) added, in their order and with
      their index; and the rows set aside, columns image, path, reason.
    """
    labels = rows[task_labels.column].map(dict(task_labels.class_of)).astype(TEXT)
    stays = labels.notna()
    others = rows.loc[~stays]
    value = others[task_labels.column].fillna("(unknown)")
    reason = f"the task {task_labels.name} has no class for the {task_labels.column} " + value
    return rows.loc[stays].assign(label=labels[stays]), aside(others, Category.NO_CLASS, reason)
