"""Flags of the loss and of the one mechanism against unequal classes."""

from absl import flags as absl_flags

from flags import choices
from flags.config import LossConfig

_DEFAULTS = LossConfig()

LOSS = absl_flags.DEFINE_enum_class(
    "loss", _DEFAULTS.loss, choices.Loss, "Training loss: focal, or ce (cross-entropy)."
)
FOCAL_GAMMA = absl_flags.DEFINE_float(
    "focal_gamma",
    None,
    f"Focusing exponent of --loss=focal (default: {_DEFAULTS.focal_gamma:g}, Lin et al. 2017); "
    "0 gives cross-entropy.",
)
FOCAL_ALPHA = absl_flags.DEFINE_string(
    "focal_alpha",
    "none",
    "Class weights inside --loss=focal: none; numbers separated by commas, one for each class "
    "(for a task of two classes one number, the weight of the positive class); or "
    "inverse_frequency, which needs --imbalance=none.",
)
LABEL_SMOOTHING = absl_flags.DEFINE_float(
    "label_smoothing", _DEFAULTS.label_smoothing, "Share of the target spread over all classes."
)
IMBALANCE = absl_flags.DEFINE_enum_class(
    "imbalance",
    _DEFAULTS.imbalance,
    choices.Imbalance,
    "The one mechanism against unequal class sizes. class_weight is the default: unlike "
    "weighted_sampling it shows every image once an epoch and repeats none, and it has no "
    "parameter to choose, unlike effective_number.",
)
EFFECTIVE_NUMBER_BETA = absl_flags.DEFINE_float(
    "effective_number_beta",
    None,
    "beta of --imbalance=effective_number, Cui et al. 2019 "
    f"(default: {_DEFAULTS.effective_number_beta}).",
)
