"""A process of tfcovid.feed: asked from within its own process, the service may block itself."""

import signal
import subprocess
import sys

from tests.conftest import ROOT

ENDS_WITHIN_S = 60


class Feed:
    """A process of tfcovid.feed, and its address."""

    def __init__(self, port=0):
        command = [sys.executable, "-m", "tfcovid.feed", f"--port={port}"]
        self.process = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        self.address = line.split("--data_service=")[1].split()[0]

    def told(self, number=signal.SIGTERM):
        """Sends a signal; returns the exit code and what was said after the start."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=ENDS_WITHIN_S)
        return self.process.returncode, said
