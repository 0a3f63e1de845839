"""COVID-19 against other pneumonias inside ieee8023's collection, from a finished run.

  python -m benchmarks.inside_one_source --run=RUN --metadata=covid_chestxray/metadata.csv

RUN is a run of `python -m tfcovid.train --task=binary --split=kfold --data_dir=covid_chestxray`.
Its predictions are scored with and without the films that show no finding.
"""

import pathlib

import numpy as np
import pandas as pd
from absl import app
from absl import flags as absl_flags

from tfcovid.metrics.score import score
from tfcovid.training.run_record import RunFolder, read_json

RUN = absl_flags.DEFINE_string("run", None, "Folder of the finished run.")
METADATA = absl_flags.DEFINE_string("metadata", None, "metadata.csv of the collection.")
POSITIVE, NO_FINDING = "COVID-19", "No Finding"
KEYS = ("auroc", "recall", "specificity")


def main(_: list[str]) -> None:
    """Prints the figures of all films, and of those with a pneumonia."""
    folder = RunFolder(pathlib.Path(RUN.value))
    classes = tuple(read_json(folder.labels))
    table = pd.read_csv(folder.predictions)
    listed = pd.read_csv(METADATA.value).drop_duplicates("filename").set_index("filename")
    finding = table["path"].str.rsplit("/", n=1).str[-1].map(listed["finding"])
    for name, part in (("all others", table), ("pneumonias", table[finding != NO_FINDING])):
        found = score(
            part["label"].map(classes.index).to_numpy(np.int64),
            part[[f"prob_{c}" for c in classes]].to_numpy(),
            part["decision"].map(classes.index).to_numpy(np.int64),
            part["group_id"].to_numpy(),
            classes,
            seed=0,
        )
        other = found["per_class"][next(c for c in classes if c != POSITIVE)]
        print(f"{POSITIVE} against {name}: {other['n_images']} of {other['n_patients']} patients")
        for key in ("balanced_accuracy", *(f"per_class.{POSITIVE}.{k}" for k in KEYS)):
            value = found[key] if key in found else found["per_class"][POSITIVE][key.split(".")[-1]]
            ends = found["intervals"][key]
            print(f"  {key} {value:.3f} ({ends['low']:.2f} to {ends['high']:.2f})")


if __name__ == "__main__":
    absl_flags.mark_flags_as_required(["run", "metadata"])
    app.run(main)
