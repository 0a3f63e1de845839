"""What a reader must know of images that a chain was to crop and could not: notes of a run."""

import numpy as np
import pandas as pd


def uncropped_notes(uncropped: np.ndarray) -> tuple[str, ...]:
    """Returns a note that counts the images in which no lungs were found.

    Args:
      uncropped: whether an image was kept whole, bool [n].
    """
    return (
        f"The lungs were not found in {uncropped.sum()} of {len(uncropped)} images, which are "
        "kept whole.",
    )


def uncropped_by_class(labels: pd.Series, uncropped: np.ndarray) -> tuple[str, ...]:
    """Returns a note that counts them by class; none where there are none.

    An image that is kept whole looks unlike the others: where this goes with the class it is a
    shortcut.

    Args:
      labels: class names [n].
      uncropped: whether an image was kept whole, bool [n].
    """
    if not uncropped.any():
        return ()
    whole = pd.Series(uncropped, labels.index).groupby(labels)
    counts = ", ".join(f"{name} {part.sum()} of {len(part)}" for name, part in whole)
    return (
        f"Kept whole because the lungs were not found: {counts}. An image kept whole is told from "
        "a cropped one at a glance, and so is the class, as far as the two go together.",
    )
