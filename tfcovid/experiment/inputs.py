"""What a run trains and is scored on, from its Config."""

import dataclasses
from collections.abc import Callable

import pandas as pd
import rich.console

from flags import choices
from flags.config import Config
from flags.source_config import pairs_of
from tfcovid.console import counting_bar, say
from tfcovid.data.dataset import Dataset, load_dataset
from tfcovid.data.manifest import Manifest
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.readers import cache_folder, read_sources
from tfcovid.data.sources.reading import Reading
from tfcovid.data.split import SPLITS
from tfcovid.data.splitter import splitter
from tfcovid.data.tasks import TaskLabels, task_labels_of
from tfcovid.experiment.pretrained import Start
from tfcovid.training.distribution import Workers

# Random weights expect nothing: gray values go to about -2 … 2, one channel. Chosen.
SCRATCH_CHANNELS, SCRATCH_MEAN, SCRATCH_STD = 1, 0.5, 0.25
EVALUATION_BATCH = 64


def choose_preprocessing(config: Config, start: Start) -> Preprocessing:
    """Returns what a network's weights expect of an image; random ones take the project's choice.

    An ensemble takes the gray values, of which each member makes its own input.

    Args:
      config: what is asked for.
      start: what the backbones start from.
    """
    data = config.data
    if config.model.ensemble:
        seen = Preprocessing(data.image_size, channels=1)
    elif config.model.backbone in start:
        seen = start[config.model.backbone].preprocessing
    else:
        seen = Preprocessing(
            data.image_size, channels=SCRATCH_CHANNELS, mean=(SCRATCH_MEAN,), std=(SCRATCH_STD,)
        )
    return dataclasses.replace(
        seen,
        image_size=data.image_size,
        view=data.view.value,
        chain=data.preprocessing.value,
    )


def prepare_data(
    config: Config,
    preprocessing: Preprocessing,
    console: rich.console.Console,
    *,
    workers: Workers | None = None,
) -> Dataset:
    """Returns the data set, read, checked, decoded and split, and says what was found.

    Args:
      config: what is asked for.
      preprocessing: makes the squares.
      console: for what was found.
      workers: who verify records together that are read in place.

    Raises:
      ValueError: if --cache is records and the data are image files; as `load_dataset`.
    """
    data = config.data
    kinds, reading = read_data_sets(config, console)
    if data.cache == "records" and "records" not in kinds:
        where = f"--data_dir={config.sources.data_dir}" if config.sources.data_dir else "the sample"
        raise ValueError(
            f"--cache=records: {where} is {', '.join(kinds)} (image files), not records of "
            "tfcovid.prepare; make them and name their folder, or choose auto, memory or disk"
        )
    task_labels = task_labels_of(data.task, reading.rows["source"].dropna())
    dataset = load_asked_for(
        config,
        reading,
        task_labels,
        assign_split=split_asked_for(config, task_labels),
        preprocessing=preprocessing,
        drawn=kinds[0] == "synthetic",
        console=console,
        workers=workers,
    )
    for note in dataset.notes:
        say(console, f"note: {note}")
    if not data.every_fold:
        for line in describe_split(dataset):
            say(console, line)
    say(console, f"images: {preprocessing.image_size} px; {dataset.images.choice}")
    say(console, f"input: {describe_input(preprocessing)}")
    return dataset


