"""Images a second from the bytes of files to probabilities: our exports beside PyTorch.

    python -m benchmarks.inference --peers=PYTHON --images=FOLDER

PYTHON is that of an environment with torch, torchvision, OpenCV, Pillow and, for its row,
torchxrayvision. Each network has random weights and is exported as a run exports it. The SavedModel
takes the bytes; a LiteRT file takes squares, so that TensorFlow decodes for it, and then one image
after the other. PyTorch's side (`benchmarks/torch_peer.py`) decodes the same bytes to gray, resizes
by area to the same square and runs torchvision's network in inference mode; torchxrayvision's
DenseNet121 takes gray. All on all cores, in turn, round after round; a ratio is PyTorch's time over
the SavedModel's in a pair of rounds, so above 1 the SavedModel is faster. A pair in which others
took more than --others of the cores is measured again; on a machine that is never quiet
--threads=1 --clock=cpu counts the seconds in which a side had a core. --output adds a line of JSON
for each row.
"""

import json
import os
import pathlib
import tempfile
import time

import keras
import numpy as np
import rich.table
import tensorflow as tf
from absl import app
from absl import flags as absl_flags

from benchmarks.pairs import median_s, paired_ratio
from benchmarks.peer_process import PeerError, torch_peer
from benchmarks.quiet import Others
from benchmarks.torch_peer import CLOCKS
from flags.config import Config
from tfcovid.console import open_console, say
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment import class_export
from tfcovid.exports import litert
from tfcovid.metrics.decision import DecisionRule
from tfcovid.metrics.scaling import Scaling
from tfcovid.models.classifier import build_classifier
from tfcovid.serving.exported import save_exported
from tfcovid.training.runtime import usable_cores

PEERS = absl_flags.DEFINE_string("peers", None, "Python of the peers' environment.")
IMAGES = absl_flags.DEFINE_string("images", None, "X-rays, searched to the bottom.", required=True)
NETWORKS = absl_flags.DEFINE_list(
    "networks", ["resnet50", "densenet121", "mobilenet_v2"], "torchvision's names."
)
BATCHES = absl_flags.DEFINE_list("batches", ["1", "8", "32", "128"], "Images at a time.")
LITERT = absl_flags.DEFINE_list("litert", ["float32", "int8"], "Precisions of LiteRT files.")
SIZE = absl_flags.DEFINE_integer("image_size", 224, "Side of the square, pixels.")
COUNT = absl_flags.DEFINE_integer("count", 32, "Images a turn, at least; a batch at least.")
PAIRS = absl_flags.DEFINE_integer("pairs", 5, "Rounds.")
PAUSE = absl_flags.DEFINE_float("pause_s", 0.3, "Between turns: idle threads spin for a while.")
OTHERS = absl_flags.DEFINE_float("others", 0.1, "Share of the cores that others may take.")
AGAIN = absl_flags.DEFINE_integer("again", 5, "Pairs that may be measured again.")
QUICK = absl_flags.DEFINE_bool("quick", False, "64 px, 4 images, batches of 1 and 2: it runs.")
THREADS = absl_flags.DEFINE_integer("threads", None, "Of each side; as many as cores if not given.")
CLOCK = absl_flags.DEFINE_enum("clock", "wall", list(CLOCKS), "cpu: for --threads=1.")
OUTPUT = absl_flags.DEFINE_string("output", None, "A file of JSON lines that rows are added to.")

SMALL = {"image_size": 64, "count": 4, "batches": ["1", "2"], "pairs": 2}
CLASSES = ("Normal", "Pneumonia", "COVID-19")
ENDINGS = (".jpeg", ".jpg", ".png")
REPRESENTATIVE = 8  # of int8, which is only timed here
SAVED_MODEL = "SavedModel float32"
# Name, and how PyTorch is asked for it.
PYTORCH = (
    ("PyTorch float32", {"mode": "eager", "precision": "float32", "decoder": "cv2"}),
    ("PyTorch float32, Pillow", {"mode": "eager", "precision": "float32", "decoder": "pil"}),
    ("PyTorch float32, compiled", {"mode": "compile", "precision": "float32", "decoder": "cv2"}),
    ("PyTorch bfloat16", {"mode": "eager", "precision": "bfloat16", "decoder": "cv2"}),
)
XRV = "torchxrayvision float32"


def threads():
    """Returns how many threads each side computes with."""
    return THREADS.value or usable_cores()


def clock():
    """Returns seconds, by the clock that was asked for."""
    return CLOCKS[CLOCK.value]()


def drawn_files(count):
    """Returns the paths of that many images; some twice where there are fewer."""
    root = pathlib.Path(IMAGES.value)
    every = sorted(path for path in root.rglob("*") if path.suffix.lower() in ENDINGS)
    order = np.random.default_rng(0).permutation(len(every))
    return [every[order[index % len(every)]] for index in range(count)]


def module_of(network):
    """Returns what a SavedModel is made of, with random weights."""
    keras.utils.set_random_seed(0)
    preprocessing = Preprocessing(SIZE.value, channels=3, mean=(0.5,) * 3, std=(0.25,) * 3)
    model = build_classifier(backbone=network, num_outputs=3, image_size=SIZE.value, channels=3)
    rule = DecisionRule(CLASSES, Scaling(1.0, (0.0,) * 3), "COVID-19", None)
    return class_export.module_of(Config(), model, rule, preprocessing)


