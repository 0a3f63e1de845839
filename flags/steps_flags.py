"""Flags of `python -m tfcovid.steps`: some of those of training, and the output folder."""

from absl import flags as absl_flags

from flags import choices, data_flags
from flags.config import DataConfig
from flags.output_flags import OUTPUT_DIR
from flags.unread_flags import refuse_unread

# Makes absl look past this module, to the entry, when the key flags are declared.
absl_flags.disclaim_key_flags()

USED = (data_flags.PREPROCESSING, OUTPUT_DIR, data_flags.IMAGE_SIZE, data_flags.MAX_PIXELS)


def adopt_key_flags() -> None:
    """Makes --help of the calling module show the flags that the pictures of the steps read."""
    for holder in USED:
        absl_flags.declare_key_flag(holder.name)


def refuse_unused(flag_values: absl_flags.FlagValues = absl_flags.FLAGS) -> None:
    """Raises ValueError, one line, if a flag is given that is not read, or the folder is missing.

    Args:
      flag_values: flags after parsing.
    """
    refuse_unread("steps", USED, flag_values)
    if not flag_values[OUTPUT_DIR.name].value:
        raise ValueError("--output_dir: expected a folder for the pictures, found nothing")


def data_config(flag_values: absl_flags.FlagValues = absl_flags.FLAGS) -> DataConfig:
    """Returns what parsed flags ask for of the images.

    Args:
      flag_values: flags after parsing.

    Raises:
      ValueError: if a number is out of its range.
    """
    size = flag_values[data_flags.IMAGE_SIZE.name].value
    return DataConfig(
        preprocessing=choices.Preprocessing(str(flag_values[data_flags.PREPROCESSING.name].value)),
        image_size=data_flags.FULL_IMAGE_SIZE if size is None else size,
        max_pixels=int(flag_values[data_flags.MAX_PIXELS.name].value or 0),
    )
