"""The command line to a Config.

An entry calls `adopt_key_flags()` so that --help shows the flags, then
`absl.app.run(main, flags_parser=parse.flags_parser)`; its main begins with
`refuse_stray_arguments(argv)` and `config_from_flags()`.

A flag that acts only under a value of another one has no default of its own: that
it was given is then known even where flags came from a file, and giving it in vain
is an error that names both. Where a Config field has the same name as its flag, as
all do, the value passes as it is unless `config_from_flags` says otherwise.
"""

import copy
import dataclasses
import pathlib
import re
import sys
from collections.abc import Sequence
from typing import Any, TypeVar

from absl import flags as absl_flags

from flags import (
    augmentation_flags,
    choices,
    config,
    data_flags,
    decision_flags,
    loss_flags,
    model_flags,
    run_flags,
    source_flags,
    training_flags,
)
from flags.dependent_flags import let_files_yield, refuse_in_vain
from flags.members import members_of
from flags.preset_files import directly_given, expand_system

# Makes absl look past this module, to the entry, when the key flags are adopted.
absl_flags.disclaim_key_flags()

FLAG_MODULES = (
    source_flags,
    data_flags,
    augmentation_flags,
    model_flags,
    loss_flags,
    training_flags,
    decision_flags,
    run_flags,
)

_UNWRITABLE = re.compile(r"[\r\n\ud800-\udfff]")  # what is no UTF-8 comes as half characters
MOST_CHARACTERS = 2000
"""Of an error that is shown."""

_Section = TypeVar("_Section")


def adopt_key_flags() -> None:
    """Makes --help of the calling module show the flags of training."""
    for module in FLAG_MODULES:
        absl_flags.adopt_module_key_flags(module)


def flags_parser(argv: Sequence[str]) -> list[str]:
    """Parses the program's own flags; for `absl.app.run(main, flags_parser=flags_parser)`.

    A mistake in the flags ends the program with one line on stderr and status 2.

    Returns:
      The program's name and the arguments that are no flags.
    """
    try:
        refuse_undecodable(argv)
        return _parse(argv, absl_flags.FLAGS)
    except (absl_flags.Error, ValueError) as error:
        # absl begins some messages with "ERROR::" and breaks others into lines.
        message = " ".join(str(error).removeprefix("ERROR:: ").split())
        print(f"error: {_visible(message)}", file=sys.stderr)
        sys.exit(2)


