"""Precision and recall of the search for copies, on copies made of real films.

    python -m benchmarks.copies --folders=DIR,ANOTHER --films=400

Draws films, makes a copy of each (a part of each side cut off, another size and aspect, JPEG,
another gamma and contrast), and searches all films and the copies together. A copy counts as found
where it is paired with its film. A pair of a copy with a film that is not, and is not itself
paired with, the one it was made of counts as false. Prints a table in Markdown.
"""

import io
import pathlib
import time

import numpy as np
import pandas as pd
from absl import app
from absl import flags as absl_flags
from PIL import Image

from tfcovid.data.copies.fingerprint import THUMBNAIL_PX
from tfcovid.data.copies.search import SAME_PICTURE, find_copies
from tfcovid.data.decode_files import decode_files
from tfcovid.data.preprocess import Preprocessing

FOLDERS = absl_flags.DEFINE_list("folders", None, "Folders with JPEG and PNG files, at any depth.")
FILMS = absl_flags.DEFINE_integer("films", 400, "Films that are copied.", lower_bound=1)
SEED = absl_flags.DEFINE_integer("seed", 0, "Of the films and of what is done to them.")
absl_flags.mark_flag_as_required("folders")

SUFFIXES = (".jpeg", ".jpg", ".png")
MOST_CUT_OFF = (0.0, 0.02, 0.05, 0.10, 0.15)
SQUARE = Preprocessing(image_size=8)


def made_copy(path, most_cut_off, rng):
    """Returns a changed copy of a film as a thumbnail, uint8 [96, 96]."""
    image = Image.open(path).convert("L")
    width, height = image.size
    left, right, top, bottom = rng.uniform(0, most_cut_off, 4)
    image = image.crop(
        (
            int(left * width),
            int(top * height),
            int(width - right * width),
            int(height - bottom * height),
        )
    )
    scale = rng.choice([0.4, 0.7, 1.0]) * rng.uniform(0.8, 1.2, 2)
    size = [max(40, int(side * part)) for side, part in zip(image.size, scale, strict=True)]
    pixels = np.asarray(image.resize(size, Image.Resampling.BICUBIC)) / 255
    pixels = 255 * pixels ** rng.uniform(0.8, 1.25) * rng.uniform(0.85, 1.1)
    pixels = np.clip(pixels + rng.uniform(-15, 15), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=int(rng.choice([30, 60, 90])))
    shrinks = min(size) >= THUMBNAIL_PX
    kernel = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    return np.asarray(Image.open(buffer).resize((THUMBNAIL_PX, THUMBNAIL_PX), kernel))


def searched(thumbnails):
    """Returns the pairs found by content alone."""
    return find_copies(pd.Series([f"{n}" for n in range(len(thumbnails))]), thumbnails)


def main(_):
    paths = sorted(
        str(path)
        for folder in FOLDERS.value
        for path in pathlib.Path(folder).rglob("*")
        if path.suffix.lower() in SUFFIXES
    )
    outcomes = decode_files(paths, SQUARE)
    decoded = {
        path: outcome[1]
        for path, outcome in zip(paths, outcomes, strict=True)
        if not isinstance(outcome, str)
    }
    paths, films = list(decoded), np.stack(list(decoded.values()))
    start = time.perf_counter()
    among_films = searched(films)
    print(f"{len(films)} films, {len(among_films)} pairs, {time.perf_counter() - start:.0f} s\n")
    copies_of = {number: {number} for number in range(len(films))}
    for first, second in zip(among_films["first"], among_films["second"], strict=True):
        copies_of[first].add(second)
        copies_of[second].add(first)
    rng = np.random.default_rng(SEED.value)
    chosen = rng.choice(len(films), min(FILMS.value, len(films)), replace=False)
    print("| most cut off a side | copies | found | as one picture | false pairs |")
    print("|---|---|---|---|---|")
    for most in MOST_CUT_OFF:
        made = np.stack([made_copy(paths[number], most, rng) for number in chosen])
        found = searched(np.concatenate([films, made]))
        mixed = found[(found["first"] < len(films)) & (found["second"] >= len(films))]
        original = chosen[mixed["second"] - len(films)]
        right = mixed["first"].to_numpy() == original
        sure = right & (mixed["correlation"] >= SAME_PICTURE).to_numpy()
        false = sum(
            first not in copies_of[number]
            for first, number in zip(mixed["first"], original, strict=True)
        )
        share = f"{right.sum() / len(chosen):.4f}"
        print(
            f"| {most:.2f} | {len(chosen)} | {share} | {sure.sum() / len(chosen):.3f} | {false} |"
        )


if __name__ == "__main__":
    app.run(main)
