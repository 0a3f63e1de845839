"""Flags of the commands that work with Apache Beam: prepare, and predict where it is asked to."""

from absl import flags as absl_flags

# Makes absl look past this module, to the entry, when the key flags are declared.
absl_flags.disclaim_key_flags()

SHARDS = absl_flags.DEFINE_integer(
    "shards",
    None,
    "Number of files that the result is spread over; as many are made at a time at most. prepare: "
    "8 unless given. predict: scores an archive into the folder --output with Apache Beam; a run "
    "that was killed goes on with the missing shards when the same command is given again.",
    lower_bound=1,
)
BEAM_ARGS = absl_flags.DEFINE_multi_string(
    "beam_args",
    [],
    "An option of Apache Beam, given once for each, such as --beam_args=--runner=FlinkRunner; "
    "by default the DirectRunner works in this process with a thread a core.",
)
