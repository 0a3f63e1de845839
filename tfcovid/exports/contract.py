"""What goes into an exported file and what comes out, for whoever has nothing else of the run."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfcovid.data.preprocess import LUNG_BOX, MID_GRAY, Preprocessing
from tfcovid.exports.squares import INPUT, OUTPUT

NOT_A_DEVICE = "Research use only. Not a medical device."

# In the words of `data.decode` and `data.resizing`, where the tests hold these steps.
DECODED = (
    "decode the image file to 8-bit gray: colour as Rec. 601 luma, alpha dropped, 16 bits scaled "
    "by their significant bits, no EXIF rotation"
)
STRETCHED = (
    "stretch the whole image to the square, never pad it: an axis that shrinks is averaged over "
    "the area of its new pixels, one that grows is interpolated linearly; round half up"
)
CROPPED = (
    "cut it to the lungs as the run's SavedModel does; nothing else has that chain, and `square` "
    "of its signature `explain` is the result"
)
SQUARES = {"plain": STRETCHED, "lung_crop": CROPPED}
"""What makes the square, by the name of the chain."""

_BOX = (
    f"the box from {LUNG_BOX.top:g} to {LUNG_BOX.bottom:g} of the height and {LUNG_BOX.left:g} to "
    f"{LUNG_BOX.right:g} of the width"
)
PAINTED = {
    "full": (),
    "border_only": (f"blacken {_BOX}",),
    "lungs_hidden": (f"fill {_BOX} with {MID_GRAY}",),
    "lungs_only": (f"blacken all outside {_BOX}",),
}
"""What is then painted over, by the view: a control, not for use."""

INSIDE = (
    "normalisation",
    "the network",
    "calibration",
    "softmax or sigmoid",
)


def contract_of(
    *,
    task: str,
    classes: Sequence[str],
    preprocessing: Preprocessing,
    decision: Mapping[str, Any],
    batch: int | str,
    precision: str,
    model_sha256: str,
    model_card: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns the contract of one file.

    Args:
      task: the run's.
      classes: names in the order of the probabilities.
      preprocessing: of the run.
      decision: what turns probabilities into a decision.
      batch: images at a time, or the name of a size that is free.
      precision: of weights and arithmetic, in words.
      model_sha256: of the run's `checkpoints/model.keras`, 64 hexadecimal digits.
      model_card: what the model is for and not for, as JSON takes it.
    """
    size = preprocessing.image_size
    return {
        "task": task,
        "labels": list(classes),
        "input": {
            "name": INPUT,
            "dtype": "uint8",
            "shape": [batch, size, size, 1],
            "range": [0, 255],
            "made_by": [
                DECODED,
                SQUARES[preprocessing.chain],
                *PAINTED[preprocessing.view],
            ],
            "not_to_be_done": list(INSIDE),
        },
        "output": {
            "name": OUTPUT,
            "dtype": "float32",
            "shape": [batch, len(classes)],
            "range": [0, 1],
        },
        "decision": dict(decision),
        "precision": precision,
        "preprocessing": preprocessing.to_json(),
        "model_sha256": model_sha256,
        "model_card": dict(model_card),
        "intended_use": NOT_A_DEVICE,
    }
