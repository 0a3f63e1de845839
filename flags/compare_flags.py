"""Flags of `python -m tfcovid.compare`: some of those of training, and its own.

How a network is trained is asked only with --finetune: probes have no such flags.
"""

import enum
import pathlib
from typing import TypeVar

from absl import flags as absl_flags

from flags import (
    augmentation_flags,
    choices,
    compare_choices,
    compare_config,
    data_flags,
    loss_flags,
    model_flags,
    parse,
    run_flags,
    source_flags,
    training_flags,
)
from flags.compare_config import CompareConfig
from flags.compare_presets import chosen_presets
from flags.config import Config
from flags.learning_config import WEIGHTS_ENDING
from flags.unread_flags import refuse_unread

# Makes absl look past this module, to the entry, when the key flags are declared.
absl_flags.disclaim_key_flags()

_Choice = TypeVar("_Choice", bound=enum.StrEnum)

TASKS = absl_flags.DEFINE_list(
    "tasks", [*compare_config.DEFAULT_TASKS], "Tasks, as in --task of training."
)
LOSSES = absl_flags.DEFINE_list(
    "losses", [*compare_config.DEFAULT_LOSSES], "Losses of the heads: focal, ce."
)
IMBALANCES = absl_flags.DEFINE_list(
    "imbalances",
    [*compare_config.DEFAULT_IMBALANCES],
    "Mechanisms against unequal class sizes: none, class_weight, effective_number, "
    "weighted_sampling.",
)
WEIGHTS_FILES = absl_flags.DEFINE_list(
    "weights_files",
    [],
    "*.weights.h5 files with their contracts, or folders of finished runs: backbones that stay "
    "frozen under linear probes, and what the methods of --systems start from, each from the one "
    "of its architecture.",
)
SYSTEMS = absl_flags.DEFINE_list(
    "systems",
    [],
    "Published methods by their names in --system of training, or patterns of them, such as "
    "'song_*', each trained as its preset says; all is every method that fits one class an image, "
    "each once. Flags given beside it go before those of the presets. The first is what the others "
    "are tested against.",
)
SETTINGS = absl_flags.DEFINE_list(
    "settings",
    None,
    "without: trained on --data_dir alone; with: the images of --extra_data_dir are merged into "
    "training and validation. Both are tested on the same images of --data_dir (default: both "
    "where --extra_data_dir is given, without otherwise).",
)
SEEDS = absl_flags.DEFINE_integer(
    "seeds",
    compare_config.DEFAULT_SEEDS,
    "Trainings of each cell; the probabilities are averaged over them.",
)
FINETUNE = absl_flags.DEFINE_list(
    "finetune",
    [],
    "The cells that are trained fully too, backbone included, beside their probes: all, or "
    "patterns of their names TASK-SETTING-SYSTEM-LOSS-IMBALANCE, such as 'binary-without-*'. "
    "Takes hours where the probes take minutes.",
)
FINETUNE_SEEDS = absl_flags.DEFINE_integer(
    "finetune_seeds",
    compare_config.DEFAULT_FINETUNE_SEEDS,
    "Trainings of each cell of --finetune and of each method of --systems; the probabilities are "
    "averaged over them.",
)

USED = (
    TASKS,
    LOSSES,
    IMBALANCES,
    WEIGHTS_FILES,
    SETTINGS,
    SEEDS,
    FINETUNE,
    SYSTEMS,
    source_flags.DATA_DIR,
    source_flags.EXTRA_DATA_DIR,
    source_flags.DATA,
    source_flags.PATIENTS,
    source_flags.TABLE,
    source_flags.COLUMNS,
    source_flags.LABEL_NAMES,
    source_flags.PATIENT_KEY,
    source_flags.LATERAL_VIEWS,
    data_flags.SPLIT,
    data_flags.FOLDS,
    data_flags.TEST_FRACTION,
    data_flags.VALIDATION_FRACTION,
    data_flags.IMAGE_SIZE,
    data_flags.PREPROCESSING,
    data_flags.VIEW,
    data_flags.COPIES,
    data_flags.ON_BAD_IMAGE,
    data_flags.MAX_SET_ASIDE,
    data_flags.MAX_PIXELS,
    data_flags.NUM_PARALLEL_CALLS,
    loss_flags.FOCAL_GAMMA,
    run_flags.SEED,
    run_flags.WORKDIR,
)

FINETUNING = (
    FINETUNE_SEEDS,
    training_flags.HEAD_EPOCHS,
    training_flags.EPOCHS,
    training_flags.BATCH_SIZE,
    training_flags.LEARNING_RATE,
    training_flags.HEAD_LEARNING_RATE,
    training_flags.WEIGHT_DECAY,
    training_flags.SCHEDULE,
    training_flags.WARMUP_EPOCHS,
    training_flags.PATIENCE,
    training_flags.PRECISION,
    training_flags.INITIAL_LOSS_SCALE,
    model_flags.BATCH_NORM,
    model_flags.DROPOUT,
    augmentation_flags.ROTATION_DEGREES,
    augmentation_flags.TRANSLATION,
    augmentation_flags.ZOOM,
    augmentation_flags.BRIGHTNESS,
    augmentation_flags.CONTRAST,
    augmentation_flags.HORIZONTAL_FLIP,
    augmentation_flags.MOVE_SHARE,
)
"""How the networks of --finetune are trained; of presets only what is given directly."""


