"""Flags of the training: phases, optimizer, schedule, precision."""

from absl import flags as absl_flags

from flags import choices
from flags.config import TrainingConfig

DEFAULT_HEAD_EPOCHS = 3
"""Epochs of phase 1 where there are weights to keep; without them it is skipped."""

FULL_EPOCHS = 30
"""Epochs of phase 2 on real data where they are not given; early stopping may end it before."""

SAMPLE_EPOCHS = 10
"""The same on the embedded sample: minutes on two cores."""

FINE_TUNING_LEARNING_RATE = 1e-4
"""Peak learning rate of phase 2 where there are weights to keep; ten times as much lost them."""

_DEFAULTS = TrainingConfig()

HEAD_EPOCHS = absl_flags.DEFINE_integer(
    "head_epochs",
    None,
    f"Epochs of phase 1, the head on the frozen backbone (default: {DEFAULT_HEAD_EPOCHS}; "
    "0 with --weights=none, where a head on random features means nothing).",
)
EPOCHS = absl_flags.DEFINE_integer(
    "epochs",
    None,
    f"Epochs of phase 2, the whole network (default: {FULL_EPOCHS}; {SAMPLE_EPOCHS} on the "
    "embedded sample).",
)
BATCH_SIZE = absl_flags.DEFINE_integer("batch_size", _DEFAULTS.batch_size, "Images per step.")
LEARNING_RATE = absl_flags.DEFINE_float(
    "learning_rate",
    None,
    f"Peak learning rate of phase 2 (AdamW; default: {_DEFAULTS.learning_rate:g} with "
    f"--weights=none, {FINE_TUNING_LEARNING_RATE:g} otherwise).",
)
HEAD_LEARNING_RATE = absl_flags.DEFINE_float(
    "head_learning_rate", _DEFAULTS.head_learning_rate, "Learning rate of phase 1 (AdamW)."
)
HEAD_AUGMENT = absl_flags.DEFINE_boolean(
    "head_augment",
    _DEFAULTS.head_augment,
    "Whether phase 1 sees augmented images. Without, what the frozen backbone says of each image "
    "is computed once, and an epoch of phase 1 takes a second.",
)
WEIGHT_DECAY = absl_flags.DEFINE_float(
    "weight_decay",
    _DEFAULTS.weight_decay,
    "Decoupled weight decay of AdamW. A step shrinks the weights by learning rate x this, so "
    "the value is larger than an L2 penalty would be.",
)
SCHEDULE = absl_flags.DEFINE_enum_class(
    "schedule",
    _DEFAULTS.schedule,
    choices.Schedule,
    "How the learning rate goes on from its peak: down a cosine to 0 at the last epoch, or, under "
    "plateau, divided by 10 after each epoch whose validation figure is not the best so far.",
)
WARMUP_EPOCHS = absl_flags.DEFINE_integer(
    "warmup_epochs",
    _DEFAULTS.warmup_epochs,
    "Epochs of each phase in which the learning rate rises from 0; --schedule says what follows.",
)
PATIENCE = absl_flags.DEFINE_integer(
    "patience",
    _DEFAULTS.patience,
    "A phase ends after this many epochs without a better class-averaged log-loss on the "
    "validation split; 0 never ends one early.",
)
PRECISION = absl_flags.DEFINE_enum_class(
    "precision",
    _DEFAULTS.precision,
    choices.Precision,
    "Arithmetic of the training step; auto takes what the machine is fast at, and says so.",
)
INITIAL_LOSS_SCALE = absl_flags.DEFINE_float(
    "initial_loss_scale",
    None,
    f"First loss scale in mixed_float16 (default: {_DEFAULTS.initial_loss_scale:g}).",
)
