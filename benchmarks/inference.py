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

import dataclasses
import pathlib
import tempfile

import keras
import numpy as np
import tensorflow as tf
from absl import app
from absl import flags as absl_flags

from benchmarks import beside_torch
from benchmarks.beside_torch import SIZE, clock
from benchmarks.failing import check_names, images_below
from benchmarks.paired_ratios import Spread, median_s, ratio_of_times
from benchmarks.peer_process import PeerError
from flags.choices import Backbone
from flags.config import Config
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment import class_export
from tfcovid.exports import litert
from tfcovid.metrics.decision import DecisionRule
from tfcovid.metrics.scaling import Scaling
from tfcovid.models.classifier import build_classifier
from tfcovid.serving.exported import save_exported

SMALL = {"image_size": 64, "count": 4, "batches": ["1", "2"], "pairs": 2}
CLASSES = ("Normal", "Pneumonia", "COVID-19")
REPRESENTATIVE = 8  # of int8, which is only timed here
SAVED_MODEL = "SavedModel float32"
# By their name in --beside: the title, and how PyTorch is asked for it.
EAGER = {"mode": "eager", "precision": "float32", "decoder": "cv2"}
PYTORCH = {
    "eager": ("PyTorch float32", EAGER),
    "pillow": ("PyTorch float32, Pillow", EAGER | {"decoder": "pil"}),
    "compile": ("PyTorch float32, compiled", EAGER | {"mode": "compile"}),
    "bfloat16": ("PyTorch bfloat16", EAGER | {"precision": "bfloat16"}),
}
XRV, XRV_TITLE = "xrv", "torchxrayvision float32"

IMAGES = absl_flags.DEFINE_string("images", None, "X-rays, searched to the bottom.", required=True)
NETWORKS = absl_flags.DEFINE_list(
    "networks", ["resnet50", "densenet121", "mobilenet_v2"], "torchvision's names."
)
BATCHES = absl_flags.DEFINE_list("batches", ["1", "8", "32", "128"], "Images at a time.")
LITERT = absl_flags.DEFINE_list("litert", ["float32", "int8"], "Precisions of LiteRT files.")
COUNT = absl_flags.DEFINE_integer("count", 32, "Images a turn, at least; a batch at least.")
BESIDE = absl_flags.DEFINE_list(
    "beside", [*PYTORCH, XRV], "Of PyTorch; xrv is torchxrayvision's DenseNet121."
)


def drawn_files(count):
    """Returns the paths of that many images; some twice where there are fewer."""
    every = images_below(IMAGES)
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


def turns(subject, reference, batch, peer):
    """Returns seconds of each round of the reference and of a subject, and the others' shares."""
    files = drawn_files(max(COUNT.value, batch))
    files = files[: len(files) // batch * batch]
    subject(files[:batch], batch)
    reference(files[:batch], batch)

    def per_image(run):
        return lambda: [run(files, batch) / len(files)]

    return beside_torch.pairs(peer, per_image(reference), per_image(subject))


def subjects(network, peer, folder):
    """Yields name and what makes it, each when it is asked for; the SavedModel first."""
    for title, run in own_subjects(network, folder):
        yield title, lambda run=run: run
    if peer is None:
        return
    asked = [(PYTORCH[one][0], network, PYTORCH[one][1]) for one in BESIDE.value if one in PYTORCH]
    if network == "densenet121" and XRV in BESIDE.value:
        asked.append((XRV_TITLE, "xrv_densenet121", EAGER))
    for title, named, how in asked:
        yield title, lambda named=named, how=how: theirs(peer, named, how)


def compare(network, peer):
    """Yields a row for each subject and batch."""
    with tempfile.TemporaryDirectory() as name:
        saved_model = None
        for title, make in subjects(network, peer, pathlib.Path(name)):
            for batch in map(int, BATCHES.value):
                row = {"network": network, "subject": title, "batch": batch}
                try:
                    run = make() if batch == int(BATCHES.value[0]) else run  # noqa: F821
                    saved_model = saved_model or run
                    reference, subject, shares = turns(run, saved_model, batch, peer)
                except PeerError as error:
                    yield {**row, "error": str(error)}
                    break
                ratio = ratio_of_times(reference, subject)
                yield {
                    **row,
                    "images_per_s": 1 / median_s(subject),
                    "reference_images_per_s": 1 / median_s(reference),
                    **dataclasses.asdict(ratio),
                    "others": float(np.median(shares)),
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
        Spread(row["median"], row["least"], row["greatest"]).text(2),
        f"{row['others']:.0%}",
    ]


def measure(console, peer):
    """Prints a row for each network, subject and batch."""
    slower = "times slower than the SavedModel"
    columns = ("network", "subject", "batch", "images/s", slower, "others")
    rows = beside_torch.Rows(console, columns, words)
    for network in NETWORKS.value:
        for row in compare(network, peer):
            rows.add(row)
    rows.print()


def main(_: list[str]) -> None:
    """Measures with the peer, or alone."""
    images_below(IMAGES)
    check_names(NETWORKS, [one.value for one in Backbone])
    check_names(LITERT, litert.PRECISIONS)
    check_names(BESIDE, [*PYTORCH, XRV])
    beside_torch.run(measure, SMALL)


if __name__ == "__main__":
    app.run(main)
