"""How far JPEG's scaled decoding is from the exact path, in gray levels of the network's square.

    python -m benchmarks.jpeg_scaling --folders=full_resolution,covid_chestxray

libjpeg can decode at a half, a quarter or an eighth of the size, which skips most of its work. The
square that comes of it is compared with the one that the whole image gives, for every JPEG file in
the folders that is still no smaller than the square.
"""

import pathlib

import numpy as np
import rich.table
import tensorflow as tf
from absl import app
from absl import flags as absl_flags

from benchmarks.failing import check_paths, fail
from tfcovid.console import open_console
from tfcovid.data.preprocess import Preprocessing

FOLDERS = absl_flags.DEFINE_list("folders", None, "Searched to the bottom.", required=True)
SIZE = absl_flags.DEFINE_integer("image_size", 224, "Side of the square, pixels.")

RATIOS = (2, 4, 8)
JPEG, CMYK = b"\xff\xd8\xff", 4


def differences(content: bytes, exact: np.ndarray, preprocessing: Preprocessing, ratio: int):
    """Returns the absolute differences that a ratio makes, in gray levels."""
    gray = tf.io.decode_jpeg(content, channels=1, dct_method="INTEGER_ACCURATE", ratio=ratio)
    small = preprocessing.image_from_bytes(tf.io.encode_png(gray)).numpy()
    return np.abs(small.astype(int) - exact)


def main(_: list[str]) -> None:
    """Prints the table."""
    check_paths(folders=[FOLDERS])
    preprocessing = Preprocessing(SIZE.value, channels=1)
    found: dict[int, list[np.ndarray]] = {ratio: [] for ratio in RATIOS}
    for root in FOLDERS.value:
        for path in sorted(path for path in pathlib.Path(root).rglob("*") if path.is_file()):
            content = path.read_bytes()
            if not content.startswith(JPEG):
                continue
            height, width, channels = tf.io.extract_jpeg_shape(content).numpy()
            if channels == CMYK:
                continue
            exact = preprocessing.image_from_bytes(tf.constant(content)).numpy().astype(int)
            for ratio in RATIOS:
                if min(height, width) // ratio >= SIZE.value:
                    found[ratio].append(differences(content, exact, preprocessing, ratio))
    if not any(found.values()):
        fail(
            f"--folders={','.join(FOLDERS.value)}: expected JPEG files of {RATIOS[0] * SIZE.value} "
            f"px and more, twice the side of --image_size={SIZE.value}; there are none"
        )
    table = rich.table.Table(
        "ratio", "files", "within 1 level", "largest, median", "largest", "mean"
    )
    for ratio, each in found.items():
        if each:
            largest = np.array([one.max() for one in each])
            mean = np.mean([one.mean() for one in each])
            table.add_row(
                *(f"1/{ratio}", str(len(each)), str((largest <= 1).sum())),
                *(f"{np.median(largest):.0f}", str(largest.max()), f"{mean:.2f}"),
            )
    open_console().print(table)


if __name__ == "__main__":
    app.run(main)
