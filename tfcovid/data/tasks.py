"""The classes of each classification task, and which finding belongs to which."""

import dataclasses
from collections.abc import Iterable, Mapping

import pandas as pd

from tfcovid.data.blocks import Block, label_texts
from tfcovid.data.finding_labels import finding_targets
from tfcovid.data.pneumonias import BACTERIA, PNEUMONIAS, VIRUSES
from tfcovid.data.sources.pathologies import PATHOLOGIES
from tfcovid.data.sources.pathologies import PNEUMONIA as PNEUMONIA_LABEL
from tfcovid.data.sources.reading import TEXT, Category, Finding, aside

DIAGNOSIS, FINDINGS = "diagnosis", "findings"
"""Names of the block of classes and of the block of findings."""


@dataclasses.dataclass(frozen=True)
class TaskLabels:
    """What a task tells apart.

    Attributes:
      name: the task's name on the command line.
      classes: names in the order of the network's outputs: classes that exclude each other, then
        `findings`, which do not.
      class_of: the class of each value of `column`; one that is not in it has no class here.
      positive: the class that a two-class task looks for (the second one), else None.
      column: what a row's class comes from, "finding" or "source".
      findings: the last of `classes`, of which an image has any number; empty for most tasks.
    """

    name: str
    classes: tuple[str, ...]
    class_of: Mapping[str, str]
    positive: str | None = None
    column: str = "finding"
    findings: tuple[str, ...] = ()

    @property
    def exclusive(self) -> tuple[str, ...]:
        """The classes of which an image has exactly one."""
        return self.classes[: len(self.classes) - len(self.findings)]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The outputs, in blocks."""
        parts = (Block(DIAGNOSIS, self.exclusive, True), Block(FINDINGS, self.findings, False))
        return tuple(block for block in parts if block.outputs)

    def __post_init__(self) -> None:
        strangers = set(self.class_of.values()) ^ set(self.exclusive)
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

PNEUMONIA_FINDING = TaskLabels(
    name="pneumonia_finding",
    classes=("non-Pneumonia", "Pneumonia"),
    class_of=_class_of({"non-Pneumonia": (Finding.NORMAL, Finding.OTHER), "Pneumonia": PNEUMONIAS}),
    positive="Pneumonia",
)
FINDINGS14 = TaskLabels(name="findings14", classes=PATHOLOGIES, class_of={}, findings=PATHOLOGIES)
# The finding Pneumonia stands beside other findings, the class Pneumonia beside no other class.
_NAMED_APART = tuple(f"{name} finding" if name == PNEUMONIA_LABEL else name for name in PATHOLOGIES)
FINDINGS14_COVID = TaskLabels(
    name="findings14_covid",
    classes=(*MULTICLASS.classes, *_NAMED_APART),
    class_of=MULTICLASS.class_of,
    findings=_NAMED_APART,
)

TASK_LABELS: dict[str, TaskLabels] = {
    "binary": BINARY,
    "multiclass": MULTICLASS,
    "pneumonia": PNEUMONIA,
    "pneumonia_cause": PNEUMONIA_CAUSE,
    "etiology": ETIOLOGY,
    "viral": VIRAL,
    "lung_opacity": LUNG_OPACITY,
    "pneumonia_finding": PNEUMONIA_FINDING,
    "findings14": FINDINGS14,
    "findings14_covid": FINDINGS14_COVID,
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
      The rows that stay, with the column `label` added (a class name, or as `blocks.label_texts`
      writes it), in their order and with their index; and the rows set aside, columns image, path,
      reason.
    """
    labels = (_finding_labels if task_labels.findings else _class_labels)(rows, task_labels)
    stays = labels.notna()
    others = rows.loc[~stays]
    value = others[task_labels.column].fillna("(unknown)")
    reason = f"the task {task_labels.name} has no class for the {task_labels.column} " + value
    return rows.loc[stays].assign(label=labels[stays]), aside(others, Category.NO_CLASS, reason)


def _class_labels(rows: pd.DataFrame, task_labels: TaskLabels) -> pd.Series:
    return rows[task_labels.column].map(dict(task_labels.class_of)).astype(TEXT)


def _finding_labels(rows: pd.DataFrame, task_labels: TaskLabels) -> pd.Series:
    targets = finding_targets(rows, task_labels.blocks, task_labels.class_of)
    return label_texts(targets, task_labels.blocks).set_axis(rows.index)
