"""Flags of `python -m tfcovid.evaluate`: some of those of training, and none of its own."""

from absl import flags as absl_flags

from flags import choices, data_flags, run_flags, source_flags
from flags.unread_flags import refuse_unread

# Makes absl look past this module, to the entry, when the key flags are declared.
absl_flags.disclaim_key_flags()

USED = (
    run_flags.WORKDIR,
    source_flags.DATA_DIR,
    source_flags.DATA,
    source_flags.PATIENTS,
    source_flags.LATERAL_VIEWS,
    data_flags.ON_BAD_IMAGE,
    data_flags.MAX_PIXELS,
)


def adopt_key_flags() -> None:
    """Makes --help of the calling module show the flags that evaluation reads."""
    for holder in USED:
        absl_flags.declare_key_flag(holder.name)


def refuse_unused(flag_values: absl_flags.FlagValues = absl_flags.FLAGS) -> None:
    """Raises ValueError if a flag is given that evaluation would not read.

    Args:
      flag_values: flags after parsing.

    Raises:
      ValueError: if a flag of training outside USED is given; if --data or --patients is
        given without --data_dir; if --data=synthetic is given with it. One line that
        names the flag.
    """
    refuse_unread("evaluate", USED, flag_values)
    data, patients = flag_values["data"].value, flag_values["patients"].value
    data_dir = flag_values["data_dir"].value
    if data_dir is None:
        for name, value in (("data", data), ("patients", patients)):
            if value is not None:
                raise ValueError(
                    f"--{name}={value} without --data_dir: the run's own test split is scored; "
                    f"drop --{name} or add the folder of another data set"
                )
    elif data is choices.Data.SYNTHETIC:
        raise ValueError(
            f"--data=synthetic with --data_dir={data_dir}: the synthetic images are made, not "
            "read; drop --data, or let it name what lies there"
        )
