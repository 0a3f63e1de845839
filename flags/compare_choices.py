"""The values of the flags of `python -m tfcovid.compare`, and what its cells are."""

import enum


class Setting(enum.StrEnum):
    """Whether a cell of a comparison is trained with the images of further data sets."""

    WITHOUT = enum.auto()
    WITH = enum.auto()


class Trained(enum.StrEnum):
    """How a cell of a comparison is trained: a linear probe, the whole network, or a preset."""

    PROBE = enum.auto()
    FINETUNED = enum.auto()
    PRESET = enum.auto()
