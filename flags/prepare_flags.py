"""Flags of `python -m tfcovid.prepare`: some of those of training, and its own."""

from absl import flags as absl_flags

from flags import beam_flags, choices, data_flags, source_flags
from flags.output_flags import OUTPUT_DIR
from flags.unread_flags import refuse_unread

# Makes absl look past this module, to the entry, when the key flags are declared.
absl_flags.disclaim_key_flags()

FETCH = absl_flags.DEFINE_enum(
    "fetch",
    None,
    ["coronahack"],
    "Downloads the data set into --data_dir first, unless it lies there already.",
)
DEFAULT_SHARDS = 8

USED = (
    source_flags.DATA_DIR,
    source_flags.EXTRA_DATA_DIR,
    source_flags.DATA,
    source_flags.PATIENTS,
    source_flags.TABLE,
    source_flags.COLUMNS,
    source_flags.LABEL_NAMES,
    source_flags.PATIENT_KEY,
    FETCH,
    OUTPUT_DIR,
    beam_flags.SHARDS,
    data_flags.IMAGE_SIZE,
    data_flags.ON_BAD_IMAGE,
    data_flags.MAX_PIXELS,
    beam_flags.BEAM_ARGS,
)


def adopt_key_flags() -> None:
    """Makes --help of the calling module show the flags that preparation reads."""
    for holder in USED:
        absl_flags.declare_key_flag(holder.name)


def refuse_unused(flag_values: absl_flags.FlagValues = absl_flags.FLAGS) -> None:
    """Raises ValueError if a flag is given that preparation would not read, or one is missing.

    Args:
      flag_values: flags after parsing.

    Raises:
      ValueError: if a flag of training outside USED is given; if --output_dir is missing; if
        --fetch has no --data_dir to go to, or another --data; if images are to be cropped. One
        line that names the flag.
    """
    chain = flag_values[data_flags.PREPROCESSING.name].value
    if chain is not choices.Preprocessing.PLAIN:
        raise ValueError(
            f"--preprocessing={chain}: records hold whole images made small, from which it would "
            "cut otherwise than from their files; train on the files with it"
        )
    refuse_unread("prepare", USED, flag_values)
    if not flag_values[OUTPUT_DIR.name].value:
        raise ValueError("--output_dir: expected a folder for the records, found nothing")
    fetch, data = flag_values[FETCH.name].value, flag_values[source_flags.DATA.name].value
    if fetch is None:
        return
    if not flag_values[source_flags.DATA_DIR.name].value:
        raise ValueError(f"--fetch={fetch} without --data_dir: name the folder it is to lie in")
    if data not in (None, choices.Data(fetch)):
        raise ValueError(f"--fetch={fetch} with --data={data}: expected the same; drop --data")
