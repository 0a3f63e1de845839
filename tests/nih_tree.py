"""A small folder in ChestX-ray14's layout: drawn chests with 14 planted labels, some unknown.

Two findings are in the picture: Effusion is a bright band at the foot of the lungs, Mass a bright
disc in one of them. All others are drawn by chance, and nothing in a film tells them.
"""

import pathlib

import numpy as np
from PIL import Image

from tests.data.images import encode
from tfcovid.data.sources.pathologies import PATHOLOGIES
from tfcovid.data.sources.phantom import Anatomy, Pose, draw_chest
from tfcovid.data.sources.phantom_film import expose

TABLE = "Data_Entry_2017_v2020.csv"
HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Sex,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]\n"
)
SEEN = ("Effusion", "Mass")
SHARES = {"Effusion": 0.4, "Mass": 0.4, "Pneumonia": 0.3, "Hernia": 0.06}
OTHER_SHARE, UNKNOWN_SHARE = 0.15, 0.05


def write_nih_tree(root: pathlib.Path, *, seed=0, patients=90, image_size=48, lists=False):
    """Writes the folder; a patient has one to four films, and most of his findings on each."""
    rng = np.random.default_rng(seed)
    (root / "images").mkdir(parents=True)
    lines, test = [], []
    for patient in range(1, patients + 1):
        sex = str(rng.choice(["F", "M"]))
        anatomy = Anatomy.draw(rng, sex=sex)
        has = {name: rng.random() < SHARES.get(name, OTHER_SHARE) for name in PATHOLOGIES}
        if rng.random() < 0.25:
            has = dict.fromkeys(PATHOLOGIES, False)
        for number in range(1 + int(rng.choice(4, p=[0.5, 0.3, 0.1, 0.1]))):
            name = f"{patient:08d}_{number:03d}.png"
            shown = [label for label, there in has.items() if there and rng.random() < 0.9]
            film = _film(anatomy, shown, rng, image_size)
            (root / "images" / name).write_bytes(encode(film[..., None].repeat(3, -1), "PNG"))
            cell = "|".join(shown) or "No Finding"
            if rng.random() < UNKNOWN_SHARE:
                cell = ""
            age = int(rng.integers(18, 90))
            lines.append(f"{name},{cell},{number},{patient},{age},{sex},PA,48,48,0.1,0.1\n")
            if patient % 4 == 0:
                test.append(name)
    (root / TABLE).write_text(HEADER + "".join(lines))
    if lists:
        named = [line.split(",")[0] for line in lines]
        (root / "test_list.txt").write_text("\n".join(test))
        (root / "train_val_list.txt").write_text("\n".join(n for n in named if n not in set(test)))
    return root


def _film(anatomy, shown, rng, image_size):
    chest = draw_chest(anatomy, Pose.draw(rng, view="PA"), image_size)
    film = expose(chest, np.zeros_like(chest.u), rng).astype(np.float32)
    lungs = chest.lungs > 0.5
    if "Effusion" in shown:
        film[lungs & (chest.height > 0.6)] += 120
    if "Mass" in shown:
        ys, xs = np.nonzero(lungs & (chest.height < 0.5))
        place = rng.integers(len(ys))
        y, x = np.mgrid[:image_size, :image_size]
        film[np.hypot(y - ys[place], x - xs[place]) < 0.09 * image_size] += 130
    return np.clip(film, 0, 255).astype(np.uint8)


def read_film(path):
    """Returns the gray values of a film."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))
