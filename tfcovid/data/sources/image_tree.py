"""Finds the files below a data set's folder, and says of each that is no image why it is none."""

import os
import pathlib
from collections.abc import Iterable, Mapping

import pandas as pd

from tfcovid.data.sources.reading import TEXT, Category, aside, no_rejected

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".dcm")
# Written by file managers into any folder they show; no part of any data set.
FOLDER_LITTER = (".DS_Store", "Thumbs.db")
# What macOS packs beside each file of an archive.
HIDDEN_PREFIXES = (".", "__MACOSX")

HIDDEN = "hidden, by its name"
LINK_TO_FOLDER = "a link to a folder, which is not followed"
LINK_OUT = "a link that leads out of the data set's folder"
NO_IMAGE = f"no image, by its name (images end in {', '.join(IMAGE_SUFFIXES)})"
NO_CLASS_FOLDER = "in no class folder"


def checked_root(root: str | os.PathLike[str]) -> pathlib.Path:
    """Returns the folder of a data set; raises ValueError where there is none."""
    root = pathlib.Path(root)
    if not root.is_dir():
        raise ValueError(f"{root}: expected the folder of a data set, there is no such folder.")
    return root


def is_file(path: pathlib.Path) -> bool:
    """Returns whether a file is there; a name that is too long for any file is that of none."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_link(path: pathlib.Path) -> bool:
    """Returns whether a link is there; a name that is too long for any file is that of none."""
    try:
        return path.is_symlink()
    except OSError:
        return False


def subfolders(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the folders in a folder in the order of their names, without the hidden ones."""
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.is_dir() and not entry.name.startswith(HIDDEN_PREFIXES)
    )


def files_below(folder: pathlib.Path, root: pathlib.Path) -> dict[str, str | None]:
    """Returns every file below a folder, and why one cannot be used.

    The folder itself may be a link: where it leads is its owner's choice. Links below it must not
    leave it or the root, and links to folders are not followed, so that no image counts twice.

    Returns:
      Paths relative to `root`, posix, in the order of text; the reason, None for a good file.

    Raises:
      ValueError: if a name cannot be written as UTF-8.
    """
    homes = (root.resolve(), folder.resolve())
    found: dict[str, str | None] = {}
    for parent, folders, names in os.walk(folder):
        inside = pathlib.Path(parent)
        for name in (*folders, *names):
            path = inside / name
            link = path.is_symlink()
            if (name in folders and not link) or name in FOLDER_LITTER:
                continue
            key = path.relative_to(root).as_posix()
            if not _is_text(key):
                raise ValueError(f"{inside}: expected file names in UTF-8, {name!r} is not.")
            below = path.relative_to(folder).parts
            if any(part.startswith(HIDDEN_PREFIXES) for part in below):
                found[key] = HIDDEN
            elif name in folders:
                found[key] = LINK_TO_FOLDER
            elif link and not any(path.resolve().is_relative_to(home) for home in homes):
                found[key] = LINK_OUT
            else:
                found[key] = None
    return dict(sorted(found.items()))


def files_beside(folder: pathlib.Path, root: pathlib.Path, reason: str) -> dict[str, str]:
    """Returns the files directly in a folder and in its hidden folders, and why none is used.

    Args:
      folder: looked into.
      root: the folder that paths are relative to.
      reason: what is wrong with a file that is not hidden.
    """
    files: dict[str, str] = {}
    for entry in sorted(folder.iterdir()):
        hidden = entry.name.startswith(HIDDEN_PREFIXES)
        if entry.is_dir():
            if hidden:
                files |= dict.fromkeys(files_below(entry, root), HIDDEN)
        elif entry.name not in FOLDER_LITTER:
            files[entry.relative_to(root).as_posix()] = HIDDEN if hidden else reason
    return files


def images_below(folder: pathlib.Path, root: pathlib.Path) -> tuple[list[str], pd.DataFrame]:
    """Returns the images below a folder by their names, and the other files as rejected."""
    found = files_below(folder, root)
    others = {path: why or NO_IMAGE for path, why in found.items() if why or not is_image(path)}
    return [path for path in found if path not in others], not_images(others)


def is_image(name: str) -> bool:
    """Returns whether a file is an image by its name."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def not_images(reasons: Mapping[str, str]) -> pd.DataFrame:
    """Returns files as rejected: as not listed, those that lead out of the data set as bad.

    Args:
      reasons: why each path, relative to the root, is none of the data set's images.
    """
    files = pd.DataFrame({"path": list(reasons), "reason": list(reasons.values())}, dtype=TEXT)
    files["image"] = files["path"]
    out = files["reason"] == LINK_OUT
    parts = ((Category.UNLISTED, files[~out]), (Category.BAD_FILE, files[out]))
    return joined(aside(part, category, part["reason"]) for category, part in parts)


def joined(rejected: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Returns several tables of rejected images as one, of none the empty one."""
    return pd.concat([no_rejected(), *rejected], ignore_index=True)


def unique_ids(paths: pd.Series) -> pd.Series:
    """Returns the file name of each path, the path itself where several have that name."""
    names = paths.str.rpartition("/")[2]
    return names.mask(names.duplicated(keep=False), paths)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def refuse_dicom(paths: pd.Series, root: pathlib.Path) -> None:
    """Raises ValueError if DICOM files stand among images whose reader looks into no header.

    What a header says of patient, view and modality would be passed over in silence.

    Args:
      paths: of images, relative to the root.
      root: the data folder, for the message.
    """
    dicom = paths[paths.str.lower().str.endswith(".dcm")]
    if len(dicom):
        raise ValueError(
            f"{root}: {len(dicom)} DICOM files stand among {len(paths) - len(dicom)} others, the "
            f"first is {dicom.iloc[0]}: their patients and views are read by --data=dicom only; "
            "give them a folder of their own and name it in --extra_data_dir=dicom:FOLDER"
        )
