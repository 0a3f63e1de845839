"""Flags of `python -m tfcovid.evaluate`: some of those of training, and none of its own."""

from absl import flags as absl_flags

from flags import data_flags, run_flags

USED = (
    run_flags.WORKDIR,
    data_flags.DATA_DIR,
    data_flags.DATA,
    data_flags.PATIENTS,
    data_flags.ON_BAD_IMAGE,
    data_flags.MAX_PIXELS,
)


def adopt_key_flags() -> None:
    """Makes --help of the calling module show the flags that evaluation reads."""
    for holder in USED:
        absl_flags.declare_key_flag(holder.name)
