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
from flags.interval import Interval

INVERSE_FREQUENCY = "inverse_frequency"
"""The value of `focal_alpha` that asks for weights from the class frequencies."""

FocalAlpha = tuple[float, ...] | str | None

_AT_LEAST_0 = Interval(0)
_AT_LEAST_1 = Interval(1)
_POSITIVE = Interval(0, open_low=True)
_BELOW_1 = Interval(0, 1, open_high=True)
_BETWEEN_0_AND_1 = Interval(0, 1, open_low=True, open_high=True)


def _within(interval: Interval, default: float) -> Any:
    """Returns a dataclass field with a default whose values are held to an interval."""
    return dataclasses.field(default=default, metadata={"interval": interval})


class _RangeChecked:
    """Checks on construction every field that has an interval."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            interval = field.metadata.get("interval")
            value = getattr(self, field.name)
            if interval is not None and value not in interval:
                raise ValueError(f"--{field.name}={value}: expected {interval}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig(_RangeChecked):
    """Which images, how they are divided, and how they are read.

    Attributes:
      task: what is told apart.
      data: the data set's kind; None when it is to be recognised from `data_dir`.
      data_dir: the data set's folder; None for the embedded synthetic sample.
      patients: CSV that maps images to patients, or None.
      manifest: CSV with a split made earlier, or None; it overrides `split`.
      split: how the images are divided.
      folds: number of folds, >= 2; read under `split` kfold.
      fold: which fold is the test split, 0..folds-1; read under `split` kfold.
      test_fraction: share of the patients in the test split, in (0, 1); read under
        `split` patient.
      validation_fraction: share of the patients in the validation split, in (0, 1).
      image_size: side of the network's square input, pixels.
      view: which part of the image the network sees.
      cache: where decoded images are kept.
      cache_budget_mib: memory that `cache` auto may use, MiB.
      on_bad_image: what happens to an image that does not decode.
      max_set_aside: largest share of the images that may be set aside, in [0, 1).
      max_pixels: largest image that is decoded, pixels.
      num_parallel_calls: parallel decodes and augmentations; 0 lets tf.data choose.
    """

    task: choices.Task = choices.Task.MULTICLASS
    data: choices.Data | None = choices.Data.SYNTHETIC
    data_dir: pathlib.Path | None = None
    patients: pathlib.Path | None = None
    manifest: pathlib.Path | None = None
    split: choices.Split = choices.Split.PATIENT
    folds: int = _within(Interval(2), 5)
    fold: int = 0
    test_fraction: float = _within(_BETWEEN_0_AND_1, 0.2)
    validation_fraction: float = _within(_BETWEEN_0_AND_1, 0.15)
    image_size: int = _within(Interval(32, 2048), 64)
    view: choices.View = choices.View.FULL
    cache: choices.Cache = choices.Cache.AUTO
    cache_budget_mib: int = _within(_AT_LEAST_0, 4096)
    on_bad_image: choices.OnBadImage = choices.OnBadImage.FAIL
    max_set_aside: float = _within(_BELOW_1, 0.05)
    max_pixels: int = _within(_AT_LEAST_1, 100_000_000)
    num_parallel_calls: int = _within(_AT_LEAST_0, 0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.split is choices.Split.KFOLD and not 0 <= self.fold < self.folds:
            raise ValueError(
                f"--fold={self.fold}: expected 0..{self.folds - 1}, because --folds={self.folds}"
            )
        if (
            self.split is choices.Split.PATIENT
            and self.test_fraction + self.validation_fraction >= 1
        ):
            raise ValueError(
                f"--test_fraction={self.test_fraction} and "
                f"--validation_fraction={self.validation_fraction} leave nothing to train on: "
                "expected a sum below 1"
            )
        self._check_folder()

    def _check_folder(self) -> None:
        if self.data is choices.Data.SYNTHETIC:
            if self.data_dir is not None:
                raise ValueError(
                    f"--data=synthetic with --data_dir={self.data_dir}: "
                    "the synthetic images are made, not read; drop one of the two"
                )
            if self.patients is not None:
                raise ValueError(
                    f"--patients={self.patients} without --data_dir: "
                    "the synthetic sample brings its own patients; drop it or add --data_dir"
                )
        elif self.data_dir is None:
            raise ValueError(
                f"--data={self.data} without --data_dir: add the folder it lies in, "
                "or use --data=synthetic for the embedded sample"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentationConfig(_RangeChecked):
    """How far a training image is moved and changed at random; 0 turns a change off.

    Attributes:
      rotation_degrees: largest rotation either way, degrees.
      translation: largest shift either way, fraction of the side.
      zoom: largest enlargement or reduction, fraction.
      brightness: largest change either way, fraction of the full range.
      contrast: largest change either way, fraction.
      horizontal_flip: whether half of the images are mirrored.
    """

    rotation_degrees: float = _within(Interval(0, 180), 10.0)
    translation: float = _within(Interval(0, 0.5), 0.05)
    zoom: float = _within(_BELOW_1, 0.1)
    brightness: float = _within(Interval(0, 1), 0.1)
    contrast: float = _within(_BELOW_1, 0.1)
    horizontal_flip: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig(_RangeChecked):
    """The network and what it starts from.

    Attributes:
      backbone: the architecture.
      weights: a file written by `python -m weights_conversion`, or None for random weights.
      batch_norm: which statistics the backbone's batch normalisation uses.
      dropout: share of the pooled features dropped before the head, in [0, 1).
    """

    backbone: choices.Backbone = choices.Backbone.RESNET50
    weights: pathlib.Path | None = None
    batch_norm: choices.BatchNorm = choices.BatchNorm.AUTO
    dropout: float = _within(_BELOW_1, 0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights is None:
            if self.batch_norm is choices.BatchNorm.FROZEN:
                raise ValueError(
                    "--batch_norm=frozen with --weights=none: random weights have no statistics "
                    "worth keeping; use --batch_norm=train or name a file in --weights"
                )
        elif not self.weights.name.endswith(".weights.h5"):
            raise ValueError(
                f"--weights={self.weights}: expected none or a *.weights.h5 file written by "
                "`python -m weights_conversion`"
            )

    @property
    def resolved_batch_norm(self) -> choices.BatchNorm:
        """`train` or `frozen`: what `auto` means for these weights."""
        if self.batch_norm is not choices.BatchNorm.AUTO:
            return self.batch_norm
        return choices.BatchNorm.TRAIN if self.weights is None else choices.BatchNorm.FROZEN


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig(_RangeChecked):
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
    focal_gamma: float = _within(_AT_LEAST_0, 2.0)
    focal_alpha: FocalAlpha = None
    label_smoothing: float = _within(_BELOW_1, 0.0)
    imbalance: choices.Imbalance = choices.Imbalance.CLASS_WEIGHT
    effective_number_beta: float = _within(_BELOW_1, 0.999)

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

    def check_alpha_fits(self, task: choices.Task) -> None:
        """Raises ValueError unless numbers in `focal_alpha` fit the task's classes."""
        if not isinstance(self.focal_alpha, tuple):
            return
        if task.num_classes == 2:
            expected, range_of_each = 1, _BETWEEN_0_AND_1
            words = "one number, the weight of the positive class"
        else:
            expected, range_of_each = task.num_classes, _POSITIVE
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
class TrainingConfig(_RangeChecked):
    """How the network is trained.

    Attributes:
      head_epochs: epochs of phase 1, the head on the frozen backbone; 0 skips it.
      epochs: epochs of phase 2, the whole network; 0 skips it.
      batch_size: images per step.
      learning_rate: peak learning rate of phase 2.
      head_learning_rate: learning rate of phase 1.
      weight_decay: decoupled weight decay of AdamW, multiplied by the learning rate.
      warmup_epochs: epochs of phase 2 in which the learning rate rises from 0.
      patience: epochs without a better validation figure before phase 2 ends; 0 never
        ends it early.
      precision: arithmetic of the training step.
      initial_loss_scale: first loss scale, read when the step runs in mixed_float16.
    """

    head_epochs: int = _within(_AT_LEAST_0, 0)
    epochs: int = _within(_AT_LEAST_0, 30)
    batch_size: int = _within(_AT_LEAST_1, 32)
    learning_rate: float = _within(_POSITIVE, 1e-3)
    head_learning_rate: float = _within(_POSITIVE, 1e-3)
    weight_decay: float = _within(_AT_LEAST_0, 0.05)
    warmup_epochs: int = _within(_AT_LEAST_0, 1)
    patience: int = _within(_AT_LEAST_0, 8)
    precision: choices.Precision = choices.Precision.AUTO
    initial_loss_scale: float = _within(_POSITIVE, 32768.0)

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig(_RangeChecked):
    """What concerns the run as a whole.

    Attributes:
      seed: seed of the split, the initial weights, the order and the augmentation.
      workdir: the run's folder; None for runs/<UTC time>-<task>-<loss>.
      controls: which shortcut controls are scored beside the network.
      system: the published method whose preset was placed first, or None.
    """

    seed: int = _within(Interval(0, 2**31 - 1), 0)
    workdir: pathlib.Path | None = None
    controls: choices.Controls = choices.Controls.FEATURES
    system: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Everything a run is asked to do, valid as a whole.

    Raises:
      ValueError: if a value is out of its range or two values contradict each other;
        the message names the flags.
    """

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    augmentation: AugmentationConfig = dataclasses.field(default_factory=AugmentationConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    loss: LossConfig = dataclasses.field(default_factory=LossConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    run: RunConfig = dataclasses.field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        self.loss.check_alpha_fits(self.data.task)
        if self.model.weights is None and self.training.head_epochs > 0:
            raise ValueError(
                f"--head_epochs={self.training.head_epochs} with --weights=none: a head on random "
                "features means nothing; drop --head_epochs or name a file in --weights"
            )

    def by_flag_name(self) -> dict[str, Any]:
        """Returns every value by the name of its flag, in the order of the fields."""
        sections = (getattr(self, concern.name) for concern in dataclasses.fields(self))
        return {
            field.name: getattr(section, field.name)
            for section in sections
            for field in dataclasses.fields(section)
        }
