"""Several data sets as one: names that stay unique, paths from one folder, notes of them all."""

import os
import pathlib
from collections.abc import Sequence

import pandas as pd

from tfcovid.data.sources.reading import TEXT, Reading, listing


def join_readings(readings: Sequence[Reading]) -> Reading:
    """Returns what several readers found as one reading.

    Paths become relative to the deepest folder that holds all data sets. The images of the first
    data set keep their ids; those of the others get their folder's name in front, so that
    two data sets that use the same file name stay apart.

    Args:
      readings: one or more, the main data set first.

    Raises:
      ValueError: if two of them lie in the same folder, or one inside another, or one of several
        is of records.
    """
    if len(readings) == 1:
        return readings[0]
    records = [reading.root for reading in readings if reading.facts is not None]
    if records:
        raise ValueError(
            f"--extra_data_dir: {records[0]} holds records, which are read alone; make records of "
            "all data sets together, tfcovid.prepare takes --extra_data_dir too"
        )
    roots = [reading.root.absolute() for reading in readings]
    _refuse_nested(roots)
    shared = pathlib.Path(os.path.commonpath(roots))
    prefixes = ["", *_names(roots)]
    rows: list[pd.DataFrame] = []
    rejected: list[pd.DataFrame] = []
    declared: dict[str, str] = {}
    for reading, root, prefix in zip(readings, roots, prefixes, strict=True):
        below = root.relative_to(shared).as_posix()
        number = [other.name for other in roots[: len(rows) + 1]].count(root.name)
        own = _own_source(reading.rows, root.name, number)
        rows.append(_moved(own, below, prefix))
        rejected.append(_moved(reading.rejected, below, prefix))
        declared |= reading.declared
    return Reading(
        rows=pd.concat(rows, ignore_index=True),
        rejected=pd.concat(rejected, ignore_index=True),
        notes=tuple(
            dict.fromkeys(
                (*(note for reading in readings for note in reading.notes), *_same_numbers(rows))
            )
        ),
        root=shared,
        declared=declared,
    )


def _own_source(rows: pd.DataFrame, name: str, number: int) -> pd.DataFrame:
    """Returns rows whose source, where it is only the folder's name, has a number behind it.

    Two sites may both have a folder `data`: they are two sources, and their patients 1 two people.
    """
    of_folder = rows["source"].eq(name).fillna(False).astype(bool)
    if number == 1 or not of_folder.any():
        return rows
    numbered = f"{name}-{number}"
    patients = rows["patient_id"].str.replace(f"{name}:", f"{numbered}:", n=1, regex=False)
    return rows.assign(
        source=rows["source"].mask(of_folder, numbered).astype(TEXT),
        patient_id=rows["patient_id"].mask(of_folder, patients).astype(TEXT),
    )


def _same_numbers(parts: Sequence[pd.DataFrame]) -> list[str]:
    """Returns a note where data sets use the same patient numbers: the same people, or chance."""
    whole = [set(part["patient_id"].dropna()) for part in parts]
    bare = [{patient.partition(":")[2] for patient in ids} for ids in whole]
    shared = set()
    for i, numbers in enumerate(bare):
        for j in range(i):
            together = {name.partition(":")[2] for name in whole[i] & whole[j]}
            shared |= (numbers & bare[j]) - together
    shared.discard("")
    if not shared:
        return []
    return [
        f"{len(shared)} patient ids stand in two data sets and count as different people "
        f"({listing(sorted(shared))}); if they are the same, say so in a column source or by "
        "--patients."
    ]


def _moved(frame: pd.DataFrame, below: str, prefix: str) -> pd.DataFrame:
    image, path = prefix + frame["image"], f"{below}/" + frame["path"]
    return frame.assign(image=image.astype(TEXT), path=path.astype(TEXT))


def _names(roots: Sequence[pathlib.Path]) -> list[str]:
    """Returns the prefix of each data set but the first: its folder's name, numbered if taken."""
    taken: dict[str, int] = {}
    names = []
    for root in roots[1:]:
        taken[root.name] = taken.get(root.name, 0) + 1
        number = taken[root.name]
        names.append(f"{root.name}/" if number == 1 else f"{root.name}-{number}/")
    return names


def _refuse_nested(roots: Sequence[pathlib.Path]) -> None:
    resolved = [root.resolve() for root in roots]
    for i, inner in enumerate(resolved):
        for outer in resolved[:i] + resolved[i + 1 :]:
            if inner.is_relative_to(outer):
                raise ValueError(
                    f"--extra_data_dir: {inner} lies in {outer}, which is read too: its images "
                    "would count twice; name folders that lie side by side"
                )
