"""What becomes of copies: they share what is known, stay in one group, and one of them is kept.

Of one picture the copy with the most pixels is kept, among equals the one that is read first: the
main data set before those merged into it, in the order of their tables. Where copies have
different labels nobody knows which is right, and all of them are set aside.
"""

import dataclasses

import numpy as np
import pandas as pd

from tfcovid.data.copies.search import How
from tfcovid.data.groups import assign_groups, connected_rows
from tfcovid.data.manifest import Manifest
from tfcovid.data.sources.projections import is_lateral
from tfcovid.data.sources.reading import TEXT, Category, aside, listing

# What is true of the film, and so of each copy of it.
OF_THE_FILM = ("view", "sex", "age")

# How `rejected` says of a copy which image is kept.
COPY_REASON = "copy of {}, which is kept"


def merge_copies(manifest: Manifest, pairs: pd.DataFrame, *, keep_laterals: bool) -> Manifest:
    """Returns the manifest with groups that hold copies together, each picture once.

    Args:
      manifest: its index may have gaps; it is kept.
      pairs: what `find_copies` found, by position in the manifest.
      keep_laterals: whether images known to be lateral views stay.

    Returns:
      The manifest, with the copies and the lateral views in `rejected`, and a note on each.
    """
    frame = manifest.frame
    same = pairs[pairs["how"] != How.LOOK_ALIKE]
    film = linked_rows(len(frame), same)
    frame = frame.assign(
        **{column: _shared(frame[column], film) for column in OF_THE_FILM},
        group_id=assign_groups(
            frame["patient_id"], frame["sha256"], linked_rows(len(frame), pairs)
        ),
    )
    rejected, notes = [], []
    differ = _labels_differ(frame["label"], film)
    if differ.any():
        rejected.append(aside(frame[differ], Category.LABELS_DIFFER, _label_reasons(frame, film)))
        notes.append(
            f"{int(differ.sum())} images set aside: copies of one picture with different labels "
            f"({listing(frame.loc[differ, 'image'])})."
        )
    lateral = is_lateral(frame["view"]).to_numpy(bool) & ~differ & (not keep_laterals)
    if lateral.any():
        rejected.append(aside(frame[lateral], Category.LATERAL, "lateral view"))
        counts = frame["label"][lateral].value_counts()
        named = ", ".join(f"{label} {count}" for label, count in counts.items())
        notes.append(
            f"{int(lateral.sum())} lateral views set aside ({named}); --lateral_views=keep takes "
            "them."
        )
    kept = _kept(frame, film)
    copy = (kept != np.arange(len(frame))) & ~differ & ~lateral
    if copy.any():
        names = frame["image"].to_numpy()[kept[copy]]
        reasons = pd.Series([COPY_REASON.format(name) for name in names])
        rejected.append(aside(frame[copy], Category.COPY, reasons.set_axis(frame.index[copy])))
        notes.append(
            f"{int(copy.sum())} images set aside as copies: of each picture the largest file is "
            "kept."
        )
    look_alikes = int((pairs["how"] == How.LOOK_ALIKE).sum())
    if look_alikes:
        notes.append(
            f"{look_alikes} pairs of images are so alike that no split parts them; both stay."
        )
    stays = ~(differ | lateral | copy)
    return dataclasses.replace(
        manifest,
        frame=frame[stays],
        official=manifest.official[stays],
        formats=manifest.formats[stays],
        rejected=pd.concat([manifest.rejected, *rejected], ignore_index=True).astype(TEXT),
        notes=(*manifest.notes, *notes),
    )


def kept_of_copies(rejected: pd.DataFrame) -> set[str]:
    """Returns the names of the images that are kept in place of rejected copies.

    Args:
      rejected: columns category and reason, as `merge_copies` writes them.
    """
    before, after = COPY_REASON.split("{}")
    reasons = rejected.loc[rejected["category"] == str(Category.COPY), "reason"]
    return {reason.removeprefix(before).removesuffix(after) for reason in reasons}


def linked_rows(num_rows: int, pairs: pd.DataFrame) -> np.ndarray:
    """Returns which rows the pairs hold together, as component numbers int [num_rows]."""
    rows = np.concatenate([np.arange(num_rows), pairs["first"], pairs["second"]])
    links = np.concatenate([np.full(num_rows, -1), np.arange(len(pairs)), np.arange(len(pairs))])
    by_row = pd.Series(rows)
    by_pair = pd.Series(links).where(links >= 0)
    return connected_rows(by_row, by_pair)[:num_rows]


def _shared(column: pd.Series, film: np.ndarray) -> pd.Series:
    """Returns a column with what is missing taken from the first copy that knows it."""
    first = column.groupby(film).transform("first")
    return column.where(column.notna(), first)


def _labels_differ(labels: pd.Series, film: np.ndarray) -> np.ndarray:
    return (labels.groupby(film).transform("nunique") > 1).to_numpy(bool)


def _label_reasons(frame: pd.DataFrame, film: np.ndarray) -> pd.Series:
    said = (frame["image"] + " is " + frame["label"]).groupby(film).transform(", ".join)
    return "copies of one picture have different labels: " + said


def _kept(frame: pd.DataFrame, film: np.ndarray) -> np.ndarray:
    """Returns the position of the copy that is kept of each row's film, int [n]."""
    pixels = (frame["width"] * frame["height"]).to_numpy(np.int64)
    position = np.arange(len(frame))
    largest_first = np.lexsort((position, -pixels, film))
    _, start = np.unique(film[largest_first], return_index=True)
    return largest_first[start][film]
