"""Flags of the network and what it starts from."""

from absl import flags as absl_flags

from flags import choices
from flags.config import ModelConfig

_DEFAULTS = ModelConfig()

BACKBONE = absl_flags.DEFINE_enum_class(
    "backbone",
    None,
    choices.Backbone,
    f"The architecture (default: {_DEFAULTS.backbone}). It is never replaced silently; cnn19 is a "
    "reconstruction of a network whose layer list is not published, tiny is for smoke tests only.",
)
CLASSIFIER = absl_flags.DEFINE_enum_class(
    "classifier",
    None,
    choices.Classifier,
    f"What decides on the backbone's features (default: {_DEFAULTS.classifier}): a linear head, "
    "trained with the backbone; or boosted_trees, gradient boosting on a backbone that stays as "
    "its --weights left it.",
)
MEMBERS = absl_flags.DEFINE_list(
    "members",
    None,
    "An ensemble in place of one network: BACKBONE or BACKBONE:CLASSIFIER of each member, such as "
    "resnet18,resnet50,mobilenet_v2:boosted_trees. The same one again is trained with another "
    "seed.",
)
COMBINE = absl_flags.DEFINE_enum_class(
    "combine",
    None,
    choices.Combine,
    f"How an ensemble makes one prediction of its members' (default: {_DEFAULTS.combine}): "
    "soft_vote, the mean of their probabilities; stacking, a logistic regression on them; "
    "member_weights, a weight for each member that depends on what all of them say of the image. "
    "The last two are fitted on the validation split.",
)
MEMBER_WEIGHTS = absl_flags.DEFINE_list(
    "member_weights",
    None,
    "What members of an ensemble start from: *.weights.h5 files, each taken by the members of its "
    "architecture; the others start as --weights says.",
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
