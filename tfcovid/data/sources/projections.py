"""From which side an X-ray was taken: words for it, and the frontal ones alone."""

import dataclasses

import pandas as pd

from tfcovid.data.sources.reading import Category, Reading, aside

# ieee8023 writes L; DICOM's view position LL and RL, or a word.
LATERAL = ("l", "ll", "rl", "lat", "lateral", "left lateral", "right lateral")


def is_lateral(views: pd.Series) -> pd.Series:
    """Returns which views are known to be lateral ones, bool [n]."""
    return views.str.strip().str.lower().isin(LATERAL)


def frontal_only(reading: Reading) -> Reading:
    """Returns a reading without the images that are known to be lateral views.

    An image whose view is unknown stays.
    """
    lateral = is_lateral(reading.rows["view"])
    if not lateral.any():
        return reading
    findings = reading.rows["finding"][lateral].value_counts()
    counts = ", ".join(f"{finding} {count}" for finding, count in findings.items())
    gone = aside(reading.rows[lateral], Category.LATERAL, "lateral view")
    return dataclasses.replace(
        reading,
        rows=reading.rows[~lateral].reset_index(drop=True),
        rejected=pd.concat([reading.rejected, gone], ignore_index=True),
        notes=(
            *reading.notes,
            f"{int(lateral.sum())} lateral views set aside ({counts}); --lateral_views=keep "
            "takes them.",
        ),
    )
