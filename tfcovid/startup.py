"""TensorFlow's import, without the notes that bury what a user needs."""

import contextlib
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator

# Logged by TensorFlow 2.21 before its log level can be set; they say nothing about this run.
# `training.runtime` says in one line what the run is on.
NOTES = re.compile(
    rb"^(WARNING: All log messages before absl::InitializeLog\(\)|I0000 |"
    rb"To enable the following instructions|E0000 .*cuInit|"
    # LiteRT's converter and interpreter.
    rb"fully_quantize: |INFO: (Created TensorFlow Lite|Initialized TensorFlow Lite))"
)


def import_tensorflow() -> None:
    """Imports TensorFlow and finds its devices; passes on what is no start-up note."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("tensorflow").addFilter(is_no_retracing)
    with filtered_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()


def is_no_retracing(record: logging.LogRecord) -> bool:
    """Returns False for TensorFlow's advice to trace less: each network of a run is traced once."""
    return "triggered tf.function retracing" not in record.getMessage()


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
