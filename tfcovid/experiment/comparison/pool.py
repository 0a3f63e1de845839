"""The images of a comparison: read and decoded once, split once, for all its tasks and settings."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
import rich.console

from flags import choices, compare_choices
from flags.compare_config import CompareConfig
from flags.config import Config
from tfcovid.console import say
from tfcovid.data.copies.merging import kept_of_copies
from tfcovid.data.dataset import Dataset
from tfcovid.data.manifest import Manifest, source_notes
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.sources.reading import TEXT, Reading
from tfcovid.data.split import SPLITS, TEST, kfold_split, official_split, split_by_group
from tfcovid.data.tasks import TASK_LABELS, TaskLabels
from tfcovid.data.uncropped import uncropped_by_class
from tfcovid.experiment.inputs import describe_split, load_asked_for, read_data_sets

MAIN, MERGED = "main", "merged"


@dataclasses.dataclass(frozen=True)
class Part:
    """What one task, setting and fold uses.

    Attributes:
      dataset: its images, with their split and the labels of the task.
      rows: where they stand among the images of the comparison, int64 [n].
    """

    dataset: Dataset
    rows: np.ndarray


@dataclasses.dataclass(frozen=True)
class Pool:
    """All images of a comparison.

    Attributes:
      reading: where they are from.
      dataset: every image that any task uses; its label names the class in each task.
      labels: of each task the class names text [n], missing where the task has none.
      is_main: whether the main data set holds the picture, bool [n].
      splits: of each fold "train", "validation" or "test", text [n]; one fold but for kfold.
    """

    reading: Reading
    dataset: Dataset
    labels: dict[str, pd.Series]
    is_main: np.ndarray
    splits: tuple[pd.Series, ...]

    def part(self, task: str, setting: str, fold: int = 0) -> Part:
        """Returns the images that cells of a task and setting train and are tested on.

        Both settings are tested on the same images of the main data set; images that only the
        further data sets hold are trained on and chosen on in `with`, and never tested.
        """
        split, label = self.splits[fold], self.labels[task]
        used = self.is_main | (
            (split != TEST).to_numpy(bool) & (setting == compare_choices.Setting.WITH)
        )
        rows = np.flatnonzero(used & label.notna().to_numpy(bool))
        classes = TASK_LABELS[task].classes
        frame = self.dataset.frame.iloc[rows].assign(
            label=label.iloc[rows],
            split=split.iloc[rows],
            fold=pd.array([fold if len(self.splits) > 1 else pd.NA] * len(rows), "Int64"),
        )
        dataset = dataclasses.replace(
            self.dataset,
            classes=classes,
            frame=frame.reset_index(drop=True),
            labels=frame["label"].map(classes.index).to_numpy(np.int32),
            image_index=self.dataset.image_index[rows],
        )
        return Part(dataset, rows)

    @property
    def tested(self) -> np.ndarray:
        """Which images any fold tests, bool [n]."""
        in_test = np.any([split == TEST for split in self.splits], axis=0)
        return in_test & self.is_main


def load_pool(config: Config, comparison: CompareConfig, console: rich.console.Console) -> Pool:
    """Returns the images, read, checked, decoded and split, and says what was found.

    The split is made once, over the merged data and all tasks: stratified by the class in each
    task, the source, and whether the main data set holds the image.

    Raises:
      ValueError: for a mistake in the data, or where a class of a task is missing in a split.
    """
    data = config.data
    kinds, reading = read_data_sets(config, console)
    tasks = [TASK_LABELS[task] for task in comparison.tasks]
    together, members = joint_labels(tasks)
    dataset = load_asked_for(
        config,
        reading,
        _of_found(together, reading.rows["finding"]),
        assign_split=_with_official,
        preprocessing=Preprocessing(
            data.image_size, view=data.view.value, chain=data.preprocessing.value
        ),
        drawn=kinds[0] == "synthetic",
        console=console,
    )
    is_main = in_main_data(dataset, reading.root, config.sources.data_dir)
    joint = dataset.frame["label"]
    labels = {task.name: joint.map(members[task.name]) for task in tasks}
    whole = dataset.images.uncropped[dataset.image_index]
    # Notes on the classes of all tasks together would name classes that nobody knows.
    of_classes = {*source_notes(dataset.frame), *uncropped_by_class(joint, whole)}
    pool = Pool(
        reading=reading,
        dataset=dataclasses.replace(
            dataset, notes=tuple(n for n in dataset.notes if n not in of_classes)
        ),
        labels=labels,
        is_main=is_main,
        splits=tuple(_splits(config, dataset.frame, labels, is_main)),
    )
    _check_classes(pool, comparison)
    for note in pool.dataset.notes:
        say(console, f"note: {note}")
    for setting in comparison.settings:
        say(console, f"{comparison.tasks[-1]}, {setting}:")
        for line in describe_split(pool.part(comparison.tasks[-1], setting).dataset):
            say(console, f"  {line}")
    return pool


def joint_labels(tasks: Sequence[TaskLabels]) -> tuple[TaskLabels, dict[str, dict[str, str]]]:
    """Returns a task with a class for each combination of the tasks' classes.

    Args:
      tasks: of findings.

    Returns:
      The task, and of each of the tasks its class by the class of this one.
    """
    findings = dict.fromkeys(finding for task in tasks for finding in task.class_of)
    class_of = {}
    members: dict[str, dict[str, str]] = {task.name: {} for task in tasks}
    for finding in findings:
        name = " | ".join(
            dict.fromkeys(f"{task.class_of.get(finding, f'no {task.name}')}" for task in tasks)
        )
        class_of[finding] = name
        for task in tasks:
            if finding in task.class_of:
                members[task.name][name] = task.class_of[finding]
    return _task("+".join(task.name for task in tasks), class_of), members


def _task(name: str, class_of: dict[str, str]) -> TaskLabels:
    classes = tuple(dict.fromkeys(class_of.values()))
    return TaskLabels(
        name=name,
        classes=classes,
        class_of=class_of,
        positive=classes[1] if len(classes) == 2 else None,
    )


def _of_found(task: TaskLabels, findings: pd.Series) -> TaskLabels:
    """Returns the task without the classes that the data has no finding of."""
    found = set(findings.dropna())
    present = {task.class_of[finding] for finding in found if finding in task.class_of}
    return _task(task.name, {f: c for f, c in task.class_of.items() if c in present})


def _with_official(manifest: Manifest) -> pd.DataFrame:
    """Returns the frame with what a split needs; the split itself is made later, for all folds."""
    return manifest.frame.assign(split="train", official=manifest.official)


def in_main_data(dataset: Dataset, root: pathlib.Path, data_dir: pathlib.Path | None) -> np.ndarray:
    """Returns which pictures the main data set holds, itself or as a copy, bool [n].

    Args:
      dataset: of all data sets together.
      root: the folder that paths are relative to.
      data_dir: folder of the main data set; None for the synthetic sample.
    """
    if data_dir is None:
        return np.ones(len(dataset.frame), bool)
    below = data_dir.absolute().relative_to(root.absolute()).as_posix()
    prefix = "" if below == "." else f"{below}/"
    copies = dataset.rejected[dataset.rejected["path"].str.startswith(prefix)]
    held = dataset.frame["path"].str.startswith(prefix)
    return (held | dataset.frame["image"].isin(kept_of_copies(copies))).to_numpy(bool)


def _splits(
    config: Config, frame: pd.DataFrame, labels: dict[str, pd.Series], is_main: np.ndarray
) -> list[pd.Series]:
    """Returns the split of each fold."""
    data, seed = config.data, config.run.seed
    folds = data.folds if data.split is choices.Split.KFOLD else 1
    origin = pd.Series(np.where(is_main, f"{MAIN}\n", f"{MERGED}\n"), frame.index, dtype=TEXT)
    stratified = frame.assign(
        label=_strata(frame, labels, max(3, folds)),
        source=origin + frame["source"].fillna(""),
    )
    if data.split is choices.Split.OFFICIAL:
        classes = sorted(stratified["label"].unique())
        return [
            official_split(
                stratified,
                frame["official"],
                validation_fraction=data.validation_fraction,
                seed=seed,
                classes=classes,
            )
        ]
    if data.split is choices.Split.KFOLD:
        # A stratum of fewer groups than folds cannot be spread over them.
        stratified["source"] = _common_sources(stratified, folds)
        return [
            kfold_split(
                stratified,
                folds=folds,
                fold=fold,
                validation_fraction=data.validation_fraction,
                seed=seed,
            )["split"]
            for fold in range(folds)
        ]
    return [
        split_by_group(
            stratified,
            test_fraction=data.test_fraction,
            validation_fraction=data.validation_fraction,
            seed=seed,
        )
    ]


def _strata(frame: pd.DataFrame, labels: dict[str, pd.Series], fewest: int) -> pd.Series:
    """Returns the joint classes, those of too few groups counted to a like one.

    A like one has the same class in one of the tasks; of several the one with the most groups.
    """
    joint = frame["label"]
    groups = frame.groupby(joint)["group_id"].nunique()
    instead = {}
    for name in groups.index[groups < fewest]:
        for label in labels.values():
            like = label[joint == name].iloc[0]
            others = groups[groups.index.isin(joint[label == like]) & (groups.index != name)]
            if isinstance(like, str) and len(others) and others.max() >= fewest:
                instead[name] = others.idxmax()
                break
    return joint.replace(instead)


def _common_sources(frame: pd.DataFrame, fewest: int) -> pd.Series:
    """Returns the source, the commonest one of its class in place of one with too few groups."""
    groups = frame.groupby(["label", "source"])["group_id"].nunique()
    commonest = groups.groupby("label").idxmax().map(lambda place: place[1])
    own = pd.MultiIndex.from_frame(frame[["label", "source"]])
    few = (groups.reindex(own) < fewest).to_numpy()
    return frame["source"].mask(few, frame["label"].map(commonest))


def _check_classes(pool: Pool, comparison: CompareConfig) -> None:
    for task in comparison.tasks:
        for setting in comparison.settings:
            for fold in range(len(pool.splits)):
                frame = pool.part(task, setting, fold).dataset.frame
                for split in SPLITS:
                    here = set(frame.loc[frame["split"] == split, "label"])
                    absent = [name for name in TASK_LABELS[task].classes if name not in here]
                    if absent:
                        raise ValueError(
                            f"{task}, {setting}: expected every class in every split, {split} has "
                            f"no {', '.join(absent)} from --data_dir; choose other --tasks, "
                            "another --seed or --split"
                        )
