"""The other end of `benchmarks/torch_peer.py`: a peer in a process of its own."""

import contextlib
import json
import os
import pathlib
import subprocess
import tempfile

from benchmarks.failing import last_words

SCRIPT = pathlib.Path(__file__).with_name("torch_peer.py")


class PeerError(RuntimeError):
    """The peer could not do what it was asked for, or is gone; the message says why."""


class PeerProcess:
    """A child process that answers requests, a line of JSON each.

    Args:
      command: of the child.
      threads: what OpenMP and the peer itself are told to use, or None for their own choice.

    Raises:
      PeerError: if the command cannot be started.
    """

    def __init__(self, command, threads=None):
        shared = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
        # What it warns of is its own; its last words are asked for only where it ends.
        self._said = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 -- see close
        try:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                text=True,
                env={**os.environ, **shared},
            )
        except OSError as error:
            self._said.close()
            raise PeerError(f"{command[0]}: {error.strerror}") from error

    @property
    def pid(self):
        """Returns the id of the child."""
        return self._process.pid

    def ask(self, do, **request):
        """Returns the answer.

        Raises:
          PeerError: if the peer refuses, or has ended.
        """
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = self._process.wait()
            self._said.seek(0)
            raise PeerError(
                f"{do}: the peer ended with exit code {code}: {last_words(self._said.read())}"
            )
        told = json.loads(line)
        if "error" in told:
            raise PeerError(f"{do}: {told['error']}")
        return told["answer"]

    def close(self):
        """Ends the child: its requests end."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()
        self._said.close()


@contextlib.contextmanager
def torch_peer(python, threads, clock="wall"):
    """Gives the PyTorch peer, run by the Python of its environment."""
    peer = PeerProcess([python, SCRIPT, f"--threads={threads}", f"--clock={clock}"], threads)
    try:
        yield peer
    finally:
        peer.close()
