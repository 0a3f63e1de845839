"""From which side an X-ray was taken: the words that data sets use for it."""

import pandas as pd

# ieee8023 writes L; DICOM's view position LL and RL, or a word.
LATERAL = ("l", "ll", "rl", "lat", "lateral", "left lateral", "right lateral")


def is_lateral(views: pd.Series) -> pd.Series:
    """Returns which views are known to be lateral ones, bool [n]; an unknown view is not."""
    return views.str.strip().str.lower().isin(LATERAL)
