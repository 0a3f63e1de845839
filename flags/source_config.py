"""Which data sets a run reads: a frozen, checked dataclass."""

import dataclasses
import pathlib
from collections.abc import Sequence

from flags import choices
from flags.interval import RangeChecked


@dataclasses.dataclass(frozen=True, kw_only=True)
class SourceConfig(RangeChecked):
    """Where the images come from, and what their folders do not say themselves.

    Attributes:
      data: the data set's kind; None when it is to be recognised from `data_dir`.
      data_dir: the data set's folder; None for the embedded synthetic sample.
      extra_data_dir: further data sets that are merged into it, each FOLDER or KIND:FOLDER.
      patients: CSV that maps images to patients, or None.
      table: the CSV that lists the images, read under `data` csv; None for the only one.
      columns: what the table calls our columns, OURS:THEIRS; read under `data` csv.
      label_names: what the data set's labels or folders mean, THEIRS:FINDING.
      patient_key: file with the key that DICOM patient ids are hashed with; None for the one in
        the user's configuration folder.
      lateral_views: what happens to images known to be lateral views.
    """

    data: choices.Data | None = choices.Data.SYNTHETIC
    data_dir: pathlib.Path | None = None
    extra_data_dir: tuple[str, ...] = ()
    patients: pathlib.Path | None = None
    table: pathlib.Path | None = None
    columns: tuple[str, ...] = ()
    label_names: tuple[str, ...] = ()
    patient_key: pathlib.Path | None = None
    lateral_views: choices.LateralViews = choices.LateralViews.SET_ASIDE

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("columns", "label_names"):
            pairs_of(getattr(self, name), name)
        if self.data is choices.Data.SYNTHETIC:
            self._check_synthetic()
        elif self.data_dir is None:
            raise ValueError(
                f"--data={self.data} without --data_dir: add the folder it lies in, "
                "or use --data=synthetic for the embedded sample"
            )

    def _check_synthetic(self) -> None:
        if self.data_dir is not None:
            raise ValueError(
                f"--data=synthetic with --data_dir={self.data_dir}: "
                "the synthetic images are made, not read; drop --data_dir, or let --data name "
                "what lies there"
            )
        if self.patients is not None:
            raise ValueError(
                f"--patients={self.patients} without --data_dir: "
                "the synthetic sample brings its own patients; drop it or add --data_dir"
            )
        if self.extra_data_dir:
            raise ValueError(
                f"--extra_data_dir={','.join(self.extra_data_dir)} without --data_dir: nothing "
                "real is merged into the synthetic sample; name the main data set in --data_dir"
            )

    def places(self) -> tuple[tuple[choices.Data | None, pathlib.Path], ...]:
        """Returns kind and folder of each further data set, None where no kind was given."""
        return tuple(place_of(text) for text in self.extra_data_dir)


def place_of(text: str) -> tuple[choices.Data | None, pathlib.Path]:
    """Returns kind and folder of FOLDER or KIND:FOLDER."""
    kind, colon, folder = text.partition(":")
    if colon and kind in list(choices.Data):
        return choices.Data(kind), pathlib.Path(folder).expanduser()
    return None, pathlib.Path(text).expanduser()


def pairs_of(texts: Sequence[str], flag: str) -> dict[str, str]:
    """Returns the pairs A:B of a flag as a mapping; the last colon of each divides it.

    Raises:
      ValueError: if a text is no such pair, or one A stands twice.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        first, _, second = (part.strip() for part in text.rpartition(":"))
        if not first or not second or first in pairs:
            raise ValueError(f"--{flag}={','.join(texts)}: expected pairs A:B, each A once")
        pairs[first] = second
    return pairs
