"""Flags of `python -m weights_conversion`, and what they ask for."""

import pathlib

from absl import flags as absl_flags

from flags import choices
from flags.output_flags import OUTPUT
from flags.unread_flags import refuse_unread

# Makes absl look past this module, to the entry, when the key flags are declared.
absl_flags.disclaim_key_flags()

CHECKPOINT = absl_flags.DEFINE_string(
    "checkpoint",
    None,
    "What is converted: a file (.pth, .pth.tar, .pt, .pkl, .safetensors), or hf://owner/name, with "
    "@revision and /file where wanted. Required.",
)
ARCHITECTURE = absl_flags.DEFINE_enum_class(
    "architecture",
    choices.SourceArchitecture.AUTO,
    choices.SourceArchitecture,
    "The network in the checkpoint. auto recognises it; a name holds the checkpoint to it and "
    "lists what does not fit.",
)
HEAD = absl_flags.DEFINE_enum_class(
    "head",
    None,
    choices.Head,
    "The linear layer behind the pooled features: keep or drop. Not given: kept where there is "
    "one, and said. train puts a head of its own on either way.",
)
LEAVE_OUT = absl_flags.DEFINE_list(
    "leave_out",
    [],
    "Tensors besides the network, such as criterion.pos_weight, that are left out: names, or what "
    "they begin with up to a dot. Without it a tensor that nothing accounts for is refused.",
)
CHANNELS = absl_flags.DEFINE_enum(
    "channels",
    None,
    ["1", "3"],
    "Input channels of the Keras network. Not given: the checkpoint's. 1 from 3 sums the first "
    "kernel over the channels, 3 from 1 spreads it: the same feature maps for gray images.",
)
PIXEL_RANGE = absl_flags.DEFINE_list(
    "pixel_range",
    None,
    "LOW,HIGH: what black and white are before mean and std, such as 0,1 or -1024,1024. Not given: "
    "by config.json beside the checkpoint, torchxrayvision's by its one channel, else 0,1.",
)
MEAN = absl_flags.DEFINE_list(
    "mean",
    None,
    "Subtracted from the input: one number, or one a channel. Not given: as for --pixel_range.",
)
STD = absl_flags.DEFINE_list(
    "std",
    None,
    "What the input is divided by: one number, or one a channel. Not given: as for --pixel_range.",
)
TRAINED_SIZE = absl_flags.DEFINE_integer(
    "trained_size",
    None,
    "Side of the images the network was trained on, pixels; for the contract (default: found, or "
    "224).",
    lower_bound=8,
)
CLASS_NAMES = absl_flags.DEFINE_list(
    "class_names",
    None,
    "Names of the outputs that are kept, in order, or chestxray14 (the order of CheXNet's "
    "reimplementation) or torchxrayvision. Not given: torchxrayvision's own, else left open, "
    "because 14 outputs may be ChestX-ray14's or CheXpert's.",
)

USED = (
    CHECKPOINT,
    OUTPUT,
    ARCHITECTURE,
    HEAD,
    LEAVE_OUT,
    CHANNELS,
    PIXEL_RANGE,
    MEAN,
    STD,
    TRAINED_SIZE,
    CLASS_NAMES,
)


def adopt_key_flags() -> None:
    """Makes --help of the calling module show the flags that the conversion reads."""
    for holder in USED:
        absl_flags.declare_key_flag(holder.name)


def refuse_unused(flag_values: absl_flags.FlagValues = absl_flags.FLAGS) -> None:
    """Raises ValueError, one line, if a flag is given that the conversion does not read."""
    refuse_unread("weights_conversion", USED, flag_values)


def checkpoint(flag_values: absl_flags.FlagValues = absl_flags.FLAGS) -> str:
    """Returns what --checkpoint names.

    Raises:
      ValueError: if it is not given.
    """
    text = flag_values[CHECKPOINT.name].value
    if not text:
        raise ValueError("--checkpoint: expected a file or hf://owner/name, found nothing")
    return text


def output_path(flag_values: absl_flags.FlagValues = absl_flags.FLAGS) -> pathlib.Path:
    """Returns the file that --output names.

    Raises:
      ValueError: if it is not given or does not end in .weights.h5, its folder is not there, or it
        exists.
    """
    text = flag_values[OUTPUT.name].value or ""
    path = pathlib.Path(text).expanduser()
    if not text:
        raise ValueError("--output: expected a name like X.weights.h5, found nothing")
    if not path.name.endswith(".weights.h5") or path.name == ".weights.h5":
        raise ValueError(f"--output={text}: expected a name like X.weights.h5")
    if not path.parent.is_dir():
        raise ValueError(f"--output={text}: the folder {path.parent} does not exist; make it")
    if path.exists():
        raise ValueError(f"--output={text} exists already: remove it, or choose another name")
    return path


def numbers(name: str, flag_values: absl_flags.FlagValues = absl_flags.FLAGS):
    """Returns a flag's numbers as a tuple, or None where it is not given.

    Raises:
      ValueError: if one is no number.
    """
    texts = flag_values[name].value
    if texts is None:
        return None
    try:
        values = tuple(float(text) for text in texts)
    except ValueError:
        values = ()
    # NaN and infinity are no numbers to compute with.
    if not values or any(not abs(value) < float("inf") for value in values):
        raise ValueError(f"--{name}={','.join(texts)}: expected numbers separated by commas")
    return values


def pixel_range(flag_values: absl_flags.FlagValues = absl_flags.FLAGS):
    """Returns (low, high), or None where --pixel_range is not given.

    Raises:
      ValueError: if it is not two numbers, the first below the second.
    """
    values = numbers(PIXEL_RANGE.name, flag_values)
    if values is not None and (len(values) != 2 or not values[0] < values[1]):
        given = ",".join(f"{value:g}" for value in values)
        raise ValueError(
            f"--pixel_range={given}: expected two numbers, black below white, such as 0,1"
        )
    return values
