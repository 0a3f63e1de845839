"""What a person sees of an epoch while it goes on."""

import time

import keras
import rich.console
import rich.progress

from tfcovid.console import say

# Shown at the end of an epoch, in this order, where the logs have them.
EPOCH_FIGURES = (
    ("loss", "loss"),
    ("val_loss", "validation loss"),
    ("val_macro_log_loss", "macro log-loss"),
    ("val_balanced_accuracy", "balanced accuracy"),
    ("val_mean_auroc", "mean AUROC"),
)


class ProgressBar(keras.callbacks.Callback):
    """A bar with images per second during an epoch, and one line at its end.

    Where the output is no terminal only the lines are printed.

    Args:
      console: where to print.
      title: what the bar is called, such as "fine-tuning".
      batch_size: images a step, for the images per second.
      epochs: of the phase.
      steps: batches of an epoch.
    """

    def __init__(
        self, console: rich.console.Console, title: str, *, batch_size: int, epochs: int, steps: int
    ):
        super().__init__()
        self.console = console
        self.title = title
        self.batch_size = batch_size
        self.epochs = epochs
        self.steps = steps
        self.first_batch = 0
        self.bar: rich.progress.Progress | None = None

    def on_epoch_begin(self, epoch, logs=None):
        """Opens the bar of this epoch."""
        self.started_s = time.perf_counter()
        self.name = f"{self.title} {epoch + 1}/{self.epochs}"
        self.bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TextColumn("{task.fields[figures]}"),
            rich.progress.TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.bar.start()
        self.task = self.bar.add_task(self.name, total=self.steps, figures="")

    def on_train_batch_end(self, batch, logs=None):
        """Moves the bar."""
        if self.bar is None or self.bar.disable:
            return
        elapsed_s = time.perf_counter() - self.started_s
        speed = (batch + 1) * self.batch_size / elapsed_s
        figures = f"loss {float((logs or {})['loss']):.4f}  {speed:.0f} images/s"
        self.bar.update(self.task, completed=self.first_batch + batch + 1, figures=figures)

    def on_epoch_end(self, epoch, logs=None):
        """Closes the bar and prints the epoch's figures."""
        self.close()
        logs = logs or {}
        figures = [f"{label} {float(logs[key]):.4f}" for key, label in EPOCH_FIGURES if key in logs]
        elapsed_s = time.perf_counter() - self.started_s
        say(self.console, f"{self.name}  {'  '.join(figures)}  {elapsed_s:.0f} s")

    def on_train_end(self, logs=None):
        """Closes the bar if training stopped inside an epoch."""
        self.close()

    def close(self) -> None:
        """Gives the terminal back; safe to call when no bar is open."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
