"""The process of `benchmarks.fuzz` in which a target reads: a JSON line an event on stdout."""

import argparse
import json
import os
import pathlib
import random
import resource
import tempfile
import time
import traceback

from tests.fuzz.mutations import mutated
from tests.fuzz.outcomes import outcome_of
from tests.fuzz.targets import TARGETS

# Libraries print what they like; a process tells events alone on what was stdout.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def in_mb(field):
    """Returns a field of this process' memory: VmHWM, the most it held, or VmSize."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status: expected {field}")


def main(asked):
    """Reads one file, or mutated inputs one after the other.

    Args:
      asked: target, and input, a file; or seed, first, last, memory_mb, and current, the file that
        holds the input at work.
    """
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def tell(**event):
        events.write(json.dumps(event) + "\n")

    name = asked["target"]
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        read = target.reader(pathlib.Path(folder))
        if "input" in asked:
            content = pathlib.Path(asked["input"]).read_bytes()
            events.write(outcome_of(read, content, target.refusals, target.names) + "\n")
            return
        seeds = target.seeds()
        for seed in seeds:
            outcome_of(read, seed, target.refusals, target.names)
        tell(start_mb=in_mb("VmHWM"))
        most = int((in_mb("VmSize") + asked["memory_mb"]) * 2**20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        for index in range(asked["first"], asked["last"]):
            rng = random.Random(f"{asked['seed']}-{name}-{index}")
            content = mutated(seeds, target.mutations, target.tokens, rng)
            pathlib.Path(asked["current"]).write_bytes(content)
            tell(begun=index)
            start = time.perf_counter()
            try:
                event = {"outcome": outcome_of(read, content, target.refusals, target.names)}
            except Exception:  # noqa: BLE001 -- any other error is what is looked for
                event = {"index": index, "error": traceback.format_exc()}
            tell(took_s=time.perf_counter() - start, peak_mb=in_mb("VmHWM"), **event)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("asked", type=json.loads, help="What to read, an object of JSON.")
    main(parser.parse_args().asked)
