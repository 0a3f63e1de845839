"""Flags of `python -m tfcovid.predict`."""

from absl import flags as absl_flags

from flags.beam_flags import BEAM_ARGS, SHARDS
from flags.output_flags import OUTPUT
from flags.unread_flags import refuse_unread

# Makes absl look past this module, to the entry, when the key flags are declared.
absl_flags.disclaim_key_flags()

MODEL = absl_flags.DEFINE_string(
    "model", None, "The SavedModel folder of a run: RUN/saved_model. Required."
)
PATTERN = absl_flags.DEFINE_string(
    "pattern",
    None,
    "Images to classify, such as 'scans/*.png' or 'ARCHIVE/**/*.dcm', besides those named "
    "directly. Below ** a file counts once, whatever links lead to it again.",
)
PREDICT_BATCH_SIZE = absl_flags.DEFINE_integer(
    "predict_batch_size", 16, "Images classified at a time.", lower_bound=1
)

HEATMAP_DIR = absl_flags.DEFINE_string(
    "heatmap_dir",
    None,
    "Folder for a picture an image, NAME.heatmap.png: where on it the evidence for the decision "
    "lies. Made if it is missing.",
)

USED = (MODEL, PATTERN, OUTPUT, PREDICT_BATCH_SIZE, HEATMAP_DIR, SHARDS, BEAM_ARGS)


def adopt_key_flags() -> None:
    """Makes --help of the calling module show the flags that prediction reads."""
    for holder in USED:
        absl_flags.declare_key_flag(holder.name)


def refuse_unused(flag_values: absl_flags.FlagValues = absl_flags.FLAGS) -> None:
    """Raises ValueError, one line that names the flag, if one is missing or would not be read.

    Args:
      flag_values: flags after parsing.
    """
    refuse_unread("predict", USED, flag_values)
    if not flag_values[MODEL.name].value:
        raise ValueError("--model: expected RUN/saved_model, found nothing; name a run's model")
    shards = flag_values[SHARDS.name].value
    if shards is None:
        if flag_values[BEAM_ARGS.name].value:
            raise ValueError(
                "--beam_args without --shards: one file of lines is made without Beam; add --shards"
            )
        return
    if not flag_values[OUTPUT.name].value:
        raise ValueError(f"--shards={shards} without --output: name the folder for the shards")
    if flag_values[HEATMAP_DIR.name].value is not None:
        raise ValueError(
            f"--shards={shards} with --heatmap_dir: an archive is scored without pictures; draw "
            "those that are wanted by naming their files, without --shards"
        )
