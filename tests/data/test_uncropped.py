import numpy as np
import pandas as pd

from tfcovid.data.uncropped import uncropped_by_class, uncropped_notes

LABELS = pd.Series(["Normal", "COVID-19", "Normal", "COVID-19", "Pneumonia"], index=[9, 4, 7, 1, 2])
WHOLE = np.array([False, True, True, True, False])


def test_note_counts_images_without_lungs_found():
    (note,) = uncropped_notes(WHOLE)
    assert note.startswith("The lungs were not found in 3 of 5 images, which are kept whole")
    assert uncropped_notes(~WHOLE & WHOLE)[0].startswith("The lungs were not found in 0 of 5")


def test_note_counts_them_by_class_where_there_are_any():
    (note,) = uncropped_by_class(LABELS, WHOLE)
    assert "COVID-19 2 of 2, Normal 1 of 2, Pneumonia 0 of 1." in note
    assert uncropped_by_class(LABELS, np.zeros(5, bool)) == ()
