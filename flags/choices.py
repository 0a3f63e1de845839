"""The words a flag accepts: one StrEnum for each flag that offers a choice.

Only what works is offered. A member's value is its name in lower case, which is
what absl parses and writes back.
"""

import enum


class Task(enum.StrEnum):
    """What the classifier tells apart; `num_classes` says how many outputs that is."""

    BINARY = enum.auto()
    MULTICLASS = enum.auto()
    PNEUMONIA = enum.auto()
    PNEUMONIA_CAUSE = enum.auto()
    ETIOLOGY = enum.auto()
    VIRAL = enum.auto()
    LUNG_OPACITY = enum.auto()
    PNEUMONIA_FINDING = enum.auto()
    FINDINGS14 = enum.auto()
    FINDINGS14_COVID = enum.auto()
    SOURCE = enum.auto()

    @property
    def num_classes(self) -> int | None:
        """The number of classes and findings, 2 or more; None where the data decides it."""
        return _NUM_CLASSES.get(self)

    @property
    def has_findings(self) -> bool:
        """Whether an image may have several of them: findings, alone or beside classes."""
        return self in (Task.FINDINGS14, Task.FINDINGS14_COVID)


_NUM_CLASSES = {
    Task.BINARY: 2,
    Task.MULTICLASS: 3,
    Task.PNEUMONIA: 2,
    Task.PNEUMONIA_CAUSE: 3,
    Task.ETIOLOGY: 4,
    Task.VIRAL: 3,
    Task.LUNG_OPACITY: 4,
    Task.PNEUMONIA_FINDING: 2,
    Task.FINDINGS14: 14,
    Task.FINDINGS14_COVID: 17,
}


class Loss(enum.StrEnum):
    """The training loss."""

    FOCAL = enum.auto()
    CE = enum.auto()


class Data(enum.StrEnum):
    """The data sets that have a reader."""

    SYNTHETIC = enum.auto()
    CORONAHACK = enum.auto()
    COVID_CHESTXRAY = enum.auto()
    RADIOGRAPHY = enum.auto()
    NIH14 = enum.auto()
    FOLDERS = enum.auto()
    CSV = enum.auto()
    CT_SLICES = enum.auto()
    DICOM = enum.auto()
    RECORDS = enum.auto()


class LateralViews(enum.StrEnum):
    """What happens to images that are known to be lateral views."""

    SET_ASIDE = enum.auto()
    KEEP = enum.auto()


class Copies(enum.StrEnum):
    """How copies of one image are looked for."""

    CONTENT = enum.auto()
    BYTES = enum.auto()


class Split(enum.StrEnum):
    """How the images are divided into training, validation and test."""

    PATIENT = enum.auto()
    OFFICIAL = enum.auto()
    KFOLD = enum.auto()
    LEAVE_ONE_SOURCE_OUT = enum.auto()


class Preprocessing(enum.StrEnum):
    """What makes the network's square of a decoded image."""

    PLAIN = enum.auto()
    LUNG_CROP = enum.auto()


class View(enum.StrEnum):
    """Which part of the image the network sees."""

    FULL = enum.auto()
    BORDER_ONLY = enum.auto()
    LUNGS_HIDDEN = enum.auto()
    LUNGS_ONLY = enum.auto()


class Cache(enum.StrEnum):
    """Where decoded images are kept."""

    AUTO = enum.auto()
    MEMORY = enum.auto()
    DISK = enum.auto()
    RECORDS = enum.auto()
    NONE = enum.auto()


class OnBadImage(enum.StrEnum):
    """What happens to an image that does not decode."""

    FAIL = enum.auto()
    SET_ASIDE = enum.auto()