def load_asked_for(
    config: Config,
    reading: Reading,
    task_labels: TaskLabels,
    *,
    assign_split: Callable[[Manifest], pd.DataFrame],
    preprocessing: Preprocessing,
    drawn: bool,
    console: rich.console.Console,
    workers: Workers | None = None,
) -> Dataset:
    """Returns the images of a reading, checked, decoded and split as the flags ask.

    Args:
      config: what is asked for.
      reading: what the readers found.
      task_labels: the task.
      assign_split: fills the split of a manifest.
      preprocessing: makes the squares.
      drawn: whether it is the synthetic sample, of which each film is drawn once: there are no
        copies to look for.
      console: for the progress bars.
      workers: see `prepare_data`.
    """
    data, workers = config.data, workers or Workers()
    with (
        counting_bar(console, "checking files") as scanned,
        counting_bar(console, "decoding images") as decoded,
        counting_bar(console, "looking for copies") as compared,
    ):
        return load_dataset(
            reading,
            task_labels,
            assign_split=assign_split,
            preprocessing=preprocessing,
            cache=data.cache,
            cache_budget_mib=data.cache_budget_mib,
            cache_dir=cache_folder() / "images",
            on_bad_image=data.on_bad_image,
            max_set_aside=data.max_set_aside,
            max_pixels=data.max_pixels,
            num_parallel_calls=data.num_parallel_calls,
            lung_masks=data.lung_masks,
            copies="bytes" if drawn else data.copies,
            share=(workers.index, workers.count),
            keep_laterals=config.sources.lateral_views is choices.LateralViews.KEEP,
            scan_progress=scanned,
            decode_progress=decoded,
            copies_progress=compared,
        )


def read_data_sets(
    config: Config, console: rich.console.Console
) -> tuple[tuple[str, ...], Reading]:
    """Returns the kinds of the data sets that are asked for, and what their readers found."""
    sources = config.sources
    with counting_bar(console, "drawing the synthetic sample") as progress:
        kinds, reading = read_sources(
            sources.data,
            sources.data_dir,
            sources.places(),
            options=source_options(config),
            progress=progress,
        )
    say(console, f"data: {', '.join(kinds)} in {reading.root}")
    if kinds[0] == "synthetic":
        say(
            console,
            "      the embedded SYNTHETIC sample: drawn chest phantoms, no patients; "
            "--data_dir=DIR takes real X-rays",
        )
    return kinds, reading


def split_asked_for(config: Config, task_labels: TaskLabels) -> Callable[[Manifest], pd.DataFrame]:
    """Returns the function that fills the split of a manifest as the flags ask."""
    data = config.data
    return splitter(
        data.split,
        task_labels,
        manifest_file=data.manifest,
        test_fraction=data.test_fraction,
        validation_fraction=data.validation_fraction,
        folds=data.folds,
        fold=data.fold or 0,  # where each is tested in turn, `folds` makes the others
        held_out_source=data.held_out_source,
        seed=config.run.seed,
    )


def source_options(config: Config) -> SourceOptions:
    """Returns what the user says of the data sets, for the readers."""
    asked = config.sources
    return SourceOptions(
        patients=asked.patients,
        table=asked.table,
        columns=pairs_of(asked.columns, "columns"),
        patient_key=asked.patient_key,
        label_names=pairs_of(asked.label_names, "label_names"),
    )


def describe_input(preprocessing: Preprocessing) -> str:
    """Returns what the network sees of a gray value, in words."""
    mean, std = (", ".join(f"{v:g}" for v in x) for x in (preprocessing.mean, preprocessing.std))
    cropped = "cropped to the lungs; " if preprocessing.chain == "lung_crop" else ""
    return (
        f"{cropped}{preprocessing.channels} channel(s), black {preprocessing.low:g}, white "
        f"{preprocessing.high:g}, then mean {mean}, std {std}"
    )


def describe_split(dataset: Dataset) -> list[str]:
    """Returns a line for each split: images and patients of each class or finding."""
    lines = []
    for split in SPLITS:
        rows = dataset.rows(split)
        part, has = dataset.frame.iloc[rows], dataset.targets[rows] == 1
        counts = [
            f"{name} {has[:, index].sum()} "
            f"({part.loc[has[:, index], 'group_id'].nunique()} patients)"
            for index, name in enumerate(dataset.classes)
        ]
        lines.append(f"{split}: {len(part)} images: {', '.join(counts)}")
    return lines
