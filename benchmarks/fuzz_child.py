"""The process of `benchmarks.fuzz` in which a target reads: a JSON line an event on stdout."""

import json
import os
import pathlib
import random
import resource
import sys
import tempfile
import time
import traceback

from absl import app
from absl import flags as absl_flags

from tests.fuzz.mutations import mutated
from tests.fuzz.outcomes import outcome_of
from tests.fuzz.targets import TARGETS

ONLY = absl_flags.DEFINE_enum("only", None, list(TARGETS), "The target.", required=True)
SEED = absl_flags.DEFINE_integer("seed", 0, "Of the inputs.")
FIRST = absl_flags.DEFINE_integer("first", 0, "Number of the first input.")
LAST = absl_flags.DEFINE_integer("last", 0, "Number behind the last one.")
MEMORY_MB = absl_flags.DEFINE_integer("memory_mb", 4096, "What may be taken besides.")
INPUT = absl_flags.DEFINE_string("input", None, "Reads this file alone.")


def in_mb(field):
    """Returns a field of this process' memory: VmHWM, the most it held, or VmSize."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status: expected {field}")


def main(_):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Libraries print what they like; events alone go to what was stdout.
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def tell(**event):
        events.write(json.dumps(event) + "\n")

    name, target = ONLY.value, TARGETS[ONLY.value]
    seeds = target.seeds()
    with tempfile.TemporaryDirectory() as folder:
        read = target.reader(pathlib.Path(folder))
        if INPUT.value:
            content = pathlib.Path(INPUT.value).read_bytes()
            events.write(outcome_of(read, content, target.refusals, target.names) + "\n")
            return
        for seed in seeds:
            outcome_of(read, seed, target.refusals, target.names)
        tell(start_mb=in_mb("VmHWM"))
        most = int((in_mb("VmSize") + MEMORY_MB.value) * 2**20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        for index in range(FIRST.value, LAST.value):
            rng = random.Random(f"{SEED.value}-{name}-{index}")
            content = mutated(seeds, target.mutations, target.tokens, rng)
            tell(begun=index)
            start = time.perf_counter()
            try:
                event = {"outcome": outcome_of(read, content, target.refusals, target.names)}
            except Exception:  # noqa: BLE001 -- any other error is what is looked for
                event = {"index": index, "error": traceback.format_exc()}
            tell(took_s=time.perf_counter() - start, peak_mb=in_mb("VmHWM"), **event)


if __name__ == "__main__":
    sys.exit(app.run(main))
