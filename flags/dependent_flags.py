"""Flags that act only under a value of another flag, and the check that they do.

A flag that another one turns off is refused where it was given directly. One that only a
flag file or a preset gave yields to a flag given directly: there is nothing to drop.
"""

import dataclasses
import enum
from collections.abc import Collection, Iterator

from absl import flags as absl_flags

from flags import choices
from flags.config import Config


@dataclasses.dataclass(frozen=True)
class _ActsUnder:
    """`flag` acts only while `switch` has one of `values`; `unset` says it is not given."""

    flag: str
    switch: str
    values: tuple[enum.StrEnum, ...]
    unset: str | None = None


_RULES = (
    _ActsUnder("focal_gamma", "loss", (choices.Loss.FOCAL,)),
    _ActsUnder("focal_alpha", "loss", (choices.Loss.FOCAL,), unset="none"),
    _ActsUnder("effective_number_beta", "imbalance", (choices.Imbalance.EFFECTIVE_NUMBER,)),
    _ActsUnder("folds", "split", (choices.Split.KFOLD,)),
    _ActsUnder("fold", "split", (choices.Split.KFOLD,)),
    _ActsUnder("held_out_source", "split", (choices.Split.LEAVE_ONE_SOURCE_OUT,)),
    _ActsUnder("test_fraction", "split", (choices.Split.PATIENT,)),
    _ActsUnder(
        "operating_value",
        "operating_point",
        (
            choices.OperatingPoint.SENSITIVITY,
            choices.OperatingPoint.SPECIFICITY,
            choices.OperatingPoint.PRECISION,
        ),
    ),
    # auto may choose mixed_float16, so the scale may be given with it.
    _ActsUnder(
        "initial_loss_scale",
        "precision",
        (choices.Precision.MIXED_FLOAT16, choices.Precision.AUTO),
    ),
)


OF_TRAINING = (
    "rotation_degrees",
    "translation",
    "zoom",
    "move_share",
    "brightness",
    "contrast",
    "horizontal_flip",
    "batch_norm",
    "dropout",
    "label_smoothing",
    "head_epochs",
    "epochs",
    "batch_size",
    "learning_rate",
    "head_learning_rate",
    "head_augment",
    "weight_decay",
    "schedule",
    "warmup_epochs",
    "patience",
)
"""Flags of how a network is trained: trees on frozen features have no use for them."""


@dataclasses.dataclass(frozen=True)
class _AnsweredBy:
    """Once `switch` is given, these flags have no part: what it names says it already."""

    switch: str
    flags: tuple[str, ...]
    reason: str


_ANSWERS = (
    _AnsweredBy(
        "manifest",
        (
            "split",
            "folds",
            "fold",
            "held_out_source",
            "test_fraction",
            "validation_fraction",
            "patients",
        ),
        "the manifest holds split and patients already",
    ),
    _AnsweredBy("members", ("backbone", "classifier"), "each member names its own"),
)


def acts(name: str, asked: Config) -> bool:
    """Returns whether the flag of this name has a part in what the config asks for."""
    values = asked.by_flag_name()
    if name == "combine" and not values["members"]:
        return False
    if name in OF_TRAINING and asked.model.trees_alone:
        return False
    if any(values[answer.switch] and name in answer.flags for answer in _ANSWERS):
        return False
    return all(values[rule.switch] in rule.values for rule in _RULES if rule.flag == name)


def refuse_in_vain(flag_values: absl_flags.FlagValues, asked: Config) -> None:
    """Raises ValueError if a flag is given that another flag's value turns off.

    Args:
      flag_values: flags after parsing.
      asked: the config made from them.
    """
    for answer in _ANSWERS:
        for name in answer.flags:
            if flag_values[answer.switch].value and flag_values[name].value is not None:
                raise ValueError(
                    f"--{name}={flag_values[name].value} with --{answer.switch}="
                    f"{_text(flag_values[answer.switch].value)}: {answer.reason}; drop one of the "
                    "two"
                )
    values = asked.by_flag_name()
    for name in OF_TRAINING:
        if asked.model.trees_alone and flag_values[name].present:
            raise ValueError(
                f"{flag_values[name].serialize().split()[0]} with boosted_trees alone: no network "
                "is trained; drop it"
            )
    if flag_values["combine"].value is not None and not values["members"]:
        raise ValueError(
            f"--combine={flag_values['combine'].value} without --members: it acts only on an "
            "ensemble; drop it or name members"
        )
    for rule in _RULES:
        given, setting = flag_values[rule.flag].value, values[rule.switch]
        if given != rule.unset and setting not in rule.values:
            wanted = " or ".join(f"--{rule.switch}={value}" for value in rule.values)
            raise ValueError(
                f"--{rule.flag}={given} with --{rule.switch}={setting}: "
                f"it acts only with {wanted}; drop it or change --{rule.switch}"
            )


def let_files_yield(flag_values: absl_flags.FlagValues, direct: Collection[str]) -> None:
    """Resets flags from files that a flag given directly on the command line turns off.

    Args:
      flag_values: flags after parsing; changed in place.
      direct: names of the flags given on the command line itself.
    """
    for name, switch in list(_turned_off(flag_values)):
        if switch in direct and name not in direct:
            flag_values[name].unparse()


def _turned_off(flag_values: absl_flags.FlagValues) -> Iterator[tuple[str, str]]:
    """Yields each flag that has no part in the run, and the flag that turns it off."""
    for rule in _RULES:
        if flag_values[rule.switch].value not in rule.values:
            yield rule.flag, rule.switch
    if flag_values["classifier"].value is choices.Classifier.BOOSTED_TREES:
        yield from ((name, "classifier") for name in OF_TRAINING)
    for answer in _ANSWERS:
        if flag_values[answer.switch].value:
            yield from ((name, answer.switch) for name in answer.flags)
            if answer.switch == "members":
                yield from (("members", name) for name in answer.flags)
                yield from (("combine", name) for name in answer.flags)
    if flag_values["data"].value is choices.Data.SYNTHETIC:
        yield from (("data_dir", "data"), ("patients", "data"))
        if flag_values["data_dir"].value is not None:
            yield "data", "data_dir"
    if flag_values["weights"].value == "none":
        yield "head_epochs", "weights"
        yield "head_augment", "weights"


def _text(value: object) -> str:
    """Returns a flag's value as it is written on the command line."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
