"""Reads class folders, and finds files and findings for the readers that share this layout."""

import os
import pathlib
from collections.abc import Collection, Iterable, Mapping

import pandas as pd

from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.patients import fill_patients
from tfcovid.data.sources.reading import (
    TEXT,
    Category,
    Finding,
    Reading,
    aside,
    listing,
    no_rejected,
)

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".dcm")
# Written by file managers into any folder they show; no part of any data set.
FOLDER_LITTER = (".DS_Store", "Thumbs.db")
# What macOS packs beside each file of an archive.
HIDDEN_PREFIXES = (".", "__MACOSX")

SPLITS = {
    "train": "TRAIN",
    "val": "TRAIN",
    "valid": "TRAIN",
    "validation": "TRAIN",
    "test": "TEST",
}

HIDDEN = "hidden, by its name"
LINK_TO_FOLDER = "a link to a folder, which is not followed"
LINK_OUT = "a link that leads out of the data set's folder"
NO_IMAGE = f"no image, by its name (images end in {', '.join(IMAGE_SUFFIXES)})"
NO_CLASS_FOLDER = "in no class folder"


def _plain(label: str) -> str:
    """Returns a label's letters and digits, in lower case."""
    return "".join(character for character in label.casefold() if character.isalnum())


# "Other" is not among them: other than what is for the owner of the data to say.
USUAL: dict[str, Finding] = {_plain(finding): finding for finding in Finding} | {
    "covid": Finding.COVID19,
    "covid2019": Finding.COVID19,
    "covidpneumonia": Finding.COVID19,
    "covid19pneumonia": Finding.COVID19,
    "sarscov2": Finding.COVID19,
    "nofinding": Finding.NORMAL,
    "nofindings": Finding.NORMAL,
    "healthy": Finding.NORMAL,
    "bacteria": Finding.BACTERIAL,
    "bacterialpneumonia": Finding.BACTERIAL,
    "pneumoniabacterial": Finding.BACTERIAL,
    "virus": Finding.VIRAL,
    "viralpneumonia": Finding.VIRAL,
    "pneumoniaviral": Finding.VIRAL,
    "merscov": Finding.MERS,
}


def finding_of(label: str, label_names: Mapping[str, str]) -> Finding | None:
    """Returns what a data set's own label or folder means, None where nobody says.

    Args:
      label: as the data set writes it.
      label_names: the Finding that labels mean, by the user; it goes before the usual spellings,
        and case and punctuation do not count.

    Raises:
      ValueError: if a value of `label_names` is no finding.
    """
    named = {}
    for name, meant in label_names.items():
        if _plain(meant) not in USUAL:
            raise ValueError(
                f"--label_names={name}:{meant}: expected one of the findings "
                f"{', '.join(Finding)}. Received: {meant}."
            )
        named[_plain(name)] = USUAL[_plain(meant)]
    return named.get(_plain(label), USUAL.get(_plain(label)))


def class_findings(names: Collection[str], options: SourceOptions, where: str) -> dict[str, str]:
    """Returns the finding of each label or folder name.

    Args:
      names: as the data set writes them.
      options: `label_names` is read.
      where: what the message begins with, such as "ROOT: class folders".

    Raises:
      ValueError: if the finding of some name is not known; the message names all of them.
    """
    findings = {name: finding_of(name, options.label_names) for name in names}
    unknown = sorted(name for name, finding in findings.items() if finding is None)
    if unknown:
        raise ValueError(
            f"{where}: expected names that say a finding. Received: {listing(unknown)}; say what "
            f"they mean with --label_names={unknown[0]}:FINDING, one of {', '.join(Finding)}."
        )
    return {name: str(finding) for name, finding in findings.items()}


def checked_root(root: str | os.PathLike[str]) -> pathlib.Path:
    """Returns the folder of a data set; raises ValueError where there is none."""
    root = pathlib.Path(root)
    if not root.is_dir():
        raise ValueError(f"{root}: expected the folder of a data set, there is no such folder.")
    return root


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


def recognise(root: str | os.PathLike[str]) -> bool:
    """Returns whether a folder holds two class folders or more whose names say a finding."""
    root = pathlib.Path(root)
    if not root.is_dir():
        return False
    folders = subfolders(root)
    inner = [path for folder in folders if _split_of(folder) for path in subfolders(folder)]
    return len({path.name for path in inner or folders if finding_of(path.name, {})}) >= 2


def read(root: str | os.PathLike[str], options: SourceOptions) -> Reading:
    """Returns the images of class folders.

    Args:
      root: the folder with `CLASS/**`, or with `train/CLASS/**`, `val/CLASS/**` (or `valid`,
        `validation`) and `test/CLASS/**`.
      options: `label_names` and `patients` are read.

    Returns:
      The reading; the source is the name of the root folder unless the patients table names
      others. Files that are no images by their name, or lie in no class folder, are rejected.

    Raises:
      ValueError: if the folder is not there; if it holds other folders beside train/, val/ and
        test/; if the name of a class folder says no finding; if there is no image.
    """
    root = checked_root(root)
    folders = subfolders(root)
    splits = [folder for folder in folders if _split_of(folder)]
    if splits and len(splits) < len(folders):
        others = [folder.name for folder in folders if folder not in splits]
        raise ValueError(
            f"{root}: expected either class folders or nothing but train/, val/ and test/. "
            f"Received beside {splits[0].name}/: {listing(others)}."
        )
    classes = [path for folder in splits for path in subfolders(folder)] or folders
    names = {path.name for path in classes}
    if splits and names & set(SPLITS):
        raise ValueError(f"{root}: expected class folders in train/, val/ and test/.")
    findings = class_findings(names, options, f"{root}: class folders")

    parents = dict.fromkeys([root, *splits])
    parts = []
    rejected = [not_images(files_beside(parent, root, NO_CLASS_FOLDER)) for parent in parents]
    for folder in classes:
        paths, no_images = images_below(folder, root)
        split = _split_of(folder.parent) if splits else None
        rejected.append(no_images)
        parts.append(
            pd.DataFrame(
                {"path": paths, "finding": findings[folder.name], "official_split": split},
                dtype=TEXT,
            )
        )
    if not sum(map(len, parts)):
        raise ValueError(
            f"{root}: expected images (*{', *'.join(IMAGE_SUFFIXES)}) in class folders, found none."
        )
    rows = pd.concat(parts, ignore_index=True)
    rows["image"] = unique_ids(rows["path"])
    rows, notes = fill_patients(rows, options.patients, source=root.resolve().name)
    kept_in_train = [f.name for f in splits if SPLITS[f.name.lower()] == "TRAIN"]
    if len(kept_in_train) > 1:
        notes = (
            *notes,
            f"{'/, '.join(kept_in_train)}/ are one, the official training part: none of them is "
            "kept apart for validation.",
        )
    return Reading(rows=rows, rejected=joined(rejected), notes=notes, root=root)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _split_of(folder: pathlib.Path) -> str | None:
    return SPLITS.get(folder.name.lower())
