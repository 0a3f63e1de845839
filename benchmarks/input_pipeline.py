"""The input pipeline beside its peers: augmented images from memory, squares from files, records.

    python -m benchmarks.input_pipeline --data_dir=CORONAHACK --full_resolution=DIR --peers=PYTHON

PYTHON is that of an environment with benchmarks/requirements-peers-torch.txt; without it MONAI and
torchxrayvision are left out. Of each peer every setting is tried once, on fewer images; the fastest
then takes turns with tfcovid, plain Keras and the limit: the bare cast of the cached bytes, the
bare decoding of the files. Four parts, any of which can be run alone with --parts:

  cached   CoronaHack at 224 px in memory, augmented, float32 batches of 32
  jpeg, png  the full-resolution files, repeated, from file to a gray square of 224 px
  records  the time until a store is filled, from the files and from what tfcovid.prepare made

Prints a table in Markdown for each; ratios are of runs of the same round.
"""

import contextlib
import os
import pathlib
import sys
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf
from absl import app
from absl import flags as absl_flags

from benchmarks import input_pipeline_ours as ours
from benchmarks.failing import check_names, check_paths, fail, images_below, output_of
from benchmarks.paired_ratios import best_setting, in_turn, paired_ratios, spread, table
from benchmarks.peer_process import PeerError, PeerProcess
from tfcovid.data.image_store import ImageStore
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.records import RecordSquares
from tfcovid.data.sources import coronahack

DATA_DIR = absl_flags.DEFINE_string("data_dir", None, "CoronaHack, of cached and records.")
FULL = absl_flags.DEFINE_string("full_resolution", None, "Folder of files, of jpeg and png.")
PEERS = absl_flags.DEFINE_string("peers", None, "Python that has the peers.")
READS = {"cached": DATA_DIR, "jpeg": FULL, "png": FULL, "records": DATA_DIR}
PARTS = absl_flags.DEFINE_list("parts", list(READS), "What is measured.")
ROUNDS = absl_flags.DEFINE_integer("rounds", 5, "How often each is timed.", lower_bound=1)
IMAGES = absl_flags.DEFINE_integer("images", 1024, "Cached images.", lower_bound=64)
FILES = absl_flags.DEFINE_integer("files", 148, "Files of a run, repeated.", lower_bound=8)
RECORDS = absl_flags.DEFINE_integer("records", 2000, "Images of the part records.", lower_bound=8)
QUICK = absl_flags.DEFINE_bool("quick", False, "Two rounds of few images: whether it runs.")

SCRIPT = pathlib.Path(__file__).with_name("input_pipeline_peers.py")
MAGIC = {"jpeg": b"\xff\xd8\xff", "png": b"\x89PNG"}


