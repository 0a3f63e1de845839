"""What every command prints on: a console, plain lines, and a bar while something long goes on."""

import contextlib
from collections.abc import Callable, Iterator

import rich.console
import rich.progress

# Where the output is a file or a pipe: rich would wrap it at 80.
WIDTH_WITHOUT_TERMINAL = 100


def open_console() -> rich.console.Console:
    """Returns the console of a command: as wide as the terminal, or 100 columns."""
    console = rich.console.Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = WIDTH_WITHOUT_TERMINAL
    return console


def say(console: rich.console.Console, line: str) -> None:
    """Prints one line that the terminal may wrap, but that a file keeps whole."""
    console.print(line, soft_wrap=True)


@contextlib.contextmanager
def counting_bar(console: rich.console.Console, title: str) -> Iterator[Callable[[int, int], None]]:
    """Gives a function (done, in all) that moves a bar; the bar goes when the work is done.

    Args:
      console: where to print; nothing is shown where it is no terminal.
      title: what is going on.
    """
    with rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
