"""Which reader reads a folder: by the kind that was named, or by what lies in it."""

import os
import pathlib
from collections.abc import Callable, Mapping, Sequence

from tfcovid.data.sources import (
    coronahack,
    covid_chestxray,
    csv_table,
    ct_slices,
    dicom,
    folders,
    nih14,
    radiography,
    records,
    synthetic,
)
from tfcovid.data.sources.joining import join_readings
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.reading import Reading

Progress = Callable[[int, int], None]
Place = tuple[str | None, pathlib.Path]
"""The kind of a data set, None where it is to be recognised, and its folder."""

READERS: dict[str, Callable[[pathlib.Path, SourceOptions], Reading]] = {
    "coronahack": lambda root, options: coronahack.read(root, patients=options.patients),
    "covid_chestxray": covid_chestxray.read,
    "radiography": radiography.read,
    "nih14": nih14.read,
    "ct_slices": ct_slices.read,
    "dicom": dicom.read,
    "csv": csv_table.read,
    "folders": folders.read,
    "records": records.read,
}
# The particular before the general: the first that knows the folder reads it.
RECOGNISERS: dict[str, Callable[[pathlib.Path], bool]] = {
    "records": records.recognise,
    "coronahack": coronahack.recognise,
    "covid_chestxray": covid_chestxray.recognise,
    "radiography": radiography.recognise,
    "nih14": nih14.recognise,
    "dicom": dicom.recognise,
    # Where there is a table and class folders, the table decides.
    "csv": csv_table.recognise,
    "folders": folders.recognise,
}


def read_sources(
    kind: str | None,
    data_dir: pathlib.Path | None,
    extra: Sequence[Place] = (),
    *,
    options: SourceOptions,
    progress: Progress | None = None,
) -> tuple[tuple[str, ...], Reading]:
    """Returns the kinds of the data sets and what their readers found, as one reading.

    Args:
      kind: of the main data set: 'synthetic', a key of READERS, or None to recognise it.
      data_dir: its folder; None for the embedded synthetic sample.
      extra: further data sets that are merged into it.
      options: what the user says of the data sets.
      progress: called while the synthetic sample is drawn, on its first use.

    Raises:
      ValueError: if a folder is not there, or is of no kind that has a reader; for the reasons
        that the readers give.
    """
    if data_dir is None:
        folder = synthetic.synthetic_folder(cache_folder(), progress=progress)
        first = ("synthetic", coronahack.read(folder))
    else:
        first = _read(kind, data_dir, options, "data_dir")
    found = [first, *(_read(*place, options, "extra_data_dir") for place in extra)]
    reading = join_readings([reading for _, reading in found])
    return tuple(kind for kind, _ in found), reading


def recognise(data_dir: pathlib.Path, flag: str = "data_dir") -> str:
    """Returns the kind of the data set in a folder.

    Raises:
      ValueError: if the folder is not there, or no reader knows it.
    """
    if not data_dir.is_dir():
        raise ValueError(f"--{flag}={data_dir}: expected a folder, there is none")
    for kind, known in RECOGNISERS.items():
        if known(data_dir):
            return kind
    raise ValueError(
        f"--{flag}={data_dir}: expected the folder of a data set that has a reader "
        f"({', '.join(READERS)}), recognised none of them; name its kind with --data"
    )


def cache_folder(environ: Mapping[str, str] = os.environ) -> pathlib.Path:
    """Returns where generated data lies between runs.

    TFCOVID_CACHE where it is set, else `tfcovid` in the user's cache folder
    (XDG_CACHE_HOME, by default ~/.cache).
    """
    if "TFCOVID_CACHE" in environ:
        return pathlib.Path(environ["TFCOVID_CACHE"])
    base = environ.get("XDG_CACHE_HOME")
    return (pathlib.Path(base) if base else pathlib.Path.home() / ".cache") / "tfcovid"


def _read(
    kind: str | None, data_dir: pathlib.Path, options: SourceOptions, flag: str
) -> tuple[str, Reading]:
    kind = kind or recognise(data_dir, flag)
    if kind not in READERS:
        raise ValueError(
            f"--data={kind} with --{flag}={data_dir}: it is drawn, not read; drop one of the two"
        )
    return kind, READERS[kind](data_dir, options)