class Peers:
    """The peers' process; asked one thing at a time."""

    def __init__(self, python, sources):
        process = PeerProcess([python, SCRIPT, *(f"--{case}={at}" for case, at in sources.items())])
        self.ask, self.close = process.ask, process.close

    def best(self, case, images):
        """Returns of each peer its name and what runs its fastest setting once."""
        listed = self.ask(do="list", case=case)
        few = max(images // 4, 16)
        best = {}
        for peer in dict.fromkeys(name.split(":")[0] for name in listed):
            tries = {}
            for name in listed:
                if name.startswith(f"{peer}:"):
                    tries[name] = self._noted(case, name, few)
            setting = best_setting(tries)
            best[setting] = self._run(case, setting, None)
        self.ask(do="drop", case=case)
        return best

    def _run(self, case, setting, images):
        return lambda: self.ask(do="run", case=case, setting=setting, images=images)

    def _noted(self, case, setting, images):
        run = self._run(case, setting, images)

        def noted():
            found = run()
            print(f"  tried {setting}: {found:,.0f} images/s", flush=True)
            self.ask(do="drop", case=case)
            return found

        return noted


def files_of(kind, count):
    """Returns so many paths of the files that begin as those of this kind do."""
    paths = []
    for path in images_below(FULL):
        with path.open("rb") as file:
            if file.read(len(MAGIC[kind])) == MAGIC[kind]:
                paths.append(str(path))
    if not paths:
        fail(f"--full_resolution={FULL.value}: expected {kind.upper()} files, there are none")
    return ours.repeated(paths, count)


def warm_rates(variants, rounds):
    """Returns the rates of `in_turn`, after a round that does not count: it traces graphs."""
    in_turn(variants, 1)
    return in_turn(variants, rounds)


def compare(title, variants, rounds):
    """Runs the variants in turn and prints their table."""
    rates = warm_rates(variants, rounds)
    cores = len(os.sched_getaffinity(0))
    print(f"\n{title}; {rounds} rounds, {cores} cores\n")
    print("\n".join(table(rates, ours=ours.OURS, limit=ours.LIMIT, cores=cores)), flush=True)


def first_images(folder, count):
    """Makes a CoronaHack whose table lists the first images alone, and returns its folder."""
    data_dir = pathlib.Path(DATA_DIR.value)
    if not coronahack.recognise(data_dir):
        fail(f"--data_dir={data_dir}: expected CoronaHack, there is no {coronahack.METADATA_NAME}")
    table = (data_dir / coronahack.METADATA_NAME).read_text().splitlines(keepends=True)
    folder.mkdir()
    (folder / coronahack.METADATA_NAME).write_text("".join(table[: 1 + count]))
    (folder / coronahack.IMAGE_FOLDER).symlink_to((data_dir / coronahack.IMAGE_FOLDER).resolve())
    return folder


def records(rounds, count):
    """Prints how long it takes until a store is filled, from files and from their records."""
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "records"
        few = pathlib.Path(folder) / "few"
        data_dir = first_images(few, count) if QUICK.value else DATA_DIR.value
        command = [
            *(sys.executable, "-m", "tfcovid.prepare", f"--data_dir={data_dir}"),
            *("--data=coronahack", f"--image_size={ours.SIZE_PX}", f"--output_dir={output}"),
            "--on_bad_image=set_aside",
        ]
        begun = time.perf_counter()
        output_of("tfcovid.prepare", command)
        print(f"\ntfcovid.prepare: {time.perf_counter() - begun:.0f} s", flush=True)
        squares = RecordSquares(output)
        paths = squares.index.reading.rows["path"].tolist()[:count]
        files = [str(pathlib.Path(DATA_DIR.value) / path) for path in paths]
        size = Preprocessing(ours.SIZE_PX, channels=1)

        def from_files():
            return len(files) / ours.fill_seconds(files, size)

        def from_records():
            # Opened anew, so that every shard is verified anew.
            outcomes = RecordSquares(output)(paths)
            return len(files) / ours.fill_seconds(files, size, outcomes)

        rates = warm_rates({"files": from_files, "records": from_records}, rounds)
    print(f"\nA filled store, {len(files):,} images of CoronaHack; {rounds} rounds\n")
    print("| | images/s | seconds |\n|---|---|---|")
    for name, found in rates.items():
        seconds = spread([len(files) / one for one in found])
        digits = 1 if seconds.median >= 10 else 3
        print(f"| {name} | {spread(found).text(0)} | {seconds.text(digits)} |")
    times = paired_ratios(rates["records"], rates["files"])
    print(f"\nRecords fill it {times.text(1)} times as fast.", flush=True)


def check_flags():
    """Ends the process with one line if a part is unknown, or what it reads is not there."""
    check_names(PARTS, READS)
    for part in PARTS.value:
        if READS[part].value is None:
            fail(f"--{READS[part].name}: expected a folder, which the part {part} reads")
    check_paths(folders=[DATA_DIR, FULL], programs=[PEERS])


def main(_):
    check_flags()
    try:
        measure()
    except PeerError as error:
        needed = "torch, MONAI and torchxrayvision"
        fail(f"--peers={PEERS.value}: {error} (its Python needs {needed})")


def measure():
    """Prints the table of each part."""
    tf.get_logger().setLevel("ERROR")
    rounds = 2 if QUICK.value else ROUNDS.value
    images = 128 if QUICK.value else IMAGES.value
    count = 16 if QUICK.value else FILES.value
    print(f"TensorFlow {tf.__version__}, Keras {keras.__version__}, NumPy {np.__version__}")
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sources, variants = {}, {}
        if "cached" in PARTS.value:
            # Every so many, so that both classes and both folders are among them.
            paths = list(map(str, images_below(DATA_DIR)))
            paths = paths[:: max(1, len(paths) // images)][:images]
            store, _ = ImageStore.load(
                paths, Preprocessing(ours.SIZE_PX, channels=1), cache="memory"
            )
            sources["cached"] = folder / "cached.npy"
            np.save(sources["cached"], store.fetch(np.arange(len(store))).numpy())
        for kind in MAGIC:
            if kind in PARTS.value:
                paths = files_of(kind, count)
                sources[kind] = folder / f"{kind}.txt"
                sources[kind].write_text("\n".join(paths))
                variants[kind] = ours.file_variants(paths)
        peers = None
        if PEERS.value and sources:
            peers = Peers(PEERS.value, sources)
            stack.callback(peers.close)
        for case in sources:
            best = peers.best(case, images if case == "cached" else count) if peers else {}
            if case == "cached":
                # After the peers' tries: a stream fills its buffers as soon as it is there.
                own = ours.cached_variants(store, 4 * images)
                title = f"Cached, {len(store):,} images of CoronaHack, {ours.SIZE_PX} px, augmented"
            else:
                own = variants[case]
                title = f"{case.upper()}, {count} files of full resolution to {ours.SIZE_PX} px"
            compare(title, {**own, **best}, rounds)
    if "records" in PARTS.value:
        records(rounds, 64 if QUICK.value else RECORDS.value)


if __name__ == "__main__":
    app.run(main)
