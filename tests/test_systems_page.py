"""docs/systems.md is what the presets and the scores make of it."""

import re

from benchmarks import systems
from flags.preset_files import preset_values, system_names


def without_counts(text):
    """Returns the page without its numbers of parameters, which take a minute to count."""
    return re.sub(r"\d[\d,]{5,}", "N", text)


def test_the_page_is_drawn_from_the_presets_as_they_are(monkeypatch):
    monkeypatch.setattr(systems, "parameters", lambda given: 1_000_000)
    drawn = without_counts(systems.page())
    assert without_counts(systems.PAGE.read_text("utf-8")) == drawn


def test_every_line_of_a_preset_is_published_or_chosen_and_says_why():
    for name in system_names():
        lines = list(systems.lines_of(name))
        assert {line.flag: line.value for line in lines} == preset_values(name)
        assert all(line.why for line in lines), name


def test_the_parameters_of_an_ensemble_are_those_of_its_members(monkeypatch):
    counts = {"resnet18": 5, "mobilenet_v2": 7}
    monkeypatch.setattr(systems, "count", lambda backbone, outputs, size: counts[backbone])
    monkeypatch.setattr(systems, "_COUNTED", {})
    given = {"members": "resnet18,mobilenet_v2:boosted_trees", "task": "binary", "image_size": "64"}
    assert systems.parameters(given) == 12


def test_a_classifier_of_one_channel_is_counted_and_of_trees_the_backbone_alone():
    # The tiny backbone's own numbers: a linear head of one output adds a weight a feature and one.
    backbone = systems.count("tiny", 0, 32)
    assert systems.count("tiny", 1, 32) - backbone == 65
