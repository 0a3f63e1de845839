"""What every command prints on: a console, plain lines, and a bar while something long goes on."""

import contextlib
from collections.abc import Callable, Iterator

import rich.console
import rich.progress
import rich.segment

from tfcovid.printable import printable

# Where the output is a file or a pipe: rich would wrap it at 80.
WIDTH_WITHOUT_TERMINAL = 100


def open_console() -> rich.console.Console:
    """Returns the console of a command: as wide as the terminal, or 100 columns."""
    console = rich.console.Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = WIDTH_WITHOUT_TERMINAL
    console.push_render_hook(_PrintableHook())
    return console


class _PrintableHook(rich.console.RenderHook):
    """Has whatever is printed, a file's name in a table too, hold visible characters alone."""

    def process_renderables(
        self, renderables: list[rich.console.ConsoleRenderable]
    ) -> list[rich.console.ConsoleRenderable]:
        return [_Printable(renderable) for renderable in renderables]


class _Printable:
    """What another renderable shows, its text made printable; rich's own colours are no text."""

    def __init__(self, renderable: rich.console.ConsoleRenderable):
        self._renderable = renderable

    def __rich_console__(
        self, console: rich.console.Console, options: rich.console.ConsoleOptions
    ) -> rich.console.RenderResult:
        for text, style, control in console.render(self._renderable, options):
            yield rich.segment.Segment(text if control else printable(text), style, control)


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
