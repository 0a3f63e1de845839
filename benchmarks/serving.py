"""What the server takes: requests a second, latency, memory; alone and with request batching.

    python -m benchmarks.serving --model=RUN/saved_model --clients=1,8,64 --seconds=10

Starts `tfcovid.serve` twice, with batches of one image and with batches of --max_batch_size. For
each number of clients every client sends one image after the other for a while. Then come
--requests more from 8 clients, the bad inputs, and at last the same good image once more. Prints
requests a second, the median and the 99th percentile of the latency, requests lost (no answer at
all) and refused, images a call of the model, and the server's resident memory before, after and at
the end.

Clients and server share the machine's cores, and each client is a thread of one process.
"""

import base64
import contextlib
import http.client
import io
import itertools
import json
import re
import struct
import subprocess
import sys
import threading
import time
import zlib

import numpy as np
import rich.table
from absl import app
from absl import flags as absl_flags
from PIL import Image

from benchmarks.failing import check_paths, fail
from tfcovid.console import open_console, say

MODEL = absl_flags.DEFINE_string("model", None, "A SavedModel folder.", required=True)
CLIENTS = absl_flags.DEFINE_list("clients", ["1", "8", "64"], "Numbers of clients.")
SECONDS = absl_flags.DEFINE_float("seconds", 10.0, "How long each number of clients sends.")
WARM_UP = absl_flags.DEFINE_integer("warm_up", 20, "Requests before anything is measured.")
BATCH_SIZE = absl_flags.DEFINE_integer("max_batch_size", 16, "Of the server with batching.")
SIDE = absl_flags.DEFINE_integer("side", 1024, "Side of the image that is sent, pixels.")
REQUESTS = absl_flags.DEFINE_integer(
    "requests", 10_000, "Sent to the server with batching at last."
)
BAD_ROUNDS = absl_flags.DEFINE_integer("bad_rounds", 5, "How often every bad input is sent.")
SIGNATURE = absl_flags.DEFINE_string("signature", "serving_default", "What is asked for.")

MANY_CLIENTS = 8
MEMORY = "process_resident_memory_bytes"
PREDICT = "/v1/models/tfcovid:predict"


@contextlib.contextmanager
def server(max_batch_size):
    """Gives the port of a server of its own process."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tfcovid.serve", f"--model={MODEL.value}", "--port=0"),
            f"--max_batch_size={max_batch_size}",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        found = re.search(r":(\d+)/", line)
        if not found:
            # Its stderr is ours.
            fail(f"tfcovid.serve did not start; what it said stands above. {line}")
        yield int(found[1])
    finally:
        process.terminate()
        process.communicate(timeout=600)


def post(connection, body, address=PREDICT):
    connection.request("POST", address, body)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def send_once(port, body):
    """Returns the status of the answer over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    with contextlib.closing(connection):
        return post(connection, body)


def figures(port):
    """Returns the server's own figures, by name."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    }


def film():
    """Returns a JPEG file that takes as long to decode as an X-ray."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8))
    smooth = np.asarray(coarse.resize((SIDE.value, SIDE.value), Image.Resampling.BICUBIC), float)
    noisy = np.clip(smooth + rng.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noisy).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def asking(content):
    """Returns the body of a request for one file."""
    row = {"b64": base64.b64encode(content).decode()}
    return json.dumps({"signature_name": SIGNATURE.value, "instances": [row]}).encode()


