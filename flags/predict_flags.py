"""Flags of `python -m tfcovid.predict`."""

from absl import flags as absl_flags

from flags.output_flags import OUTPUT

# Makes absl look past this module, to the entry, when the key flags are declared.
absl_flags.disclaim_key_flags()

MODEL = absl_flags.DEFINE_string(
    "model", None, "The SavedModel folder of a run: RUN/saved_model. Required."
)
PATTERN = absl_flags.DEFINE_string(
    "pattern", None, "Images to classify, such as 'scans/*.png', besides those named directly."
)
PREDICT_BATCH_SIZE = absl_flags.DEFINE_integer(
    "predict_batch_size", 16, "Images classified at a time.", lower_bound=1
)

HEATMAP_DIR = absl_flags.DEFINE_string(
    "heatmap_dir",
    None,
    "Folder for a picture an image, NAME.heatmap.png: where on it the evidence for the decision "
    "lies. Made if it is missing.",
)

USED = (MODEL, PATTERN, OUTPUT, PREDICT_BATCH_SIZE, HEATMAP_DIR)


def adopt_key_flags() -> None:
    """Makes --help of the calling module show the flags that prediction reads."""
    for holder in USED:
        absl_flags.declare_key_flag(holder.name)
