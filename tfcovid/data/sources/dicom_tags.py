"""What the header of one DICOM file says: whether it is an X-ray, and of whom without a name."""

import contextlib
import dataclasses
import pathlib
import re
from collections.abc import Callable
from typing import Any

from tfcovid.data.dicom_header import read_elements, reason_for_damage
from tfcovid.data.dicom_modalities import X_RAY, quotable
from tfcovid.data.sources.dicom_patients import keyed_id, shows_a_name, years_of_age
from tfcovid.data.sources.reading import Category

SEXES = ("F", "M", "O")
# What a view is made of, so that no name is taken for one: DICOM's own terms (PS3.3, C.8.1.1), then
# words that devices write besides.
_VIEWS = """
    AP PA LL RL RLD LLD RLO LLO
    L R LAT LATERAL LEFT RIGHT OBLIQUE OBL LAO RAO LPO RPO DECUB DECUBITUS AXIAL LORDOTIC XTABLE
    SWIMMERS CHEST THORAX AND ERECT UPRIGHT STANDING SITTING SUPINE PRONE PORTABLE BED
"""
VIEW_WORDS = frozenset(_VIEWS.split())
DIRECTORY_CLASS = "1.2.840.10008.1.3.10"

DIRECTORY = "the directory of a DICOM medium, no image"

TAGS = (
    "SOPClassUID",
    "Modality",
    "PresentationIntentType",
    "BurnedInAnnotation",
    "ViewPosition",
    "PatientSex",
    "PatientAge",
    "PatientID",
    "PatientName",
)


@dataclasses.dataclass(frozen=True)
class Header:
    """What is kept of one file.

    Attributes:
      reason: why it is no X-ray, or None.
      category: of the reason.
      patient: the keyed id.
      view: DICOM's view position, where it is made of VIEW_WORDS.
      sex: "F", "M" or "O".
      age: in years.
      burned_in: whether the file says that text is burned into the picture.
      raw: whether it is a detector's raw image, not meant to be looked at.
      named: whether the path of the file shows something of the patient.
    """

    reason: str | None = None
    category: Category = Category.NOT_XRAY
    patient: str | None = None
    view: str | None = None
    sex: str | None = None
    age: float | None = None
    burned_in: bool = False
    raw: bool = False
    named: bool = False


def read_header(root: pathlib.Path, path: str, key: Callable[[], bytes]) -> Header:
    """Returns what is kept of the header of a DICOM file; its pixels are not read.

    Args:
      root: the folder of the data set.
      path: of the file, relative to it.
      key: returns the site's key; called where there is a patient to hide.

    Raises:
      ValueError: if `key` does.
    """
    try:
        with (root / path).open("rb") as file:
            dataset = read_elements(file, TAGS, pixels=False)
    except OSError as error:
        return Header(f"cannot be read ({error.strerror})", Category.BAD_FILE)
    except ValueError as error:
        return Header(str(error), Category.BAD_FILE)
    patient = _text(dataset, "PatientID")
    named = shows_a_name(f"{root.resolve().name}/{path}", _text(dataset, "PatientName"), patient)
    if _text(dataset.file_meta, "MediaStorageSOPClassUID") == DIRECTORY_CLASS:
        return Header(DIRECTORY, Category.UNLISTED, named=named)
    modality = _code(dataset, "Modality")
    if modality not in X_RAY:
        if modality is None and _text(dataset, "SOPClassUID") is None:
            reason = "damaged or cut off: the header of the DICOM file is not whole"
            return Header(reason, Category.BAD_FILE, named=named)
        reason = quotable(modality) if modality else "no modality that DICOM allows"
        return Header(f"{reason}, not one of {', '.join(X_RAY)}", named=named)
    sex = _code(dataset, "PatientSex")
    return Header(
        patient=keyed_id(patient, key()) if patient else None,
        view=_view(dataset),
        sex=sex if sex in SEXES else None,
        age=years_of_age(_text(dataset, "PatientAge")),
        burned_in=_code(dataset, "BurnedInAnnotation") == "YES",
        raw=_code(dataset, "PresentationIntentType") == "FOR PROCESSING",
        named=named,
    )


def _view(dataset: Any) -> str | None:
    """Returns the view position where each of its words is one of a view."""
    text = _code(dataset, "ViewPosition")
    return text if text and VIEW_WORDS.issuperset(re.split(r"[ _]+", text)) else None


def _text(dataset: Any, keyword: str) -> str | None:
    """Returns an element's value, None where there is none or it cannot be read."""
    value = None
    with contextlib.suppress(ValueError), reason_for_damage(keyword):
        value = dataset.get(keyword)
        value = str(value).strip() if value is not None else None
    return value or None


def _code(dataset: Any, keyword: str) -> str | None:
    """Returns a value of DICOM's code strings; free text, which might be a name, is none."""
    text = _text(dataset, keyword) or ""
    return text if re.fullmatch(r"[A-Z0-9_ ]{1,16}", text) else None
