"""Flags of `python -m tfcovid.audit`: some of those of training, and none of its own."""

from absl import flags as absl_flags

from flags import data_flags, run_flags, source_flags
from flags.unread_flags import refuse_unread

# Makes absl look past this module, to the entry, when the key flags are declared.
absl_flags.disclaim_key_flags()

USED = (
    source_flags.DATA_DIR,
    source_flags.EXTRA_DATA_DIR,
    source_flags.DATA,
    source_flags.PATIENTS,
    source_flags.TABLE,
    source_flags.COLUMNS,
    source_flags.LABEL_NAMES,
    source_flags.PATIENT_KEY,
    source_flags.LATERAL_VIEWS,
    data_flags.TASK,
    data_flags.MANIFEST,
    data_flags.SPLIT,
    data_flags.FOLDS,
    data_flags.FOLD,
    data_flags.HELD_OUT_SOURCE,
    data_flags.TEST_FRACTION,
    data_flags.VALIDATION_FRACTION,
    data_flags.COPIES,
    data_flags.MAX_PIXELS,
    data_flags.NUM_PARALLEL_CALLS,
    run_flags.SEED,
    run_flags.WORKDIR,
)


def adopt_key_flags() -> None:
    """Makes --help of the calling module show the flags that the audit reads."""
    for holder in USED:
        absl_flags.declare_key_flag(holder.name)


def refuse_unused(flag_values: absl_flags.FlagValues = absl_flags.FLAGS) -> None:
    """Raises ValueError, one line, if a flag of training is given that the audit does not read."""
    refuse_unread("audit", USED, flag_values)
    task = flag_values[data_flags.TASK.name].value
    if task is not None and task.has_findings:
        raise ValueError(
            f"--task={task}: the audit looks at classes that exclude each other; expected such a "
            "task, as pneumonia_finding or multiclass"
        )
