"""Flags of `python -m tfcovid.export`."""

from absl import flags as absl_flags

from flags import run_flags
from flags.unread_flags import refuse_unread

# Makes absl look past this module, to the entry, when the key flags are declared.
absl_flags.disclaim_key_flags()

FORMAT = absl_flags.DEFINE_string(
    "format",
    None,
    "What the classifier is written as, one or several with commas between: saved_model (image "
    "bytes in), litert (float32, float16 and int8), onnx. Required.",
)

USED = (run_flags.WORKDIR, FORMAT)


def adopt_key_flags() -> None:
    """Makes --help of the calling module show the flags that an export reads."""
    for holder in USED:
        absl_flags.declare_key_flag(holder.name)


def refuse_unused(flag_values: absl_flags.FlagValues = absl_flags.FLAGS) -> None:
    """Raises ValueError, one line, if a flag is given that is not read, or the run is missing.

    Args:
      flag_values: flags after parsing.
    """
    refuse_unread("export", USED, flag_values)
    if not flag_values[run_flags.WORKDIR.name].value:
        raise ValueError("--workdir: expected the folder of a finished run, found nothing")
