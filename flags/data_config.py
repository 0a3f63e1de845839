"""What a run is asked to do with the images: frozen, checked dataclasses."""

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
      copies: how copies of one image are looked for: by content, or by their bytes only.
      manifest: CSV with a split made earlier, or None; it overrides `split`.
      split: how the images are divided.
      folds: number of folds, >= 2; read under `split` kfold.
      fold: which fold is the test split, 0..folds-1, or None for each in turn; read under `split`
        kfold.
      held_out_source: the source that is tested on, read under `split` leave_one_source_out.
      test_fraction: share of the patients in the test split, in (0, 1); read under
        `split` patient.
      validation_fraction: share of the patients in the validation split, in (0, 1).
      image_size: side of the network's square input, pixels.
      preprocessing: what makes the square of a decoded image.
      view: which part of the image the network sees.
      lung_masks: folder of lung masks that a view paints around; None takes a fixed box.
      cache: where decoded images are kept.
      cache_budget_mib: memory that `cache` auto may use, MiB.
      on_bad_image: what happens to an image that does not decode.
      max_set_aside: largest share of the images that may be set aside, in [0, 1).
      max_pixels: largest image that is decoded, pixels; at most twice Pillow's own limit,
        past which Pillow refuses an image whatever is asked.
      num_parallel_calls: parallel decodes and augmentations; 0 lets tf.data choose.
    """

    task: choices.Task = choices.Task.MULTICLASS
    copies: choices.Copies = choices.Copies.CONTENT
    manifest: pathlib.Path | None = None
    split: choices.Split = choices.Split.PATIENT
    folds: int = within(Interval(2), 5)
    fold: int | None = None
    held_out_source: str | None = None
    test_fraction: float = within(BETWEEN_0_AND_1, 0.2)
    validation_fraction: float = within(BETWEEN_0_AND_1, 0.15)
    image_size: int = within(Interval(32, 2048), 64)
    preprocessing: choices.Preprocessing = choices.Preprocessing.PLAIN
    view: choices.View = choices.View.FULL
    lung_masks: pathlib.Path | None = None
    cache: choices.Cache = choices.Cache.AUTO
    cache_budget_mib: int = within(AT_LEAST_0, 4096)
    on_bad_image: choices.OnBadImage = choices.OnBadImage.FAIL
    max_set_aside: float = within(BELOW_1, 0.05)
    max_pixels: int = within(Interval(1, 178_956_970), 100_000_000)
    num_parallel_calls: int = within(AT_LEAST_0, 0)

    @property
    def every_fold(self) -> bool:
        """Whether each fold is the test split in turn, and a network is trained for each."""
        return self.manifest is None and self.split is choices.Split.KFOLD and self.fold is None

    def __post_init__(self) -> None:
        super().__post_init__()
        one = self.fold if self.split is choices.Split.KFOLD else None
        if one is not None and not 0 <= one < self.folds:
            raise ValueError(
                f"--fold={self.fold}: expected 0..{self.folds - 1}, because --folds={self.folds}"
            )
        if self.split is choices.Split.LEAVE_ONE_SOURCE_OUT and not self.held_out_source:
            raise ValueError(
                "--split=leave_one_source_out without --held_out_source: name the source that is "
                "tested on, as it stands in the column source of manifest.csv"
            )
        if self.preprocessing is not choices.Preprocessing.PLAIN:
            self._check_nothing_is_painted()
        if self.lung_masks is not None and self.view is choices.View.FULL:
            raise ValueError(
                f"--lung_masks={self.lung_masks} with --view=full, which paints over nothing: "
                "choose border_only, lungs_hidden or lungs_only, or drop --lung_masks"
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

    def _check_nothing_is_painted(self) -> None:
        """Raises ValueError if a view or masks are asked for of images that are cropped."""
        painted = None
        if self.lung_masks is not None:
            painted = f"--lung_masks={self.lung_masks}"
        elif self.view is not choices.View.FULL:
            painted = f"--view={self.view}"
        if painted is not None:
            raise ValueError(
                f"{painted} with --preprocessing={self.preprocessing}: the crop moves the lungs to "
                "another place than where they would be painted; drop one of the two"
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
