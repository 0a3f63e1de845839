"""The split on which a backbone may be pretrained before a comparison: its training groups only.

  python -m benchmarks.pretraining_split --manifest=RUN/manifest.csv \
      --comparison=OUT/manifest-multiclass.csv --output=pretraining.csv

RUN is any run of `python -m tfcovid.train --task=pneumonia_cause` on CoronaHack, for its labels;
OUT any comparison. The images of the comparison's training split that the run has too, known by
their bytes, are divided by patient: eight tenths to train, a tenth each to validate and to test.
No image that the comparison chooses or tests by is among them.
"""

import pathlib

from absl import app
from absl import flags as absl_flags

from tfcovid.data.manifest import read_manifest, write_csv
from tfcovid.data.split import split_by_group

MANIFEST = absl_flags.DEFINE_string("manifest", None, "manifest.csv of the pretraining task.")
COMPARISON = absl_flags.DEFINE_string("comparison", None, "manifest-TASK.csv of a comparison.")
OUTPUT = absl_flags.DEFINE_string("output", None, "The manifest to write.")
SHARE = 0.1


def main(_: list[str]) -> None:
    """Writes the manifest and says how many images and patients each split has."""
    frame = read_manifest(pathlib.Path(MANIFEST.value))
    compared = read_manifest(pathlib.Path(COMPARISON.value))
    trained = compared.loc[compared["split"] == "train", "sha256"]
    inside = frame["sha256"].isin(trained)
    # A patient who is elsewhere in the comparison too stays out with all images.
    torn = set(frame.loc[~inside, "group_id"])
    kept = frame[inside & ~frame["group_id"].isin(torn)].reset_index(drop=True)
    split = split_by_group(kept, test_fraction=SHARE, validation_fraction=SHARE, seed=0)
    kept = kept.assign(split=split)
    write_csv(kept, pathlib.Path(OUTPUT.value))
    counts = kept.groupby(["split", "label"])["group_id"].agg(["size", "nunique"])
    print(f"{OUTPUT.value}\n{counts.set_axis(['images', 'patients'], axis=1)}")


if __name__ == "__main__":
    absl_flags.mark_flags_as_required(["manifest", "comparison", "output"])
    app.run(main)