class Backbone(enum.StrEnum):
    """The architectures; `tiny` is for smoke tests only.

    `smallest_image_px` is the side below which one leaves no feature map, `patch_px` what the side
    must be a multiple of.
    """

    RESNET18 = enum.auto()
    RESNET34 = enum.auto()
    RESNET50 = enum.auto()
    RESNET101 = enum.auto()
    DENSENET121 = enum.auto()
    MOBILENET_V2 = enum.auto()
    VGG19 = enum.auto()
    INCEPTION_V3 = enum.auto()
    ALEXNET = enum.auto()
    SQUEEZENET = enum.auto()
    CNN19 = enum.auto()
    VIT_BASE16 = enum.auto()
    VIT_TINY16 = enum.auto()
    TINY = enum.auto()

    @property
    def patch_px(self) -> int:
        """Side of the patches that a transformer cuts the image into; 1 for the others."""
        return 16 if self in (Backbone.VIT_BASE16, Backbone.VIT_TINY16) else 1

    @property
    def smallest_image_px(self) -> int:
        """The smallest side of an image, at least the 32 px that every run needs."""
        return _SMALLEST_IMAGE_PX.get(self, 32)

    @property
    def is_published(self) -> bool:
        """Whether there are weights that somebody has trained and published."""
        return self not in (Backbone.CNN19, Backbone.VIT_TINY16, Backbone.TINY)


_SMALLEST_IMAGE_PX = {Backbone.ALEXNET: 63, Backbone.INCEPTION_V3: 75}


class PublishedWeights(enum.StrEnum):
    """Weights that are got by name, where `--weights` names no file."""

    IMAGENET = enum.auto()


class SystemWeights(enum.StrEnum):
    """What a comparison starts from, where `--weights` has no part: each cell's own system."""

    SYSTEM = enum.auto()


class SourceArchitecture(enum.StrEnum):
    """The networks that the conversion of PyTorch checkpoints knows."""

    AUTO = enum.auto()
    RESNET18 = enum.auto()
    RESNET34 = enum.auto()
    RESNET50 = enum.auto()
    RESNET101 = enum.auto()
    DENSENET121 = enum.auto()
    MOBILENET_V2 = enum.auto()
    VGG19 = enum.auto()
    INCEPTION_V3 = enum.auto()
    ALEXNET = enum.auto()
    SQUEEZENET = enum.auto()


class Head(enum.StrEnum):
    """What becomes of a checkpoint's own head."""

    KEEP = enum.auto()
    DROP = enum.auto()


class Classifier(enum.StrEnum):
    """What decides on the features of a backbone."""

    LINEAR = enum.auto()
    BOOSTED_TREES = enum.auto()


class Combine(enum.StrEnum):
    """How an ensemble makes one prediction of those of its members."""

    SOFT_VOTE = enum.auto()
    STACKING = enum.auto()
    MEMBER_WEIGHTS = enum.auto()


class BatchNorm(enum.StrEnum):
    """Which statistics the backbone's batch normalisation uses."""

    AUTO = enum.auto()
    FROZEN = enum.auto()
    TRAIN = enum.auto()


class Imbalance(enum.StrEnum):
    """The one mechanism that acts against unequal class sizes."""

    NONE = enum.auto()
    CLASS_WEIGHT = enum.auto()
    EFFECTIVE_NUMBER = enum.auto()
    WEIGHTED_SAMPLING = enum.auto()


class Calibration(enum.StrEnum):
    """What is fitted on the validation split so that probabilities can be believed."""

    AUTO = enum.auto()
    TEMPERATURE = enum.auto()
    BIAS_CORRECTED = enum.auto()


class OperatingPoint(enum.StrEnum):
    """What the decision aims at."""

    AUTO = enum.auto()
    ARGMAX = enum.auto()
    BALANCED = enum.auto()
    YOUDEN = enum.auto()
    SENSITIVITY = enum.auto()
    SPECIFICITY = enum.auto()
    PRECISION = enum.auto()


class Schedule(enum.StrEnum):
    """How the learning rate goes on after the warm-up."""

    COSINE = enum.auto()
    PLATEAU = enum.auto()


class Precision(enum.StrEnum):
    """The arithmetic of the training step."""

    AUTO = enum.auto()
    FLOAT32 = enum.auto()
    MIXED_FLOAT16 = enum.auto()
    MIXED_BFLOAT16 = enum.auto()


class Controls(enum.StrEnum):
    """Which shortcut controls are scored beside the network."""

    FEATURES = enum.auto()
    FULL = enum.auto()
    NONE = enum.auto()


class HeatMap(enum.StrEnum):
    """How heat maps are drawn."""

    LAYER_CAM = enum.auto()
    HIRES_CAM = enum.auto()
    GRAD_CAM = enum.auto()
    NONE = enum.auto()
