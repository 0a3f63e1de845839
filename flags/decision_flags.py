"""Flags of calibration, of the decision and of predictive values."""

from absl import flags as absl_flags

from flags import choices
from flags.config import DecisionConfig

_DEFAULTS = DecisionConfig()

CALIBRATION = absl_flags.DEFINE_enum_class(
    "calibration",
    _DEFAULTS.calibration,
    choices.Calibration,
    "What is fitted to the log-loss of the validation split: one temperature, or a temperature "
    "and a bias a class (bias_corrected), which undoes a prior that weights or sampling shifted; "
    "auto is bias_corrected where --imbalance or --focal_alpha acts, and says which it is.",
)
OPERATING_POINT = absl_flags.DEFINE_enum_class(
    "operating_point",
    _DEFAULTS.operating_point,
    choices.OperatingPoint,
    "How the threshold is chosen on the validation split: youden (largest sensitivity + "
    "specificity), or a sensitivity, specificity or precision of at least --operating_value. "
    "Without a threshold the largest probability decides (argmax), or the largest in proportion "
    "to the class's share of validation (balanced). auto is youden for two classes and where "
    "--operating_class is given; of several classes balanced where --calibration undoes weights "
    "or sampling, argmax otherwise.",
)
OPERATING_VALUE = absl_flags.DEFINE_float(
    "operating_value",
    None,
    "What --operating_point=sensitivity, specificity or precision is to reach (default: "
    f"{_DEFAULTS.operating_value}).",
)
OPERATING_CLASS = absl_flags.DEFINE_string(
    "operating_class",
    None,
    "The class that the threshold and --prevalence are for, such as COVID-19 (default: the last "
    "one). From its threshold on it is decided whatever the others have; below, the largest of "
    "the others is.",
)
PREVALENCE = absl_flags.DEFINE_float(
    "prevalence",
    None,
    "Share of --operating_class among those examined, in (0, 1): PPV and NPV are given for it.",
)
