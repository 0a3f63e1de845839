"""What the network expects of an image, which no tensor says: found, told or asked for."""

import dataclasses

import numpy as np

from weights_conversion.reading.published_settings import PublishedSettings

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Source: torchvision 0.28.0, every classification preset; CheXNet, arXiv:1711.05225, section 3."""

INCEPTION_MEAN = INCEPTION_STD = (0.5, 0.5, 0.5)
INCEPTION_SIZE = 299
"""Source: torchvision 0.28.0, models/inception.py: `transform_input`, which its pretrained network
sets, turns values under ImageNet's mean and std into values under these, exactly."""

UNIT_RANGE = (0.0, 1.0)
XRAYVISION_RANGE = (-1024.0, 1024.0)
XRAYVISION_SIZES = {"resnet50": 512}
XRAYVISION_CLASSES = (
    "Atelectasis",
    "Consolidation",
    "Infiltration",
    "Pneumothorax",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Effusion",
    "Pneumonia",
    "Pleural_Thickening",
    "Cardiomegaly",
    "Nodule",
    "Mass",
    "Hernia",
    "Lung Lesion",
    "Fracture",
    "Lung Opacity",
    "Enlarged Cardiomediastinum",
)
"""Source: torchxrayvision, datasets.default_pathologies; utils.normalize."""

CHEXNET_CLASSES = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
)
"""Source: the order of CheXNet's reimplementation, github.com/arnoweng/CheXNet, model.py."""

CLASS_LISTS = {"chestxray14": CHEXNET_CLASSES, "torchxrayvision": XRAYVISION_CLASSES}
_DEFAULT_SIZE = 224


@dataclasses.dataclass(frozen=True)
class ExpectedInput:
    """What the source network expects; a gray value x in 0..255 reaches it as
    (low + x / 255 * (high - low) - mean) / std, per channel.

    Attributes:
      channels: of the source network.
      low: value of black before mean and std.
      high: value of white before mean and std.
      mean: per channel.
      std: per channel.
      image_size: side of the training image, px.
      class_names: of the head's outputs, empty where unknown.
      reason: how this is known, for the reader.
    """

    channels: int
    low: float
    high: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_size: int
    class_names: tuple[str, ...]
    reason: str


@dataclasses.dataclass(frozen=True)
class Told:
    """What the user says of the input; None leaves it to what can be found."""

    pixel_range: tuple[float, float] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    image_size: int | None = None
    class_names: tuple[str, ...] | None = None


def named_classes(names: list[str] | None) -> tuple[str, ...] | None:
    """Returns the class names of --class_names: one known list by its name, or the names given."""
    if names is None:
        return None
    return CLASS_LISTS.get(names[0], tuple(names)) if len(names) == 1 else tuple(names)


def expect_input(
    *,
    architecture: str,
    channels: int,
    head_outputs: int,
    num_outputs: int,
    thresholds: np.ndarray | None,
    published: PublishedSettings,
    told: Told,
) -> ExpectedInput:
    """Returns what the network expects of an image, what the user says coming first.

    Args:
      architecture: the network.
      channels: input channels of the checkpoint.
      head_outputs: logits of the checkpoint's own head, kept or not; 0 for no head.
      num_outputs: logits that are converted; 0 for none.
      thresholds: torchxrayvision's, where they stand among the tensors; NaN for an output that its
        data set could not train.
      published: what config.json beside the file says.
      told: what the user says.

    Raises:
      ValueError: if nothing says what the network expects, or what is said does not fit it.
    """
    found, reason = _found(architecture, channels, head_outputs, thresholds, published, told)
    if told.pixel_range not in (None, found.pixel_range) and not (told.mean and told.std):
        raise ValueError(
            f"--pixel_range={told.pixel_range[0]:g},{told.pixel_range[1]:g}: expected --mean and "
            "--std with it, as they are subtracted and divided in that range"
        )
    if any((told.pixel_range, told.mean, told.std)) and found is not told:
        reason = f"as told by flag; the rest {reason}"
    low, high = told.pixel_range or found.pixel_range or UNIT_RANGE
    expected = ExpectedInput(
        channels=channels,
        low=low,
        high=high,
        mean=_per_channel("mean", told.mean or found.mean or (0.0,), channels),
        std=_per_channel("std", told.std or found.std or (1.0,), channels),
        image_size=told.image_size or found.image_size or published.image_size or _DEFAULT_SIZE,
        class_names=_class_names(found, published, told, num_outputs),
        reason=reason,
    )
    _check(expected, num_outputs)
    return expected


