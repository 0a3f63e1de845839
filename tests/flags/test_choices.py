import enum
import inspect

import pytest

from flags import choices, compare_choices
from tfcovid.data.tasks import TASK_LABELS
from tfcovid.experiment.hub_presets import PRESETS
from tfcovid.models.backbones import BACKBONES, SMALLEST_IMAGE_PX
from weights_conversion.namings import ARCHITECTURES

_ENUMS = [
    member
    for module in (choices, compare_choices)
    for _, member in inspect.getmembers(module, inspect.isclass)
    if issubclass(member, enum.StrEnum) and member is not enum.StrEnum
]


@pytest.mark.parametrize("words", _ENUMS)
def test_each_value_is_its_name_in_lower_case_as_absl_reads_it(words):
    assert all(member.value == member.name.lower() for member in words)


@pytest.mark.parametrize("task", choices.Task)
def test_each_task_has_as_many_classes_here_as_in_the_data(task):
    expected = None if task is choices.Task.SOURCE else len(TASK_LABELS[task].classes)
    assert task.num_classes == expected


def test_every_backbone_is_offered_from_its_smallest_image_on():
    assert {backbone.value for backbone in choices.Backbone} == set(BACKBONES)
    for backbone in choices.Backbone:
        assert backbone.smallest_image_px == max(32, SMALLEST_IMAGE_PX.get(backbone, 1))


def test_every_architecture_that_converts_is_offered_and_every_published_one_converts():
    offered = set(choices.SourceArchitecture) - {choices.SourceArchitecture.AUTO}
    assert {architecture.value for architecture in offered} == set(ARCHITECTURES)
    published = {b.value for b in choices.Backbone if b.is_published}
    assert published == {*ARCHITECTURES, *PRESETS}


def test_every_task_of_the_data_is_offered():
    assert {task.value for task in choices.Task} == {*TASK_LABELS, "source"}