def _visible(message: str) -> str:
    """Returns a message that may quote a flag file, with nothing in it that a terminal obeys."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in message[:MOST_CHARACTERS]
    )


def _parse(argv: Sequence[str], flag_values: absl_flags.FlagValues) -> list[str]:
    """Parses argv; what a preset or flag file sets yields to what argv itself says."""
    rest: list[str] = flag_values(expand_system(argv, flag_values))
    let_files_yield(flag_values, directly_given(argv, flag_values))
    return rest


def refuse_undecodable(argv: Sequence[str]) -> None:
    """Raises ValueError if a flag is no UTF-8: a run writes its flags down, and could not.

    Args:
      argv: the program's name and its arguments; those that are no flags may be files of any name.
    """
    for argument in argv[1:]:
        if argument.startswith("-") and _UNWRITABLE.search(argument):
            raise ValueError(
                f"{argument!a}: expected text in UTF-8 without line breaks; rename the file or "
                "folder"
            )


def refuse_stray_arguments(argv: Sequence[str]) -> None:
    """Raises ValueError if anything stands beside the program's name.

    Args:
      argv: the program's name and the arguments that are no flags.
    """
    if len(argv) > 1:
        raise ValueError(f"unexpected argument {argv[1]!r}: flags are written --name=value")


def flag_values_from_argv(argv: Sequence[str]) -> absl_flags.FlagValues:
    """Returns all flags as a command line sets them; the program's own stay as they are.

    Args:
      argv: the program's name and its arguments.

    Raises:
      ValueError: if an argument is no flag, or --system names no preset.
      absl.flags.Error: if a flag is unknown or its value has the wrong type.
    """
    flag_values = copy.deepcopy(absl_flags.FLAGS)
    flag_values.unparse_flags()
    refuse_stray_arguments(_parse(argv, flag_values))
    return flag_values


def config_from_flags(
    flag_values: absl_flags.FlagValues = absl_flags.FLAGS,
    *,
    weights: choices.SystemWeights | None = None,
) -> config.Config:
    """Returns the Config that parsed flags ask for.

    Args:
      flag_values: flags after parsing.
      weights: what a backbone starts from where --weights has no part; None where it has.

    Raises:
      ValueError: if a value is out of range, two flags contradict each other, a flag is
        given that another one turns off, or a named file or folder does not exist. The
        message is one line and names the flags.
    """
    start = weights or _weights(flag_values[model_flags.WEIGHTS.name].value)
    member_weights = tuple(
        pathlib.Path(text).expanduser()
        for text in flag_values[model_flags.MEMBER_WEIGHTS.name].value or ()
    )
    pretrained = start is not None or bool(member_weights)
    head_epochs = flag_values[training_flags.HEAD_EPOCHS.name].value
    if head_epochs is None:
        head_epochs = training_flags.DEFAULT_HEAD_EPOCHS if pretrained else 0
    learning_rate = flag_values[training_flags.LEARNING_RATE.name].value
    if learning_rate is None and pretrained:
        learning_rate = training_flags.FINE_TUNING_LEARNING_RATE
    alpha = _focal_alpha(flag_values[loss_flags.FOCAL_ALPHA.name].value)
    sources = _source_config(flag_values)
    sample = sources.data is choices.Data.SYNTHETIC
    epochs = flag_values[training_flags.EPOCHS.name].value
    if epochs is None:
        epochs = training_flags.SAMPLE_EPOCHS if sample else training_flags.FULL_EPOCHS
    result = config.Config(
        sources=sources,
        data=_data_config(flag_values, sample),
        augmentation=_section(config.AugmentationConfig, flag_values),
        model=_section(
            config.ModelConfig,
            flag_values,
            weights=start,
            members=tuple(flag_values[model_flags.MEMBERS.name].value or ()),
            member_weights=member_weights,
        ),
        loss=_section(config.LossConfig, flag_values, focal_alpha=alpha),
        training=_section(
            config.TrainingConfig,
            flag_values,
            head_epochs=head_epochs,
            epochs=epochs,
            **({} if learning_rate is None else {"learning_rate": learning_rate}),
        ),
        decision=_section(config.DecisionConfig, flag_values),
        run=_section(config.RunConfig, flag_values, workdir=_path(flag_values, "workdir")),
    )
    refuse_in_vain(flag_values, result)
    _check_paths(result)
    return result


def _section(kind: type[_Section], flag_values: absl_flags.FlagValues, **resolved: Any) -> _Section:
    """Returns one concern's dataclass; a flag without a value leaves the field's default."""
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    given = {name: flag_values[name].value for name in names if flag_values[name].value is not None}
    return kind(**(given | resolved))


def _source_config(flag_values: absl_flags.FlagValues) -> config.SourceConfig:
    data = flag_values[source_flags.DATA.name].value
    data_dir = _path(flag_values, "data_dir")
    if data is None and data_dir is None:
        data = choices.Data.SYNTHETIC
    return _section(
        config.SourceConfig,
        flag_values,
        data=data,
        data_dir=data_dir,
        extra_data_dir=tuple(flag_values[source_flags.EXTRA_DATA_DIR.name].value or ()),
        patients=_path(flag_values, "patients"),
        table=_path(flag_values, "table"),
        patient_key=_path(flag_values, "patient_key"),
        columns=tuple(flag_values[source_flags.COLUMNS.name].value or ()),
        label_names=tuple(flag_values[source_flags.LABEL_NAMES.name].value or ()),
    )


def _data_config(flag_values: absl_flags.FlagValues, sample: bool) -> config.DataConfig:
    image_size = flag_values[data_flags.IMAGE_SIZE.name].value
    if image_size is None:
        image_size = data_flags.SAMPLE_IMAGE_SIZE if sample else data_flags.FULL_IMAGE_SIZE
        members = members_of(flag_values[model_flags.MEMBERS.name].value or ())
        one = flag_values[model_flags.BACKBONE.name].value or config.ModelConfig().backbone
        backbones = [member.backbone for member in members] or [choices.Backbone(one)]
        image_size = max(image_size, *(backbone.smallest_image_px for backbone in backbones))
    return _section(
        config.DataConfig,
        flag_values,
        manifest=_path(flag_values, "manifest"),
        lung_masks=_path(flag_values, "lung_masks"),
        image_size=image_size,
    )


def _path(flag_values: absl_flags.FlagValues, name: str) -> pathlib.Path | None:
    text = flag_values[name].value
    if text == "":
        raise ValueError(f"--{name}=: expected a path, got nothing; drop the flag")
    return None if text is None else pathlib.Path(text).expanduser()


def _weights(text: str | None) -> choices.PublishedWeights | pathlib.Path | None:
    if text is None or text == "none":
        return None
    if text in list(choices.PublishedWeights):
        return choices.PublishedWeights(text)
    return pathlib.Path(text).expanduser()


def _focal_alpha(text: str | None) -> config.FocalAlpha:
    if text is None or text == "none":
        return None
    if text == config.INVERSE_FREQUENCY:
        return text
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise ValueError(
            f"--focal_alpha={text}: expected none, numbers separated by commas, or "
            f"{config.INVERSE_FREQUENCY}"
        ) from None


def _check_paths(asked: config.Config) -> None:
    """Raises ValueError if a folder or file that is to be read is not there."""
    folders = [
        ("data_dir", asked.sources.data_dir),
        ("lung_masks", asked.data.lung_masks),
        *(("extra_data_dir", folder) for _, folder in asked.sources.places()),
    ]
    for name, folder in folders:
        if folder is not None and not folder.is_dir():
            raise ValueError(f"--{name}={folder}: expected a folder that exists")
    files = {
        "patients": asked.sources.patients,
        "table": asked.sources.table,
        "patient_key": asked.sources.patient_key,
        "manifest": asked.data.manifest,
    }
    for name, path in [*files.items(), *asked.model.weights_files]:
        if path is not None and not path.is_file():
            raise ValueError(f"--{name}={path}: expected a file that exists")