def _found(architecture, channels, head_outputs, thresholds, published, told):
    """Returns what can be known without the user, or all that they say, and how it is known."""
    if channels == 1 and (head_outputs == len(XRAYVISION_CLASSES) or thresholds is not None):
        size = XRAYVISION_SIZES.get(architecture, _DEFAULT_SIZE)
        return (
            Told(XRAYVISION_RANGE, (0.0,), (1.0,), size, _xrayvision_classes(thresholds)),
            "taken for torchxrayvision's, by one input channel and 18 outputs or thresholds",
        )
    if published.mean and published.std:
        return (
            Told(UNIT_RANGE, published.mean, published.std, published.image_size),
            "by the config.json beside the checkpoint",
        )
    if channels == 3 and architecture == "inception_v3":
        return (
            Told(UNIT_RANGE, INCEPTION_MEAN, INCEPTION_STD, INCEPTION_SIZE),
            "assumed, as torchvision's pretrained network has it by transform_input",
        )
    if channels == 3:
        return (
            Told(UNIT_RANGE, IMAGENET_MEAN, IMAGENET_STD),
            "assumed, as torchvision's and CheXNet's networks have it",
        )
    if told.pixel_range and told.mean and told.std:
        return told, "as told by flag"
    raise ValueError(
        f"takes {channels} channel(s), and nothing says in what range: expected "
        "--pixel_range=LOW,HIGH --mean=… --std=… as the network was trained "
        "(torchxrayvision: --pixel_range=-1024,1024 --mean=0 --std=1)"
    )


def _xrayvision_classes(thresholds):
    """Returns torchxrayvision's names, but no disease for an output that nothing has trained."""
    if thresholds is None or thresholds.shape != (len(XRAYVISION_CLASSES),):
        return XRAYVISION_CLASSES
    return tuple(
        f"untrained output {number}" if np.isnan(threshold) else name
        for number, (name, threshold) in enumerate(
            zip(XRAYVISION_CLASSES, thresholds, strict=True), start=1
        )
    )


def _class_names(found, published, told, num_outputs):
    """Returns the names the user gives, else known ones that fit the outputs, else none."""
    if told.class_names is not None:
        return told.class_names
    known = found.class_names or published.class_names or ()
    return known if len(known) == num_outputs else ()


def _per_channel(name, values, channels):
    if len(values) not in (1, channels):
        raise ValueError(
            f"--{name}={','.join(f'{v:g}' for v in values)}: expected one number or {channels}, "
            "one for each input channel"
        )
    return values if len(values) == channels else values * channels


def _check(expected, num_outputs):
    if not expected.low < expected.high:
        raise ValueError(
            f"--pixel_range={expected.low:g},{expected.high:g}: expected the value of black "
            "below that of white"
        )
    if min(expected.std) <= 0:
        raise ValueError(f"--std={min(expected.std):g}: expected positive numbers")
    names = expected.class_names
    if names and not num_outputs:
        raise ValueError(
            "--class_names: no head is converted, so there are no outputs to name; leave it out"
        )
    if names and (len(names) != num_outputs or len(set(names)) != num_outputs):
        raise ValueError(
            f"--class_names: expected {num_outputs} different names, one for each output that is "
            f"kept, found {len(names)}"
        )