def in_batches(classify):
    """Returns what classifies files batch by batch, and gives the seconds that took."""

    def run(files, batch):
        contents = [path.read_bytes() for path in files]
        start = clock()
        for first in range(0, len(contents), batch):
            classify(contents[first : first + batch])
        return clock() - start

    return run


def own_subjects(network, folder):
    """Yields name and what runs it; the SavedModel first."""
    module = module_of(network)
    save_exported(module, folder / "saved_model")
    loaded = tf.saved_model.load(str(folder / "saved_model"))
    serve = loaded.signatures["serving_default"]
    yield (
        SAVED_MODEL,
        in_batches(lambda files: serve(image_bytes=tf.constant(files))["probabilities"].numpy()),
    )
    if not LITERT.value:
        return
    squares = module.preprocessing.image_from_bytes
    decode = tf.function(
        lambda files: tf.map_fn(squares, files, fn_output_signature=tf.uint8),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    contents = [path.read_bytes() for path in drawn_files(REPRESENTATIVE)]
    representative = decode(tf.constant(contents)).numpy()
    with litert.Conversion(module) as convert:
        for precision in LITERT.value:
            path = folder / f"{precision}{litert.ENDING}"
            path.write_bytes(convert(precision, representative)[0])
            yield f"LiteRT {precision}", in_batches(_litert(litert.load_litert(path), decode))


def _litert(classify, decode):
    return lambda files: classify(decode(tf.constant(files)).numpy())


def theirs(peer, network, settings):
    """Returns what runs PyTorch's side of a subject, made anew."""
    peer.ask("forget")
    peer.ask("classify", network=network, size=SIZE.value, channels_last=True, **settings)
    return lambda files, batch: peer.ask("images", paths=list(map(str, files)), batch=batch)


def turns(subject, reference, batch, others):
    """Returns seconds of each round of a subject and of the reference, and the others' shares."""
    files = drawn_files(max(COUNT.value, batch))
    files = files[: len(files) // batch * batch]
    subject(files[:batch], batch)
    reference(files[:batch], batch)
    rows, again = [], AGAIN.value
    while len(rows) < PAIRS.value:
        others.begin()
        seconds = []
        for run in (reference, subject):
            time.sleep(PAUSE.value)
            seconds.append(run(files, batch) / len(files))
        share = others.share()
        if share > OTHERS.value and again:
            again -= 1
            continue
        rows.append((*seconds, share))
    return [[[one] for one in column] for column in zip(*rows, strict=True)]


def compare(network, peer):
    """Yields a row for each subject and batch."""
    others = Others([os.getpid()] if peer is None else [os.getpid(), peer.pid])
    with tempfile.TemporaryDirectory() as name:
        own = dict(own_subjects(network, pathlib.Path(name)))
        subjects = [(title, lambda run=run: run) for title, run in own.items()]
        if peer is not None:
            asked = [(title, network, settings) for title, settings in PYTORCH]
            if network == "densenet121":
                asked.append((XRV, "xrv_densenet121", PYTORCH[0][1]))
            subjects += [
                (title, lambda named=named, how=how: theirs(peer, named, how))
                for title, named, how in asked
            ]
        for title, make in subjects:
            for batch in map(int, BATCHES.value):
                row = {"network": network, "subject": title, "batch": batch}
                try:
                    run = make() if batch == int(BATCHES.value[0]) else run  # noqa: F821
                    reference, subject, shares = turns(run, own[SAVED_MODEL], batch, others)
                except PeerError as error:
                    yield {**row, "error": str(error)}
                    break
                ratio = paired_ratio(reference, subject)
                yield {
                    **row,
                    "images_per_s": 1 / median_s(subject),
                    "reference_images_per_s": 1 / median_s(reference),
                    "ratio": ratio.median,
                    "low": ratio.low,
                    "high": ratio.high,
                    "others": median_s(shares),
                }
    keras.backend.clear_session()


def words(row):
    """Returns the cells of a row."""
    cells = [row["network"], row["subject"], str(row["batch"])]
    if "error" in row:
        return [*cells, row["error"], "", ""]
    return [
        *cells,
        f"{row['images_per_s']:.1f}",
        f"{row['ratio']:.2f} ({row['low']:.2f} to {row['high']:.2f})",
        f"{row['others']:.0%}",
    ]


def measure(console, peer):
    """Prints the table row by row, and whole."""
    table = rich.table.Table(
        *("network", "subject", "batch", "images/s", "times slower than the SavedModel", "others"),
        title=f"{SIZE.value} px, {threads()} threads, {CLOCK.value} clock",
    )
    if peer is not None:
        say(console, f"peers: {peer.ask('versions')}; TensorFlow {tf.__version__}")
    for network in NETWORKS.value:
        for row in compare(network, peer):
            say(console, "  ".join(words(row)))
            table.add_row(*words(row))
            if OUTPUT.value:
                with pathlib.Path(OUTPUT.value).open("a") as file:
                    file.write(json.dumps(row) + "\n")
    console.print(table)


def main(_: list[str]) -> None:
    """Measures with the peer, or alone."""
    if QUICK.value:
        for name, value in SMALL.items():
            setattr(absl_flags.FLAGS, name, value)
    if THREADS.value is not None:
        tf.config.threading.set_intra_op_parallelism_threads(THREADS.value)
        tf.config.threading.set_inter_op_parallelism_threads(THREADS.value)
    console = open_console()
    if PEERS.value is None:
        measure(console, None)
        return
    with torch_peer(PEERS.value, threads(), CLOCK.value) as peer:
        measure(console, peer)


if __name__ == "__main__":
    app.run(main)
