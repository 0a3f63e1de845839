"""A run from its Config to its report."""

import dataclasses
import datetime
import itertools
import pathlib

from flags import choices
from flags.config import Config
from flags.distribution_flags import Sharing
from flags.resume_flags import Keeping
from tfcovid.console import open_console, say
from tfcovid.data.sources.readers import recognise
from tfcovid.experiment.classifiers.asked import Asked
from tfcovid.experiment.decisions import check_operating_class
from tfcovid.experiment.feeding import open_feeds
from tfcovid.experiment.folds import fold_files, run_folds
from tfcovid.experiment.inputs import choose_preprocessing, prepare_data
from tfcovid.experiment.kinds import kind_of
from tfcovid.experiment.network_run import run_network
from tfcovid.experiment.pretrained import find_start
from tfcovid.experiment.resumed import (
    alone_in,
    is_begun,
    refuse_other,
    refuse_other_images,
    write_finished,
)
from tfcovid.experiment.sharing import (
    help_training,
    losing_workers,
    open_workers,
    refuse_others,
)
from tfcovid.training import run_record, runtime


def run(
    config: Config, keeping: Keeping | None = None, sharing: Sharing | None = None
) -> pathlib.Path:
    """Trains, scores, exports and reports; returns the run's folder.

    The folder is made when the data has been read and checked, so that a
    mistake in the data leaves nothing behind.

    Args:
      config: what is asked for.
      keeping: whether a run that is there is gone on with, and how often a training is kept.
      sharing: what shares the training, and what makes its batches.

    Raises:
      ValueError: for a mistake in the flags or the data.
      OSError: if a file cannot be read or written.
      FloatingPointError: if the loss is no longer finite.
      TerminatedError: if SIGTERM came.
    """
    console, keeping, sharing = open_console(), keeping or Keeping(), sharing or Sharing()
    config = settle(config)
    # Before anything is computed: TensorFlow's collective operations want to be first.
    workers = open_workers(config, sharing, console)
    wanted = config.run.workdir or default_workdir(config)
    begun = keeping.goes_on and is_begun(wanted)
    ended = (run_record.RunFolder(wanted).finished, run_record.RunFolder(wanted).trained)
    trained = begun and any(file.is_file() for file in ended)
    feeds = () if trained else open_feeds(config, sharing, console)
    if begun:
        refuse_other(config, run_record.RunFolder(wanted))
    elif workers.is_chief:
        free = free_name(wanted, numbered=config.run.workdir is None)
        run_record.RunFolder(free).refuse_if_used()
    machine = runtime.configure(seed=config.run.seed, precision=config.training.precision.value)
    say(console, f"{', '.join(machine.devices)}; {machine.precision}: {machine.reason}")
    start = find_start(config, console)
    preprocessing = choose_preprocessing(config, start)
    dataset = prepare_data(config, preprocessing, console, workers=workers)
    check_operating_class(config, dataset)

    asked = Asked(
        config,
        dataset,
        preprocessing,
        start,
        machine,
        keeping,
        workers,
        sharing.sync_batch_norm,
        feeds,
    )
    with losing_workers(workers), dataset.images.in_use():
        refuse_others(asked)
        if not workers.is_chief:
            if not workers.any_says(False):  # worker 1 says whether it is finished
                help_training(asked, wanted, console)
            workers.any_says(False)  # until worker 1 has written everything
            return wanted
    if begun:
        folder = run_record.RunFolder(wanted)
        refuse_other_images(dataset, folder, split=not config.data.every_fold)
    else:
        folder = claim_folder(wanted, numbered=config.run.workdir is None)
    with alone_in(folder.path), losing_workers(workers), dataset.images.in_use():
        if workers.any_says(folder.finished.is_file()):
            say(console, "finished before: nothing to do")
        else:
            (run_folds if config.data.every_fold else run_network)(asked, folder, console)
            write_finished(folder)
        workers.any_says(False)  # the others wait: one that left would be taken for lost
    files = fold_files(folder) if config.data.every_fold else None
    show = kind_of(dataset.blocks).print_result
    show(console, run_record.read_json(folder.metrics), folder.path, files=files)
    return folder.path


def settle(config: Config) -> Config:
    """Returns the Config as the run's record should have it: what was open decided.

    The data set's kind is named, and paths are absolute, so that the run can be
    scored and run again from anywhere.
    """
    sources, data, model = config.sources, config.data, config.model
    kind = sources.data
    if kind is None and sources.data_dir is not None:
        kind = choices.Data(recognise(sources.data_dir))
    extra = tuple(
        f"{kind or recognise(folder, 'extra_data_dir')}:{folder.absolute()}"
        for kind, folder in sources.places()
    )
    return dataclasses.replace(
        config,
        sources=dataclasses.replace(
            sources,
            data=kind,
            data_dir=absolute(sources.data_dir),
            extra_data_dir=extra,
            patients=absolute(sources.patients),
            table=absolute(sources.table),
            patient_key=absolute(sources.patient_key),
        ),
        data=dataclasses.replace(
            data, manifest=absolute(data.manifest), lung_masks=absolute(data.lung_masks)
        ),
        model=dataclasses.replace(
            model,
            weights=absolute_weights(model.weights),
            member_weights=tuple(path.absolute() for path in model.member_weights),
        ),
    )


def absolute(path: pathlib.Path | None) -> pathlib.Path | None:
    """Returns the path from the root, or None where there is none."""
    return None if path is None else path.absolute()


def absolute_weights(
    weights: choices.PublishedWeights | choices.SystemWeights | pathlib.Path | None,
) -> choices.PublishedWeights | choices.SystemWeights | pathlib.Path | None:
    """Returns a file's path from the root; weights that have a name keep it."""
    return weights.absolute() if isinstance(weights, pathlib.Path) else weights


def default_workdir(config: Config) -> pathlib.Path:
    """Returns runs/<UTC time>-<task>-<loss>."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return pathlib.Path("runs") / f"{now}-{config.data.task}-{config.loss.loss}"


def claim_folder(wanted: pathlib.Path, *, numbered: bool) -> run_record.RunFolder:
    """Makes the run's folder, which is then this run's alone, and returns it.

    Args:
      wanted: where it should be.
      numbered: whether a taken name gets -2, -3 … behind it, as runs that begin
        within one second need.

    Raises:
      ValueError: if the folder is taken and numbered is False.
    """
    folder = run_record.RunFolder(free_name(wanted, numbered=numbered))
    folder.create()
    return folder


def free_name(wanted: pathlib.Path, *, numbered: bool) -> pathlib.Path:
    """Returns the wanted folder, or where `numbered` the first of it, -2, -3 … that is free."""
    path = wanted
    for number in itertools.count(2):
        if not (numbered and path.exists()):
            break
        path = wanted.with_name(f"{wanted.name}-{number}")
    return path
