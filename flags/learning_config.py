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
from flags.members import Member, members_of

INVERSE_FREQUENCY = "inverse_frequency"
"""The value of `focal_alpha` that asks for weights from the class frequencies."""

WEIGHTS_ENDING = ".weights.h5"
"""How the name of a file of converted weights ends."""

FocalAlpha = tuple[float, ...] | str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig(RangeChecked):
    """The network, or the members of an ensemble, and what they start from.

    Attributes:
      backbone: the architecture; not read where there are members.
      classifier: what decides on its features: a linear head that is trained with the backbone, or
        gradient-boosted trees on a backbone that stays as it is; not read where there are members.
      members: those of an ensemble, BACKBONE or BACKBONE:CLASSIFIER; () for a single network.
      combine: how an ensemble makes one prediction of theirs.
      member_weights: *.weights.h5 files, each for the members of its architecture.
      weights: a *.weights.h5 file with its contract beside it, published weights by name, in a
        comparison those of each cell's system, or None for random weights.
      batch_norm: which statistics the backbone's batch normalisation uses.
      dropout: share of the features dropped before the head, in [0, 1).
    """

    backbone: choices.Backbone = choices.Backbone.RESNET50
    classifier: choices.Classifier = choices.Classifier.LINEAR
    members: tuple[str, ...] = ()
    combine: choices.Combine = choices.Combine.SOFT_VOTE
    member_weights: tuple[pathlib.Path, ...] = ()
    weights: choices.PublishedWeights | choices.SystemWeights | pathlib.Path | None = None
    batch_norm: choices.BatchNorm = choices.BatchNorm.AUTO
    dropout: float = within(BELOW_1, 0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_members()
        if self.batch_norm is choices.BatchNorm.FROZEN and not self.is_pretrained:
            raise ValueError(
                "--batch_norm=frozen with --weights=none: random weights have no statistics "
                "worth keeping; use --batch_norm=train or name a file in --weights"
            )
        if isinstance(self.weights, choices.PublishedWeights):
            for backbone in self.backbones:
                if not backbone.is_published:
                    flag = "members" if self.ensemble else "backbone"
                    raise ValueError(
                        f"--weights={self.weights} with --{flag}={backbone}: nobody has "
                        "published weights of it; drop one of the two"
                    )
        for flag, path in self.weights_files:
            if not path.name.endswith(WEIGHTS_ENDING):
                raise ValueError(
                    f"--{flag}={path}: expected none, imagenet, or a *{WEIGHTS_ENDING} file with "
                    "its contract; python -m weights_conversion makes one of a PyTorch checkpoint"
                )

    def _check_members(self) -> None:
        if len(self.ensemble) == 1:
            raise ValueError(
                f"--members={self.members[0]}: expected two or more; name one in --backbone"
            )
        if self.ensemble and isinstance(self.weights, pathlib.Path):
            raise ValueError(
                f"--weights={self.weights} with --members={','.join(self.members)}: a file is for "
                "one architecture; name it in --member_weights"
            )
        if self.member_weights and not self.ensemble:
            raise ValueError(
                f"--member_weights={','.join(map(str, self.member_weights))} without --members: "
                "name the file of a single network in --weights"
            )
        if self.has_trees and not self.is_pretrained:
            asked, flag = f"--classifier={self.classifier}", "weights"
            if self.ensemble:
                asked, flag = f"--members={','.join(self.members)}", "member_weights"
            raise ValueError(
                f"{asked} with --weights=none: boosted trees on random features mean nothing; name "
                f"a file in --{flag}"
            )

    @property
    def ensemble(self) -> tuple[Member, ...]:
        """The members of an ensemble; () for a single network."""
        return members_of(self.members)

    @property
    def backbones(self) -> tuple[choices.Backbone, ...]:
        """Every architecture that is built, each once."""
        found = (member.backbone for member in self.ensemble)
        return tuple(dict.fromkeys(found)) or (self.backbone,)

    @property
    def has_trees(self) -> bool:
        """Whether boosted trees decide, alone or as a member."""
        kinds = [m.classifier for m in self.ensemble] or [self.classifier]
        return choices.Classifier.BOOSTED_TREES in kinds

    @property
    def trees_alone(self) -> bool:
        """Whether boosted trees decide and no network is trained, of several members too."""
        kinds = {m.classifier for m in self.ensemble} or {self.classifier}
        return kinds == {choices.Classifier.BOOSTED_TREES}

    @property
    def combines_balanced(self) -> bool:
        """Whether members are put together by a fit in which every class counts the same."""
        return bool(self.members) and self.combine is not choices.Combine.SOFT_VOTE

    @property
    def is_pretrained(self) -> bool:
        """Whether the network, or a member, starts from weights worth keeping."""
        return self.weights is not None or bool(self.member_weights)

    @property
    def weights_files(self) -> tuple[tuple[str, pathlib.Path], ...]:
        """The flag and path of each weights file that is named."""
        own = [("weights", self.weights)] if isinstance(self.weights, pathlib.Path) else []
        return (*own, *(("member_weights", path) for path in self.member_weights))

    @property
    def resolved_batch_norm(self) -> choices.BatchNorm:
        """`train` or `frozen`: what `auto` means for these weights."""
        if self.batch_norm is not choices.BatchNorm.AUTO:
            return self.batch_norm
        return choices.BatchNorm.FROZEN if self.is_pretrained else choices.BatchNorm.TRAIN


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
      head_augment: whether phase 1 sees augmented images.
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
    head_augment: bool = True
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
