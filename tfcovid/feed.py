"""Makes training batches for other processes: `python -m tfcovid.feed --port=5050`.

`python -m tfcovid.train --data_service=HOST:5050` takes its batches from here, and gets the same
ones as without. The data have to lie under the same path here as there. SIGTERM or Ctrl-C stops it.
"""

import os
import signal
import threading
from collections.abc import Sequence

from flags import feed_flags, parse
from tfcovid.entry import run_command
from tfcovid.startup import import_tensorflow

feed_flags.adopt_key_flags()


def feed(argv: Sequence[str]) -> None:
    """Makes batches until the process is told to stop."""
    parse.refuse_stray_arguments(argv)
    asked = feed_flags.asked()
    # Batches are made on the CPU; the GPU is for the training beside it.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    # What goes wrong with a batch is told where it was asked for.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    import_tensorflow()
    from tfcovid.data.feed_server import feeding

    with feeding(asked.host, asked.port) as address:
        print(f"Feeding: python -m tfcovid.train --data_service={address} …", flush=True)
        print("Open to whoever reaches this machine's ports: no passwords, no TLS.", flush=True)
        stopped.wait()
        print("Stopped.", flush=True)
        # It keeps nothing; to stop in order would wait for streams of trainings that are gone.
        os._exit(0)


if __name__ == "__main__":
    run_command(feed)
