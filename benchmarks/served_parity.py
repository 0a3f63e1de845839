"""A run's SavedModel beside its trained model, on real X-rays of mixed formats.

  python -m benchmarks.served_parity --run=RUN --folders=coronahack,covid_chestxray --files=200

The files are drawn from the folders; every other one is written anew as 16-bit PNG, GIF, colour or
CMYK JPEG. The SavedModel answers in a process that cannot import this code; probabilities and heat
maps are compared with those of checkpoints/model.keras under the run's own rule, computed eagerly.
"""

import io
import pathlib
import sys
import tempfile

import keras
import numpy as np
from absl import app
from absl import flags as absl_flags
from PIL import Image

from benchmarks.failing import check_paths, output_of
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.heat import drawing_function
from tfcovid.metrics.decision import rule_from_description
from tfcovid.models.classifier import as_float32
from tfcovid.training.run_record import RunFolder, read_json

RUN = absl_flags.DEFINE_string("run", None, "Folder of a finished run.")
FOLDERS = absl_flags.DEFINE_list("folders", None, "Where X-rays lie, searched to the bottom.")
FILES = absl_flags.DEFINE_integer("files", 200, "How many are compared.")
SEED = absl_flags.DEFINE_integer("seed", 0, "Of the draw.")

ENDINGS = (".jpeg", ".jpg", ".png")
CLIENT = """
import sys
import numpy as np
import tensorflow as tf
assert not any(name.split(".")[0] in ("tfcovid", "flags") for name in sys.modules)
explain = tf.saved_model.load(sys.argv[1]).signatures["explain"]
found = [explain(image_bytes=tf.constant([open(f, "rb").read()])) for f in sys.argv[3:]]
np.savez(sys.argv[2], **{
    name: np.concatenate([one[name].numpy() for one in found]).astype(dtype)
    for name, dtype in {"probabilities": "f4", "heatmaps": "f4", "decision": "S"}.items()
})
"""


def drawn_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the files that are compared: originals, and copies in other formats in `folder`."""
    rng = np.random.default_rng(SEED.value)
    every = sorted(
        path
        for root in FOLDERS.value
        for path in pathlib.Path(root).rglob("*")
        if path.suffix.lower() in ENDINGS
    )
    chosen = [every[i] for i in rng.choice(len(every), FILES.value, replace=False)]
    formats = list(ENCODERS.values())
    found = []
    for number, path in enumerate(chosen):
        if number % 2:
            with Image.open(path) as image:
                content = formats[number // 2 % len(formats)](image)
            path = folder / f"{number}.img"
            path.write_bytes(content)
        found.append(path)
    return found


def _deep_png(image: Image.Image) -> bytes:
    gray = np.asarray(image.convert("L"), np.uint16) * 257
    return _saved(Image.fromarray(gray), "PNG")


def _saved(image: Image.Image, name: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name)
    return buffer.getvalue()


ENCODERS = {
    "16-bit PNG": _deep_png,
    "GIF": lambda image: _saved(image.convert("L"), "GIF"),
    "colour JPEG": lambda image: _saved(image.convert("RGB"), "JPEG"),
    "CMYK JPEG": lambda image: _saved(image.convert("CMYK"), "JPEG"),
}


def main(_: list[str]) -> None:
    """Prints the largest differences and how many decisions differ."""
    check_paths(folders=[RUN, FOLDERS])
    folder = RunFolder(pathlib.Path(RUN.value))
    model = as_float32(keras.models.load_model(folder.best_model, compile=False))
    rule = rule_from_description(read_json(folder.labels), read_json(folder.decision))
    preprocessing = Preprocessing.from_json(read_json(folder.preprocessing))
    method = read_json(folder.config)["run"]["heat_map"]
    with tempfile.TemporaryDirectory() as name:
        files = drawn_files(pathlib.Path(name))
        answers = pathlib.Path(name) / "answers.npz"
        arguments = [folder.saved_model.resolve(), answers, *(path.resolve() for path in files)]
        client = [sys.executable, "-I", "-c", CLIENT, *map(str, arguments)]
        output_of("the SavedModel's process", client, cwd=name)
        with np.load(answers, allow_pickle=False) as kept:
            served = dict(kept)
        squares = np.stack(
            [preprocessing.image_from_bytes(path.read_bytes()).numpy() for path in files]
        )
    probs = rule.probabilities(model.predict(preprocessing.network_input(squares), verbose=0))
    drawing = drawing_function(model, preprocessing, method)
    heat = np.concatenate([drawing(squares[i : i + 20]).numpy() for i in range(0, len(files), 20)])
    decided = [decision.decode() for decision in served["decision"]]
    expected = [rule.classes[index] for index in rule.decide(probs)]
    differ = sum(a != b for a, b in zip(decided, expected, strict=True))
    print(
        f"{len(files)} files, every other one in {', '.join(ENCODERS)}: largest difference of a "
        f"probability {np.abs(served['probabilities'] - probs).max():.1e}, of a heat map "
        f"{np.abs(served['heatmaps'] - heat).max():.1e}; decisions that differ: {differ}"
    )


if __name__ == "__main__":
    absl_flags.mark_flags_as_required(["run", "folders"])
    app.run(main)
