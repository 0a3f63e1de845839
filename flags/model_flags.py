"""Flags of the network and what it starts from."""

from absl import flags as absl_flags

from flags import choices
from flags.config import ModelConfig

_DEFAULTS = ModelConfig()

BACKBONE = absl_flags.DEFINE_enum_class(
    "backbone",
    _DEFAULTS.backbone,
    choices.Backbone,
    "The architecture. It is never replaced silently; cnn19 is a reconstruction of a network whose "
    "layer list is not published, tiny is for smoke tests only.",
)
WEIGHTS = absl_flags.DEFINE_string(
    "weights",
    "none",
    "What the backbone starts from: none (random); the path of a *.weights.h5 file with its "
    "contract beside it, as python -m weights_conversion makes of a PyTorch checkpoint; or "
    "imagenet, got from the hub and converted at its first use. Dense layers before the head "
    "(alexnet, vgg19) start at random.",
)
BATCH_NORM = absl_flags.DEFINE_enum_class(
    "batch_norm",
    _DEFAULTS.batch_norm,
    choices.BatchNorm,
    "Statistics of the backbone's batch normalisation: train (each batch's), frozen (the "
    "stored ones, in both phases), auto (train with --weights=none, frozen otherwise).",
)
DROPOUT = absl_flags.DEFINE_float(
    "dropout",
    _DEFAULTS.dropout,
    "Share of the features dropped before the head; the dropouts "
    "between the dense layers of alexnet, vgg19 and cnn19 are their own.",
)
