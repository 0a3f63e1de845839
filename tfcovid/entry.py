"""How every command starts and how it fails: one clear line, never a traceback."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence

from absl import app, logging

from flags import parse
from tfcovid.printable import one_line
from tfcovid.refused_by_system import in_words
from tfcovid.termination import EXIT_CODE, TerminatedError

RESEND_INTERRUPT_AFTER_S = 0.1


def run_command(command: Callable[[Sequence[str]], int | None]) -> None:
    """Runs a command under absl and leaves the process with its exit code.

    A user's mistake (ValueError), what the operating system refuses (a full disk, a file that is
    gone, no memory) and a loss that is no number (FloatingPointError) become one line
    on stderr and exit code 1. Anything else is a fault of this program and
    keeps its traceback. SIGTERM, where a command watches for it, is exit code 143.

    Args:
      command: does the work once the flags are parsed; takes what is left of argv, the
        program's name first, and returns the exit code, None for 0.
    """

    def main(argv: Sequence[str]) -> int:
        # TensorFlow notes through absl what it writes where; a warning still shows.
        logging.set_verbosity(logging.WARNING)
        try:
            return command(argv) or 0
        except (ValueError, FloatingPointError) as error:
            return fail(str(error))
        except KeyboardInterrupt:
            print(
                "error: stopped by Ctrl-C; what was begun stays unfinished",
                file=sys.stderr,
            )
            return 130
        except TerminatedError:
            print(
                "error: stopped by SIGTERM; the same command with --resume goes on",
                file=sys.stderr,
            )
            return EXIT_CODE
        except Exception as error:
            line = in_words(error)
            if line is None:
                raise
            return fail(line)

    sys.unraisablehook = pass_on_interrupt
    app.run(main, flags_parser=parse.flags_parser)


def fail(message: str) -> int:
    """Prints the line of an error and returns the exit code of a command that failed."""
    print(f"error: {one_line(message)}", file=sys.stderr)
    return 1


def pass_on_interrupt(lost: "sys.UnraisableHookArgs") -> None:
    """Sends a Ctrl-C that fell into a destructor, where Python would drop it, once more."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        # A moment later, and from another thread: raised in here it would be lost again.
        threading.Timer(RESEND_INTERRUPT_AFTER_S, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(lost)
