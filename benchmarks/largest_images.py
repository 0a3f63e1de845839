"""The largest pictures that --max_pixels lets through, one at a time: seconds and memory to decode.

    python -m benchmarks.largest_images

Black squares of 7,071 pixels a side, whose files are small: gray JPEG and PNG, and RGB PNG of 16
bits, the most costly mode. Each is decoded as a run does, in a process of its own, after a small
picture that pays for what the first one pays.
"""

import json
import multiprocessing
import pathlib
import resource
import struct
import tempfile
import time
import zlib

import numpy as np
import rich.table
from absl import app
from PIL import Image

from tfcovid.console import open_console

SIDE = 7071  # squared just below --max_pixels


def deep_png(path, side):
    """Writes a black RGB PNG of 16 bits, which Pillow does not."""
    row = b"\0" + bytes(6 * side)
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()

    def chunk(kind, data):
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", side, side, 16, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def gray(path, side):
    """Writes a black gray JPEG or PNG."""
    Image.fromarray(np.zeros((side, side), np.uint8)).save(path)


WRITERS = {"gray.jpeg": gray, "gray.png": gray, "rgb16.png": deep_png}


def decode(folder, name, answer):
    """Decodes a small picture, then the large one; puts seconds and bytes into the queue."""
    from tfcovid.data.decode_files import decode_files
    from tfcovid.data.preprocess import Preprocessing

    preprocessing, seen = Preprocessing(image_size=224), []
    for part in ("small", "large"):
        began = time.perf_counter()
        list(decode_files([str(folder / part / name)], preprocessing, 1))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        seen.append((time.perf_counter() - began, peak))
    answer.put(json.dumps(seen))


def main(_: list[str]) -> None:
    """Prints the table."""
    table = rich.table.Table("picture", "file", "seconds", "memory before", "more at its peak")
    processes = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        for part, side in (("small", 64), ("large", SIDE)):
            (folder / part).mkdir()
            for name, write in WRITERS.items():
                write(folder / part / name, side)
        for name in WRITERS:
            answer = processes.Queue()
            process = processes.Process(target=decode, args=(folder, name, answer))
            process.start()
            (_, before), (seconds, peak) = json.loads(answer.get())
            process.join()
            size = (folder / "large" / name).stat().st_size
            table.add_row(
                *(name, f"{size / 1e3:,.0f} kB", f"{seconds:.1f}", f"{before / 1e6:,.0f} MB"),
                f"{(peak - before) / 1e6:,.0f} MB",
            )
    open_console().print(table)


if __name__ == "__main__":
    app.run(main)
