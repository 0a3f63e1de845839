"""What a user may say of a data set that its folder does not say itself."""

import dataclasses
import pathlib
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class SourceOptions:
    """Hints for the readers; each reader takes those that concern it.

    Attributes:
      patients: CSV that maps images to patients, or None.
      table: the CSV that lists the images, for `csv`; None takes the only one in the folder.
      columns: for `csv`: the table's name of each of our columns, such as {"image": "file"}.
      label_names: for `csv` and `folders`: the Finding that each of the data set's own labels or
        folders means, such as {"covid": "COVID-19"}.
      patient_key: for `dicom`: file with the site's key, which patient ids are hashed with; None
        takes the one in the user's configuration folder, made at first use.
    """

    patients: pathlib.Path | None = None
    table: pathlib.Path | None = None
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    label_names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    patient_key: pathlib.Path | None = None
