"""What CoronaHack's file names say: which collection an image is from, and which person it shows.

Kept apart from the reader because names are all that CoronaHack has: it lists no patients.
"""

import re

import pandas as pd

from tfcovid.data.sources.reading import TEXT

KERMANY, IEEE8023 = "kermany", "ieee8023"
GUESS = "guessed:"

# The numbering of persons restarts with each prefix: virus 447 and bacteria 447 are two children.
KERMANY_NAME = re.compile(
    r"(person(?P<person>\d+)_(?P<germ>virus|bacteria)_\d+(_\d+)?"
    r"|(?P<series>(NORMAL2-)?IM)-(?P<number>\d+)-\d+(-\d+)?)\.jpeg"
)
# What follows the name of a case in ieee8023's names: day, view, figure and panel ("-b2", "g09c").
CASE_SUFFIX = re.compile(
    r"([-_](day\d+|PA|AP|L|lateral|frontal|Fig\d+[a-h]?|[a-h]\d?)|(?<=g\d\d)[a-h])$"
)


def source_of(name: str) -> str:
    """Returns "kermany" for a file name in Kermany's patterns and "ieee8023" for any other."""
    return KERMANY if KERMANY_NAME.fullmatch(name) else IEEE8023


def kermany_patient(name: str) -> str | None:
    """Returns the key (prefix, person number) of one of Kermany's file names, else None.

    `person447_virus_921_1.jpeg` gives "virus-447", `NORMAL2-IM-0012-0001.jpeg` "NORMAL2-IM-12".
    """
    match = KERMANY_NAME.fullmatch(name)
    if match is None:
        return None
    return f"{match['germ'] or match['series']}-{int(match['person'] or match['number'])}"


def guessed_patient(name: str) -> str:
    """Returns the stem of a file name without day, view, figure and panel suffixes, as a guess.

    `jkms-35-e79-g001-l-c.jpg` gives "guessed:jkms-35-e79-g001-l". The images of one patient can
    have unlike names, which such a guess never finds; the panels of one figure become one patient,
    which is the safe mistake where patients must not stand in two splits.
    """
    stem, cut = name.rpartition(".")[0] or name, 1
    while cut:
        stem, cut = CASE_SUFFIX.subn("", stem)
    return GUESS + stem


def patients_from_names(names: pd.Series) -> pd.Series:
    """Returns Kermany's patient key of each file name, a marked guess for the other names."""
    ids = [kermany_patient(name) or guessed_patient(name) for name in names]
    return pd.Series(ids, index=names.index, dtype=TEXT)
