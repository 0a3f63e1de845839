"""What a finished run left: its files, its Config and its task."""

import dataclasses
import pathlib
from typing import Any

from flags import config_json
from flags.config import Config
from tfcovid.data.tasks import TaskLabels, task_labels_of
from tfcovid.training import run_record


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """A run with one network, or one ensemble, that can classify new images.

    Attributes:
      folder: its files.
      config: what was asked of it.
      metrics: the content of metrics.json.
      task_labels: its task.
    """

    folder: run_record.RunFolder
    config: Config
    metrics: dict[str, Any]
    task_labels: TaskLabels


def finished_run(workdir: pathlib.Path) -> FinishedRun:
    """Returns a finished run.

    Args:
      workdir: its folder.

    Raises:
      ValueError: if the folder holds no finished run, one of several folds, or one that sees images
        through masks, which new images have not.
    """
    folder = run_record.RunFolder(workdir)
    if not folder.metrics.is_file():
        raise ValueError(
            f"--workdir={workdir}: expected the folder of a finished run, found no metrics.json"
        )
    metrics = run_record.read_json(folder.metrics)
    with run_record.as_a_run_writes(folder.metrics):
        folded, task = "folds" in metrics, metrics["task"]
    if folded:
        raise ValueError(
            f"--workdir={workdir}: a cross-validation has a model for each fold; expected one of "
            f"{workdir / 'fold-0'} and the others"
        )
    classes = run_record.read_json(folder.labels)
    with run_record.as_a_run_writes(folder.config):
        config = config_json.from_dict(run_record.read_json(folder.config))
    if config.data.lung_masks is not None:
        raise ValueError(
            f"--workdir={workdir}: this run sees images through --lung_masks and has no SavedModel "
            "that could score others; its figures are in metrics.json"
        )
    with run_record.as_a_run_writes(folder.metrics):
        task_labels = task_labels_of(task, classes)
    if list(task_labels.classes) != classes:
        raise ValueError(
            f"{folder.labels}: expected the classes of the task {task_labels.name}, "
            f"{', '.join(task_labels.classes)}; take the run's own file"
        )
    return FinishedRun(folder, config, metrics, task_labels)
