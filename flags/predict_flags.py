"""Flags of `python -m tfcovid.predict`."""

from absl import flags as absl_flags

MODEL = absl_flags.DEFINE_string(
    "model", None, "The SavedModel folder of a run: RUN/saved_model. Required."
)
PATTERN = absl_flags.DEFINE_string(
    "pattern", None, "Images to classify, such as 'scans/*.png', besides those named directly."
)
OUTPUT = absl_flags.DEFINE_string(
    "output", None, "File for the JSON lines, written whole or not at all (default: stdout)."
)
PREDICT_BATCH_SIZE = absl_flags.DEFINE_integer(
    "predict_batch_size", 16, "Images classified at a time.", lower_bound=1
)
