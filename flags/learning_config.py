"""What network a run trains, on what loss, and how: frozen, checked dataclasses."""

import dataclasses
import pathlib

from flags import choices
from flags.interval import (
    AT_LEAST_0,
    AT_LEAST_1,
    BELOW_1,
    BETWEEN_0_AND_1,
    POSITIVE,
    RangeChecked,
    within,
)

INVERSE_FREQUENCY = "inverse_frequency"
"""The value of `focal_alpha` that asks for weights from the class frequencies."""

FocalAlpha = tuple[float, ...] | str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig(RangeChecked):
    """The network and what it starts from.

    Attributes:
      backbone: the architecture.
      weights: a *.weights.h5 file with its contract beside it, published weights by name, in a
        comparison those of each cell's system, or None for random weights.
      batch_norm: which statistics the backbone's batch normalisation uses.
      dropout: share of the features dropped before the head, in [0, 1).
    """

    backbone: choices.Backbone = choices.Backbone.RESNET50
    weights: choices.PublishedWeights | choices.SystemWeights | pathlib.Path | None = None
    batch_norm: choices.BatchNorm = choices.BatchNorm.AUTO
    dropout: float = within(BELOW_1, 0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights is None:
            if self.batch_norm is choices.BatchNorm.FROZEN:
                raise ValueError(
                    "--batch_norm=frozen with --weights=none: random weights have no statistics "
                    "worth keeping; use --batch_norm=train or name a file in --weights"
                )
        elif isinstance(self.weights, choices.PublishedWeights):
            if not self.backbone.is_published:
                raise ValueError(
                    f"--weights={self.weights} with --backbone={self.backbone}: nobody has "
                    "published weights of it; drop one of the two"
                )
        elif isinstance(self.weights, pathlib.Path) and not self.weights.name.endswith(
            ".weights.h5"
        ):
            raise ValueError(
                f"--weights={self.weights}: expected none, imagenet, or a *.weights.h5 file with "
                "its contract; python -m weights_conversion makes one of a PyTorch checkpoint"
            )

    @property
    def resolved_batch_norm(self) -> choices.BatchNorm:
        """`train` or `frozen`: what `auto` means for these weights."""
        if self.batch_norm is not choices.BatchNorm.AUTO:
            return self.batch_norm
        return choices.BatchNorm.TRAIN if self.weights is None else choices.BatchNorm.FROZEN


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig(RangeChecked):
    """What is minimised, and the one thing done about unequal classes.

    Attributes:
      loss: the loss.
      focal_gamma: focusing exponent, >= 0; read under `loss` focal.
      focal_alpha: None; or one positive weight per class (for a task of two classes one
        number in (0, 1), the weight of the positive class); or "inverse_frequency".
        Read under `loss` focal.
      label_smoothing: share of the target spread over all classes, in [0, 1).
      imbalance: the mechanism against unequal class sizes.
      effective_number_beta: beta of Cui et al. 2019, in [0, 1); read under `imbalance`
        effective_number.
    """

    loss: choices.Loss = choices.Loss.FOCAL
    focal_gamma: float = within(AT_LEAST_0, 2.0)
    focal_alpha: FocalAlpha = None
    label_smoothing: float = within(BELOW_1, 0.0)
    imbalance: choices.Imbalance = choices.Imbalance.CLASS_WEIGHT
    effective_number_beta: float = within(BELOW_1, 0.999)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.focal_alpha, str):
            if self.focal_alpha != INVERSE_FREQUENCY:
                raise ValueError(
                    f"--focal_alpha={self.focal_alpha}: expected none, numbers separated by "
                    f"commas, or {INVERSE_FREQUENCY}"
                )
            if self.loss is choices.Loss.FOCAL and self.imbalance is not choices.Imbalance.NONE:
                raise ValueError(
                    f"--focal_alpha={INVERSE_FREQUENCY} with --imbalance={self.imbalance}: both "
                    "would act on the class frequencies; drop --focal_alpha or add "
                    "--imbalance=none"
                )

    @property
    def shifts_prior(self) -> bool:
        """Whether the loss sees the classes in other shares than the training split has."""
        alpha = self.loss is choices.Loss.FOCAL and self.focal_alpha is not None
        return alpha or self.imbalance is not choices.Imbalance.NONE

    def check_imbalance_fits(self, task: choices.Task) -> None:
        """Raises ValueError if the mechanism is one of classes and the task has findings."""
        if task.has_findings and self.imbalance is choices.Imbalance.WEIGHTED_SAMPLING:
            raise ValueError(
                f"--imbalance={self.imbalance} with --task={task}: an image that is drawn more "
                "often brings all its findings along; expected none, class_weight or "
                "effective_number, which weigh each finding by itself"
            )

    def check_alpha_fits(self, task: choices.Task) -> None:
        """Raises ValueError unless numbers in `focal_alpha` fit the task's classes."""
        if not isinstance(self.focal_alpha, tuple):
            return
        if task.num_classes is None:
            raise ValueError(
                f"--focal_alpha with --task={task}: the data decides how many classes there are; "
                f"use {INVERSE_FREQUENCY}, none or --imbalance"
            )
        if task is choices.Task.FINDINGS14_COVID:
            raise ValueError(
                f"--focal_alpha with --task={task}: classes and findings have alphas of two kinds; "
                f"use {INVERSE_FREQUENCY}, none or --imbalance"
            )
        if task.has_findings:
            expected, range_of_each = task.num_classes, BETWEEN_0_AND_1
            words = f"{expected} numbers, the weight of the presence of each finding"
        elif task.num_classes == 2:
            expected, range_of_each = 1, BETWEEN_0_AND_1
            words = "one number, the weight of the positive class"
        else:
            expected, range_of_each = task.num_classes, POSITIVE
            words = f"{expected} numbers, one for each class"
        given = ",".join(f"{alpha:g}" for alpha in self.focal_alpha)
        if len(self.focal_alpha) != expected:
            raise ValueError(f"--focal_alpha={given}: expected {words}, because --task={task}")
        for alpha in self.focal_alpha:
            if alpha not in range_of_each:
                raise ValueError(
                    f"--focal_alpha={given}: expected each to be {range_of_each}, "
                    f"because --task={task}"
                )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig(RangeChecked):
    """How the network is trained.

    Attributes:
      head_epochs: epochs of phase 1, the head on the frozen backbone; 0 skips it.
      epochs: epochs of phase 2, the whole network; 0 skips it.
      batch_size: images per step.
      learning_rate: peak learning rate of phase 2.
      head_learning_rate: learning rate of phase 1.
      weight_decay: decoupled weight decay of AdamW, multiplied by the learning rate.
      schedule: how the learning rate goes on from its peak.
      warmup_epochs: epochs of each phase in which the learning rate rises from 0.
      patience: epochs without a better validation figure before a phase ends; 0 never
        ends one early.
      precision: arithmetic of the training step.
      initial_loss_scale: first loss scale, read when the step runs in mixed_float16.
    """

    head_epochs: int = within(AT_LEAST_0, 0)
    epochs: int = within(AT_LEAST_0, 10)
    batch_size: int = within(AT_LEAST_1, 32)
    learning_rate: float = within(POSITIVE, 1e-3)
    head_learning_rate: float = within(POSITIVE, 1e-3)
    weight_decay: float = within(AT_LEAST_0, 0.05)
    schedule: choices.Schedule = choices.Schedule.COSINE
    warmup_epochs: int = within(AT_LEAST_0, 1)
    patience: int = within(AT_LEAST_0, 8)
    precision: choices.Precision = choices.Precision.AUTO
    initial_loss_scale: float = within(POSITIVE, 32768.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.head_epochs + self.epochs == 0:
            raise ValueError(
                "--head_epochs=0 and --epochs=0 train nothing: expected one of them above 0"
            )
        if 0 < self.epochs < self.warmup_epochs:
            raise ValueError(
                f"--warmup_epochs={self.warmup_epochs}: expected 0..{self.epochs}, "
                f"because --epochs={self.epochs}"
            )
