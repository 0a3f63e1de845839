import subprocess
import sys

from tests.conftest import ROOT

# A command that is interrupted inside a destructor, where Python only reports the exception.
INTERRUPTED = """
import signal, time

# A process that is started in the background may have been told to ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

from tfcovid.entry import run_command

class Noisy:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def command(argv):
    noisy = Noisy()
    del noisy
    time.sleep(20)

run_command(command)
"""


def test_interrupt_that_falls_into_a_destructor_still_ends_the_command():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert done.stderr.startswith("error: stopped by Ctrl-C")
    assert done.stderr.count("\n") == 1