def bad_inputs(good):
    """Returns bodies that are refused, by name."""
    claims = bytearray(good)
    # Of a PNG file: width and height, and the checksum of the chunk that they stand in.
    claims[16:24] = struct.pack(">II", 30_000, 30_000)
    claims[29:33] = struct.pack(">I", zlib.crc32(claims[12:29]))
    return {
        "no JSON": b"no JSON",
        "JSON a million deep": b'{"instances":' + b"[" * 1_000_000,
        "10 million lists": b"[" + b"[]," * 10_000_000 + b"[]]",
        "50 MB": bytes(50_000_000),
        "no image": asking(b"no image"),
        "cut off": asking(good[: len(good) // 2]),
        "claims 900 million pixels": asking(bytes(claims)),
    }


def load(port, clients, body, tickets):
    """Returns the latencies in seconds of what was answered, and how many were refused and lost.

    Args:
      port: of the server.
      clients: how many send at once.
      body: of each request.
      tickets: an iterator; a request is sent for each item, until there are no more.
    """
    latencies, refused, lost = [], [], []
    one_at_a_time = threading.Lock()

    def ticket():
        with one_at_a_time:
            return next(tickets, None)

    def send():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while ticket() is not None:
            begun = time.perf_counter()
            try:
                status = post(connection, body)
            except (OSError, http.client.HTTPException) as error:
                lost.append(error)
                connection.close()
                continue
            if status == 200:
                latencies.append(time.perf_counter() - begun)
            else:
                refused.append(status)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return np.array(latencies), len(refused), len(lost)


def until(end):
    """Yields numbers until that time."""
    return itertools.takewhile(lambda _: time.perf_counter() < end, itertools.count())


def row(title, port, clients, body):
    """Returns a row of the table: what so many clients saw."""
    before, begun = figures(port), time.perf_counter()
    tickets = until(begun + SECONDS.value)
    latencies, refused, lost = load(port, clients, body, tickets)
    took, after = time.perf_counter() - begun, figures(port)
    calls, images = (
        after[f"tfcovid_batch_size_{name}"] - before[f"tfcovid_batch_size_{name}"]
        for name in ("count", "sum")
    )
    p50, p99 = np.percentile(latencies, (50, 99)) * 1000 if len(latencies) else (np.nan, np.nan)
    cells = (
        f"{len(latencies) / took:.1f}",
        f"{p50:.0f}",
        f"{p99:.0f}",
        f"{images / max(calls, 1):.1f}",
        str(refused),
        str(lost),
        f"{after[MEMORY] / 1e6:.0f}",
    )
    return title, str(clients), *cells


def send_many(port, body, console):
    """Sends --requests, and says what became of them and of the memory."""
    before = figures(port)[MEMORY] / 1e6
    begun = time.perf_counter()
    latencies, refused, lost = load(port, MANY_CLIENTS, body, iter(range(REQUESTS.value)))
    took, after = time.perf_counter() - begun, figures(port)[MEMORY] / 1e6
    say(
        console,
        f"  {REQUESTS.value:,} requests of {MANY_CLIENTS} clients in {took:.0f} s: "
        f"{len(latencies):,} answered, {refused} refused, {lost} lost; "
        f"{before:.0f} MB resident before, {after:.0f} MB after",
    )


def send_bad(port, console):
    """Sends every bad input and says how it was answered."""
    png = io.BytesIO()
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(png, "PNG")
    for name, body in bad_inputs(png.getvalue()).items():
        statuses = {send_once(port, body) for _ in range(BAD_ROUNDS.value)}
        memory = figures(port)[MEMORY] / 1e6
        say(console, f"  {name}: {sorted(statuses)}, then {memory:.0f} MB resident")


def main(_):
    check_paths(folders=[MODEL])
    console = open_console()
    table = rich.table.Table(
        *("server", "clients", "requests/s", "p50 ms", "p99 ms", "images a call"),
        *("refused", "lost", "MB after"),
    )
    content = film()
    say(console, f"One JPEG of {SIDE.value} by {SIDE.value} pixels, {len(content):,} bytes.")
    for title, max_batch_size in (("no batching", 1), ("batching", BATCH_SIZE.value)):
        with server(max_batch_size) as port:
            for _ in range(WARM_UP.value):
                send_once(port, asking(content))
            say(console, f"{title}: {figures(port)[MEMORY] / 1e6:.0f} MB resident at the start")
            for clients in map(int, CLIENTS.value):
                table.add_row(*row(title, port, clients, asking(content)))
            if max_batch_size > 1:
                send_many(port, asking(content), console)
            send_bad(port, console)
            say(console, f"  a good image after them: {send_once(port, asking(content))}")
    console.print(table)


if __name__ == "__main__":
    app.run(main)
