"""Subjects that take turns with PyTorch in a process of its own: flags, pairs of rounds, rows."""

import json
import os
import pathlib
import time

import rich.table
import tensorflow as tf
from absl import flags as absl_flags

from benchmarks.failing import fail
from benchmarks.peer_process import PeerError, torch_peer
from benchmarks.quiet import Others
from benchmarks.torch_peer import CLOCKS
from tfcovid.console import open_console, say
from tfcovid.training.runtime import usable_cores

PEERS = absl_flags.DEFINE_string("peers", None, "Python of the peers' environment.")
SIZE = absl_flags.DEFINE_integer("image_size", 224, "Side of the square, pixels.")
PAIRS = absl_flags.DEFINE_integer("pairs", 5, "Rounds.")
PAUSE = absl_flags.DEFINE_float("pause_s", 0.3, "Between turns: idle threads spin for a while.")
OTHERS = absl_flags.DEFINE_float("others", 0.1, "Share of the cores that others may take.")
AGAIN = absl_flags.DEFINE_integer("again", 5, "Pairs that may be measured again.")
QUICK = absl_flags.DEFINE_bool("quick", False, "Little of everything: whether it runs.")
THREADS = absl_flags.DEFINE_integer("threads", None, "Of each side; as many as cores if not given.")
CLOCK = absl_flags.DEFINE_enum("clock", "wall", list(CLOCKS), "cpu: for --threads=1.")
OUTPUT = absl_flags.DEFINE_string("output", None, "A file of JSON lines that rows are added to.")


def threads():
    """Returns how many threads each side computes with."""
    return THREADS.value or usable_cores()


def clock():
    """Returns seconds, by the clock that was asked for."""
    return CLOCKS[CLOCK.value]()


def pairs(peer, *runs):
    """Returns of each run what it gave in each round, and at last the others' shares.

    A round in which others took more of the cores than --others is run again, --again times.

    Args:
      peer: the `PeerProcess`, which is none of the others, or None.
      runs: what takes turns.
    """
    others = Others([os.getpid()] if peer is None else [os.getpid(), peer.pid])
    again, rows = AGAIN.value, []
    while len(rows) < PAIRS.value:
        others.begin()
        row = []
        for run in runs:
            time.sleep(PAUSE.value)
            row.append(run())
        share = others.share()
        if share > OTHERS.value and again:
            again -= 1
            continue
        rows.append((*row, share))
    return [list(column) for column in zip(*rows, strict=True)]


class Rows:
    """A table that is printed row by row as it grows, and whole at the end.

    Args:
      console: of `open_console`.
      columns: their headings.
      words: what makes the cells of a row, a dictionary.
    """

    def __init__(self, console, columns, words):
        self._console, self._words = console, words
        title = f"{SIZE.value} px, {threads()} threads, {CLOCK.value} clock"
        self._table = rich.table.Table(*columns, title=title)

    def add(self, row):
        """Prints the row, and adds it to the file of --output."""
        cells = self._words(row)
        say(self._console, "  ".join(cells))
        self._table.add_row(*cells)
        if OUTPUT.value:
            with pathlib.Path(OUTPUT.value).open("a") as file:
                file.write(json.dumps(row) + "\n")

    def print(self):
        """Prints the table."""
        self._console.print(self._table)


def run(measure, small):
    """Calls `measure(console, peer)`; the peer is None without --peers.

    Ends the process with one line where the peer's Python is none, or has no PyTorch.

    Args:
      measure: prints its rows.
      small: values of flags under --quick; no pair is measured again under it.
    """
    if QUICK.value:
        for name, value in {**small, AGAIN.name: 0}.items():
            setattr(absl_flags.FLAGS, name, value)
    if THREADS.value is not None:
        tf.config.threading.set_intra_op_parallelism_threads(THREADS.value)
        tf.config.threading.set_inter_op_parallelism_threads(THREADS.value)
    console = open_console()
    if PEERS.value is None:
        measure(console, None)
        return
    try:
        with torch_peer(PEERS.value, threads(), CLOCK.value) as peer:
            try:
                versions = peer.ask("versions")
            except PeerError as error:
                fail(f"--peers={PEERS.value}: expected a Python that imports torch: {error}")
            say(console, f"peers: {versions}; TensorFlow {tf.__version__}")
            measure(console, peer)
    except PeerError as error:
        fail(f"--peers={PEERS.value}: {error}")
