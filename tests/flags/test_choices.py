import enum
import inspect

import pytest

from flags import choices
from tfcovid.data.tasks import TASK_LABELS

_ENUMS = [
    member
    for _, member in inspect.getmembers(choices, inspect.isclass)
    if issubclass(member, enum.StrEnum) and member is not enum.StrEnum
]


@pytest.mark.parametrize("words", _ENUMS)
def test_each_value_is_its_name_in_lower_case_as_absl_reads_it(words):
    assert all(member.value == member.name.lower() for member in words)


@pytest.mark.parametrize("task", choices.Task)
def test_each_task_has_as_many_classes_here_as_in_the_data(task):
    expected = None if task is choices.Task.SOURCE else len(TASK_LABELS[task].classes)
    assert task.num_classes == expected


def test_every_task_of_the_data_is_offered():
    assert {task.value for task in choices.Task} == {*TASK_LABELS, "source"}
