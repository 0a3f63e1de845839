"""The flag that names what a command writes; the commands share it."""

from absl import flags as absl_flags

OUTPUT = absl_flags.DEFINE_string(
    "output",
    None,
    "What is written, whole or not at all. predict: a file for the JSON lines (default: stdout); "
    "weights_conversion: X.weights.h5, with X.contract.json and the reports beside it.",
)
