"""A pipeline in a process of its own, killed while half of its shards are there."""

import signal
import subprocess
import sys
import threading

from tests.conftest import ROOT


def killed_halfway(script, *args, shards):
    """Runs Python text, which prints the number of shards done, and kills it with SIGKILL.

    Args:
      script: makes `shards` shards, of which it must keep one from being finished: what is killed
        was then at work, however fast the machine.
      args: of the script.
      shards: number of shards.
    """
    with subprocess.Popen(
        [sys.executable, "-c", script, *args], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        hung = threading.Timer(120, process.kill)
        hung.start()
        try:
            done = 0
            while done < shards // 2:
                line = process.stdout.readline()
                assert line, "the run ended by itself, or hung for two minutes"
                done = int(line)
        finally:
            hung.cancel()
        assert process.poll() is None
        process.kill()
        assert process.wait() == -signal.SIGKILL
