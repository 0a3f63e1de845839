"""Splits of CoronaHack's TRAIN part whose validation images resemble its TEST part.

The publisher's TEST part holds the lowest person numbers of each prefix, so a network chosen on
patients drawn from all of TRAIN is chosen on other films than those it is tested on. These
splits take the numbers that come next to TEST's:

  python -m benchmarks.nearest_validation --manifest=RUN/manifest.csv --output_dir=DIR

RUN is any run of `python -m tfcovid.train --task=pneumonia --split=official`. `candidates.csv` is
for choosing among settings: TEST is not in it, the lowest tenth of TRAIN's patients is its test
split, the next tenth its validation split. `final.csv` has TEST as its test split and the lowest
tenth of TRAIN as its validation split. Only file names decide, no pixel of TEST is looked at.
"""

import pathlib

import pandas as pd
from absl import app
from absl import flags as absl_flags

from tfcovid.data.manifest import read_manifest, write_csv

MANIFEST = absl_flags.DEFINE_string("manifest", None, "A manifest.csv of the official split.")
OUTPUT_DIR = absl_flags.DEFINE_string("output_dir", None, "Where the two manifests go.")
SHARE = absl_flags.DEFINE_float("share", 0.1, "Share of each prefix's patients in a split.")

NUMBERED = r"^kermany:(?P<prefix>.+)-(?P<number>\d+)$"


def rank_in_prefix(frame: pd.DataFrame) -> pd.Series:
    """Returns the place of each image's group among its prefix's person numbers, in (0, 1].

    Args:
      frame: manifest rows. Those without a prefix and a number, of another source, get 1.

    Returns:
      The lowest place of the group, so that no group is torn; indexed like `frame`.
    """
    parts = frame["patient_id"].str.extract(NUMBERED)
    number = parts["number"].astype("float64")
    place = number.groupby(parts["prefix"]).rank(method="dense", pct=True).fillna(1.0)
    return place.groupby(frame["group_id"]).transform("min")


def candidate_split(frame: pd.DataFrame, share: float) -> pd.DataFrame:
    """Returns the manifest without TEST, the lowest numbers tested, the next ones validation."""
    frame = frame[frame["split"] != "test"]
    place = rank_in_prefix(frame)
    split = place.map(
        lambda p: "test" if p <= share else "validation" if p <= 2 * share else "train"
    )
    return frame.assign(split=split)


def final_split(frame: pd.DataFrame, share: float) -> pd.DataFrame:
    """Returns the manifest with the lowest numbers of TRAIN as validation."""
    train = frame[frame["split"] != "test"]
    split = rank_in_prefix(train).map(lambda p: "validation" if p <= share else "train")
    return frame.assign(split=split.reindex(frame.index).fillna("test"))


def main(_: list[str]) -> None:
    """Writes both manifests and says how many images and patients each split has."""
    frame = read_manifest(pathlib.Path(MANIFEST.value))
    folder = pathlib.Path(OUTPUT_DIR.value)
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in (("candidates", candidate_split), ("final", final_split)):
        split = make(frame, SHARE.value)
        write_csv(split, folder / f"{name}.csv")
        counts = split.groupby(["split", "label"])["group_id"].agg(["size", "nunique"])
        print(f"{folder / name}.csv\n{counts.set_axis(['images', 'patients'], axis=1)}\n")


if __name__ == "__main__":
    absl_flags.mark_flags_as_required(["manifest", "output_dir"])
    app.run(main)
