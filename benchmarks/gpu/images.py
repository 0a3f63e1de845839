"""The X-rays that `benchmarks.gpu.training` trains on, as one small file.

  python -m benchmarks.gpu.images --manifest=RUN/manifest.csv --data_dir=DIR --output=xrays.npz

RUN is any run, or the manifest of a comparison. Needs TensorFlow; what reads the file does not.
"""

import pathlib

import numpy as np
import pandas as pd
from absl import app
from absl import flags as absl_flags

from tfcovid.data.image_store import ImageStore
from tfcovid.data.preprocess import Preprocessing

MANIFEST = absl_flags.DEFINE_string("manifest", None, "CSV with path, label, split.")
DATA_DIR = absl_flags.DEFINE_string("data_dir", None, "What its paths begin at.")
IMAGE_SIZE = absl_flags.DEFINE_integer("image_size", 80, "Side of the squares, pixels.")
OUTPUT = absl_flags.DEFINE_string("output", None, "The .npz to write.")


def main(_: list[str]) -> None:
    """Decodes the training and validation images and writes them."""
    frame = pd.read_csv(MANIFEST.value)
    frame = frame[frame["split"].isin(["train", "validation"])]
    paths = [pathlib.Path(DATA_DIR.value) / path for path in frame["path"]]
    store, failures = ImageStore.load(paths, Preprocessing(image_size=IMAGE_SIZE.value))
    if failures:
        raise SystemExit(f"{len(failures)} files did not decode, such as {paths[min(failures)]}")
    names, labels = np.unique(frame["label"], return_inverse=True)
    np.savez(
        OUTPUT.value,
        images=np.asarray(store.fetch(np.arange(len(paths)))),
        labels=labels.astype(np.int32),
        is_train=(frame["split"] == "train").to_numpy(),
        names=names.astype(str),
    )
    print(f"{OUTPUT.value}: {len(paths)} images of {', '.join(names)}")


if __name__ == "__main__":
    absl_flags.mark_flags_as_required(["manifest", "data_dir", "output"])
    app.run(main)