def adopt_key_flags() -> None:
    """Makes --help of the calling module show the flags that the comparison reads."""
    for holder in (*USED, *FINETUNING):
        absl_flags.declare_key_flag(holder.name)


def refuse_unused(flag_values: absl_flags.FlagValues = absl_flags.FLAGS) -> None:
    """Raises ValueError, one line, if a flag is given that the comparison does not read."""
    refuse_unread("compare", (*USED, *FINETUNING), flag_values)
    if flag_values[SYSTEMS.name].value and not flag_values[WEIGHTS_FILES.name].value:
        for name in (LOSSES.name, IMBALANCES.name, SEEDS.name):
            flag = flag_values[name]
            if flag.present:
                raise ValueError(
                    f"{flag.serialize().split()[0]} without --{WEIGHTS_FILES.name}: it is for "
                    f"probes of these; presets bring their own, and --{FINETUNE_SEEDS.name} is "
                    "their number of seeds"
                )
    if flag_values[FINETUNE.name].value or flag_values[SYSTEMS.name].value:
        return
    for holder in FINETUNING:
        flag = flag_values[holder.name]
        if flag.present:
            raise ValueError(
                f"--{flag.name}={flag.value} without --{FINETUNE.name}: it acts only on the cells "
                f"that are trained fully; name them, or --{SYSTEMS.name}, or drop it"
            )


def config_from_flags(flag_values: absl_flags.FlagValues = absl_flags.FLAGS) -> Config:
    """Returns the Config that parsed flags ask for; the networks of --finetune are pretrained.

    Raises:
      ValueError: as `parse.config_from_flags`.
    """
    pretrained = bool(flag_values[FINETUNE.name].value)
    return parse.config_from_flags(
        flag_values, weights=choices.SystemWeights.SYSTEM if pretrained else None
    )


def comparison_from_flags(
    asked: Config, flag_values: absl_flags.FlagValues = absl_flags.FLAGS
) -> CompareConfig:
    """Returns the grid that parsed flags ask for.

    Args:
      asked: what `config_from_flags` made of the same flags.
      flag_values: flags after parsing.

    Raises:
      ValueError: if a value is none of the choices, two contradict each other, or a system does
        not lie where it is said to. One line that names the flag.
    """
    extra = bool(asked.sources.extra_data_dir)
    settings = _chosen(flag_values, SETTINGS.name, compare_choices.Setting)
    if flag_values[SETTINGS.name].value is None:
        settings = tuple(compare_choices.Setting) if extra else (compare_choices.Setting.WITHOUT,)
    if compare_choices.Setting.WITH in settings and not extra:
        raise ValueError(
            "--settings=with without --extra_data_dir: expected the folder of the added images"
        )
    if extra and settings == (compare_choices.Setting.WITHOUT,):
        raise ValueError(
            "--settings=without with --extra_data_dir: no cell would see the added images; drop "
            "one of the two"
        )
    if asked.data.split is choices.Split.LEAVE_ONE_SOURCE_OUT:
        raise ValueError(
            "--split=leave_one_source_out: compare tests on --data_dir; expected patient, kfold "
            "or official"
        )
    losses = _chosen(flag_values, LOSSES.name, choices.Loss)
    if flag_values["focal_gamma"].value is not None and choices.Loss.FOCAL not in losses:
        raise ValueError("--focal_gamma acts only with focal in --losses; drop it")
    return CompareConfig(
        tasks=_chosen(flag_values, TASKS.name, choices.Task),
        losses=losses,
        imbalances=_chosen(flag_values, IMBALANCES.name, choices.Imbalance),
        weights_files=tuple(map(_system, flag_values[WEIGHTS_FILES.name].value or ())),
        presets=chosen_presets(
            flag_values[SYSTEMS.name].value or (), _chosen(flag_values, TASKS.name, choices.Task)
        ),
        settings=settings,
        seeds=int(flag_values[SEEDS.name].value or 0),
        finetune=tuple(flag_values[FINETUNE.name].value or ()),
        finetune_seeds=int(flag_values[FINETUNE_SEEDS.name].value or 0),
    )


def _chosen(
    flag_values: absl_flags.FlagValues, name: str, kind: type[_Choice]
) -> tuple[_Choice, ...]:
    values = []
    for text in flag_values[name].value or ():
        if text not in list(kind):
            raise ValueError(f"--{name}={text}: expected among {', '.join(kind)}")
        values.append(kind(text))
    return tuple(values)


def _system(text: str) -> pathlib.Path:
    path = pathlib.Path(text).expanduser()
    if path.is_dir():
        return path.resolve()  # a folder given as "." has no name otherwise
    if path.is_file() and path.name.endswith(WEIGHTS_ENDING):
        return path
    raise ValueError(
        f"--weights_files={text}: expected a *{WEIGHTS_ENDING} file with its contract, or the "
        "folder of a finished run"
    )
