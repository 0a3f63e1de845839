"""What a run is asked to do with the data: frozen, checked dataclasses."""

import dataclasses
import pathlib

from flags import choices
from flags.interval import (
    AT_LEAST_0,
    BELOW_1,
    BETWEEN_0_AND_1,
    Interval,
    RangeChecked,
    within,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig(RangeChecked):
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
      max_pixels: largest image that is decoded, pixels; at most twice Pillow's own limit,
        past which Pillow refuses an image whatever is asked.
      num_parallel_calls: parallel decodes and augmentations; 0 lets tf.data choose.
    """

    task: choices.Task = choices.Task.MULTICLASS
    data: choices.Data | None = choices.Data.SYNTHETIC
    data_dir: pathlib.Path | None = None
    patients: pathlib.Path | None = None
    manifest: pathlib.Path | None = None
    split: choices.Split = choices.Split.PATIENT
    folds: int = within(Interval(2), 5)
    fold: int = 0
    test_fraction: float = within(BETWEEN_0_AND_1, 0.2)
    validation_fraction: float = within(BETWEEN_0_AND_1, 0.15)
    image_size: int = within(Interval(32, 2048), 64)
    view: choices.View = choices.View.FULL
    cache: choices.Cache = choices.Cache.AUTO
    cache_budget_mib: int = within(AT_LEAST_0, 4096)
    on_bad_image: choices.OnBadImage = choices.OnBadImage.FAIL
    max_set_aside: float = within(BELOW_1, 0.05)
    max_pixels: int = within(Interval(1, 178_956_970), 100_000_000)
    num_parallel_calls: int = within(AT_LEAST_0, 0)

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
                    "the synthetic images are made, not read; drop --data_dir, or let --data name "
                    "what lies there"
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
class AugmentationConfig(RangeChecked):
    """How far a training image is moved and changed at random; 0 turns a change off.

    Attributes:
      rotation_degrees: largest rotation either way, degrees.
      translation: largest shift either way, fraction of the side.
      zoom: largest enlargement or reduction, fraction.
      brightness: largest change either way, fraction of the full range.
      contrast: largest change either way, fraction.
      horizontal_flip: whether half of the images are mirrored.
      move_share: share of the images that are rotated, shifted and zoomed, in [0, 1].
    """

    rotation_degrees: float = within(Interval(0, 180), 10.0)
    translation: float = within(Interval(0, 0.5), 0.05)
    zoom: float = within(BELOW_1, 0.1)
    brightness: float = within(Interval(0, 1), 0.1)
    contrast: float = within(BELOW_1, 0.1)
    horizontal_flip: bool = False
    move_share: float = within(Interval(0, 1), 0.5)
