"""Flags of `python -m tfcovid.evaluate`: some of those of training, and none of its own."""

from absl import flags as absl_flags

from flags import choices, data_flags, decision_flags, run_flags, source_flags
from flags.unread_flags import refuse_unread

# Makes absl look past this module, to the entry, when the key flags are declared.
absl_flags.disclaim_key_flags()

USED = (
    run_flags.WORKDIR,
    source_flags.DATA_DIR,
    source_flags.DATA,
    source_flags.PATIENTS,
    source_flags.TABLE,
    source_flags.COLUMNS,
    source_flags.LABEL_NAMES,
    source_flags.PATIENT_KEY,
    source_flags.LATERAL_VIEWS,
    data_flags.COPIES,
    data_flags.ON_BAD_IMAGE,
    data_flags.MAX_PIXELS,
    decision_flags.PREVALENCE,
)

OF_ANOTHER_DATA_SET = (
    "data",
    "patients",
    "table",
    "columns",
    "label_names",
    "patient_key",
    "lateral_views",
    "copies",
)
"""Flags that say something of the data set in --data_dir."""


def adopt_key_flags() -> None:
    """Makes --help of the calling module show the flags that evaluation reads."""
    for holder in USED:
        absl_flags.declare_key_flag(holder.name)


def refuse_unused(flag_values: absl_flags.FlagValues = absl_flags.FLAGS) -> None:
    """Raises ValueError if a flag is given that evaluation would not read.

    Args:
      flag_values: flags after parsing.

    Raises:
      ValueError: if a flag of training outside USED is given; if one of OF_ANOTHER_DATA_SET
        is given without --data_dir; if --data=synthetic is given with it. One line that
        names the flag.
    """
    refuse_unread("evaluate", USED, flag_values)
    data, data_dir = flag_values["data"].value, flag_values["data_dir"].value
    if data_dir is None:
        for name in OF_ANOTHER_DATA_SET:
            if flag_values[name].present:
                value = flag_values[name].value
                raise ValueError(
                    f"--{name}={value} without --data_dir: the run's own test split is scored; "
                    f"drop --{name} or add the folder of another data set"
                )
    elif data is choices.Data.SYNTHETIC:
        raise ValueError(
            f"--data=synthetic with --data_dir={data_dir}: the synthetic images are made, not "
            "read; drop --data, or let it name what lies there"
        )
