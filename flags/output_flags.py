"""The flags that name what a command writes; the commands share them."""

from absl import flags as absl_flags

OUTPUT = absl_flags.DEFINE_string(
    "output",
    None,
    "What is written, whole or not at all. predict: a file for the JSON lines (default: stdout), "
    "with --shards the folder for them; "
    "weights_conversion: X.weights.h5, with X.contract.json and the reports beside it.",
)
OUTPUT_DIR = absl_flags.DEFINE_string(
    "output_dir",
    None,
    "The folder that is written to. Required. prepare: for the records; one that an earlier, "
    "interrupted run left is completed, and shards whose files changed are made again; one with "
    "records of other files, another size or number of shards is refused. "
    "steps: for the pictures.",
)
