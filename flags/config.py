"""What a run is asked to do: frozen dataclasses by concern, together a Config.

A field has the name of its flag and always holds a usable value. Where a switch
turns a field off (`focal_gamma` under `--loss=ce`), the field keeps its default
and nobody reads it; `flags.parse` refuses the flag in that case.

Every check here depends on values only, so a Config read back from `config.json`
is held to the same rules as one from the command line. What lies on disk is not
looked at: a finished run stays readable after its data has moved.
"""

import dataclasses
import pathlib
from typing import Any

from flags import choices
from flags.data_config import AugmentationConfig, DataConfig
from flags.decision_config import DecisionConfig
from flags.interval import Interval, RangeChecked, within
from flags.learning_config import (
    INVERSE_FREQUENCY,
    FocalAlpha,
    LossConfig,
    ModelConfig,
    TrainingConfig,
)
from flags.source_config import SourceConfig

__all__ = [
    "INVERSE_FREQUENCY",
    "AugmentationConfig",
    "Config",
    "DataConfig",
    "DecisionConfig",
    "FocalAlpha",
    "LossConfig",
    "ModelConfig",
    "RunConfig",
    "SourceConfig",
    "TrainingConfig",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig(RangeChecked):
    """What concerns the run as a whole.

    Attributes:
      seed: seed of the split, the initial weights, the order and the augmentation.
      workdir: the run's folder; None for runs/<UTC time>-<task>-<loss>.
      controls: which shortcut controls are scored beside the network.
      heat_map: how heat maps are drawn.
      system: the published method whose preset was placed first, or None.
    """

    seed: int = within(Interval(0, 2**31 - 1), 0)
    workdir: pathlib.Path | None = None
    controls: choices.Controls = choices.Controls.FEATURES
    heat_map: choices.HeatMap = choices.HeatMap.LAYER_CAM
    system: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Everything a run is asked to do, valid as a whole.

    Raises:
      ValueError: if a value is out of its range or two values contradict each other;
        the message names the flags.
    """

    sources: SourceConfig = dataclasses.field(default_factory=SourceConfig)
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    augmentation: AugmentationConfig = dataclasses.field(default_factory=AugmentationConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    loss: LossConfig = dataclasses.field(default_factory=LossConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    decision: DecisionConfig = dataclasses.field(default_factory=DecisionConfig)
    run: RunConfig = dataclasses.field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        self.loss.check_alpha_fits(self.data.task)
        self.loss.check_imbalance_fits(self.data.task)
        self.decision.check_point_fits(self.data.task)
        for backbone in self.model.backbones:
            if self.data.image_size < backbone.smallest_image_px:
                raise ValueError(
                    f"--image_size={self.data.image_size}: expected {backbone.smallest_image_px} "
                    f"or more, because --{'members' if self.model.members else 'backbone'}="
                    f"{','.join(self.model.members) or backbone}"
                )
            if self.data.image_size % backbone.patch_px:
                raise ValueError(
                    f"--image_size={self.data.image_size}: expected a multiple of "
                    f"{backbone.patch_px}, because --backbone={backbone} cuts images into patches "
                    f"of {backbone.patch_px} px"
                )
        if self.model.has_trees and self.loss.loss is not choices.Loss.CE:
            raise ValueError(
                f"--loss={self.loss.loss} with {choices.Classifier.BOOSTED_TREES}: trees are grown "
                "under cross-entropy; add --loss=ce"
            )
        if self.run.controls is choices.Controls.FULL and self.data.task.has_findings:
            raise ValueError(
                f"--controls=full with --task={self.data.task}: expected features or none; no "
                "network of several findings is trained without the lungs"
            )
        if self.data.task.has_findings and (self.model.members or self.model.has_trees):
            asked = ",".join(self.model.members) or self.model.classifier
            raise ValueError(
                f"--{'members' if self.model.members else 'classifier'}={asked} with "
                f"--task={self.data.task}: ensembles and boosted trees tell classes apart that "
                "exclude each other; drop it, or choose another task"
            )
        if self.run.controls is choices.Controls.FULL and self.data.view is not choices.View.FULL:
            raise ValueError(
                f"--controls=full with --view={self.data.view}: a network of that view is such a "
                "control itself; choose --controls=features or --view=full"
            )
        if not self.model.is_pretrained and self.training.head_epochs > 0:
            raise ValueError(
                f"--head_epochs={self.training.head_epochs} with --weights=none: a head on random "
                "features means nothing; drop --head_epochs or name a file in --weights"
            )
        if not self.training.head_augment and self.training.head_epochs == 0:
            raise ValueError(
                "--head_augment=false without phase 1: it acts only on the head's epochs; drop it, "
                "or give --weights and --head_epochs"
            )

    @property
    def resolved_calibration(self) -> choices.Calibration:
        """`temperature` or `bias_corrected`: what `auto` means for this loss."""
        if self.decision.calibration is not choices.Calibration.AUTO:
            return self.decision.calibration
        if self.shifts_prior:
            return choices.Calibration.BIAS_CORRECTED
        return choices.Calibration.TEMPERATURE

    @property
    def shifts_prior(self) -> bool:
        """Whether what is fitted sees the classes in other shares than the training split has."""
        return self.loss.shifts_prior or self.model.combines_balanced

    def resolved_operating_point(self, num_classes: int) -> choices.OperatingPoint:
        """Returns what `auto` means for so many classes.

        Youden's where a threshold has a class, or each finding has one. Of several classes, where
        a bias-corrected calibration takes back what weights or sampling did for the rare ones,
        balanced, so that the decision does not take it back as well; argmax otherwise.
        """
        if self.decision.operating_point is not choices.OperatingPoint.AUTO:
            return self.decision.operating_point
        of_findings = self.data.task.has_findings
        if num_classes == 2 or of_findings or self.decision.operating_class is not None:
            return choices.OperatingPoint.YOUDEN
        corrected = self.resolved_calibration is choices.Calibration.BIAS_CORRECTED
        if corrected and self.shifts_prior:
            return choices.OperatingPoint.BALANCED
        return choices.OperatingPoint.ARGMAX

    def by_flag_name(self) -> dict[str, Any]:
        """Returns every value by the name of its flag, in the order of the fields."""
        sections = (getattr(self, concern.name) for concern in dataclasses.fields(self))
        return {
            field.name: getattr(section, field.name)
            for section in sections
            for field in dataclasses.fields(section)
        }
