"""TensorFlow's import, without the notes that bury what a user needs."""

import contextlib
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from tfcovid.cpu import cpu_instructions

# Logged by TensorFlow 2.21 before its log level can be set; they say nothing about this run.
# `training.runtime` says in one line what the run is on.
NOTES = re.compile(
    rb"^(WARNING: All log messages before absl::InitializeLog\(\)|I0000 |"
    rb"To enable the following instructions|E0000 .*cuInit|"
    # LiteRT's converter and interpreter.
    rb"fully_quantize: |INFO: (Created TensorFlow Lite|Initialized TensorFlow Lite))"
)

# TensorFlow imports Keras, and Keras these where they are installed: a second and more, for
# `keras.wrappers` and the galleries of `keras.visualization`, which no command uses. To Keras they
# stay missing for the whole process; everyone else can import them afterwards.
_LEFT_OUT = ("sklearn", "matplotlib", "IPython")


def import_tensorflow() -> None:
    """Imports TensorFlow and Keras and finds the devices; passes on what is no start-up note."""
    use_onednn()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("tensorflow").addFilter(is_no_retracing)
    with filtered_stderr(), hidden(_LEFT_OUT):
        import tensorflow as tf

        tf.config.list_physical_devices()


def use_onednn() -> None:
    """Lets TensorFlow compute by oneDNN on every CPU with AVX2.

    It does so by itself on those with AVX-512 VNNI, AVX-VNNI or AMX, but oneDNN doubles the speed
    of a training on the others too (docs/performance.md). Of effect before TensorFlow is imported;
    who has set TF_ENABLE_ONEDNN_OPTS has it as it is.
    """
    if "avx2" in cpu_instructions():
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def is_no_retracing(record: logging.LogRecord) -> bool:
    """Returns False for TensorFlow's advice to trace less: each network of a run is traced once."""
    return "triggered tf.function retracing" not in record.getMessage()


@contextlib.contextmanager
def hidden(packages: Sequence[str]) -> Iterator[None]:
    """Has packages that are not imported yet look as if they were not installed."""
    absent: dict[str, Any] = {name: None for name in packages if name not in sys.modules}
    sys.modules.update(absent)  # to import None is an ImportError
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


@contextlib.contextmanager
def filtered_stderr() -> Iterator[None]:
    """Holds back what the process and its libraries write to stderr, then passes it on.

    Python's own sys.stderr is not enough: the notes come from C++.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            passed_on = b"".join(line for line in held if not NOTES.match(line))
            os.write(2, passed_on)
