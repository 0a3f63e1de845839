"""A cross-validation: a network a fold, and the score of all images, each tested once.

RUN/fold-N is a whole run, as --fold=N makes it. RUN itself holds what is pooled: every image's
prediction by the network that has not seen it, decided by that network's own rule.
"""

import dataclasses
import shlex
from collections.abc import Sequence

import numpy as np
import pandas as pd
import rich.console

from tfcovid.console import say
from tfcovid.data.manifest import write_csv
from tfcovid.data.split import TEST
from tfcovid.data.splitter import fold_split
from tfcovid.data.tasks import task_labels_of
from tfcovid.experiment.classifiers.asked import Asked
from tfcovid.experiment.inputs import describe_split
from tfcovid.experiment.kinds import kind_of
from tfcovid.experiment.network_run import run_network, write_record
from tfcovid.experiment.scoring import Predicted
from tfcovid.training import run_record, runtime
from tfcovid.training.run_record import RunFolder


def run_folds(asked: Asked, folder: RunFolder, console: rich.console.Console) -> None:
    """Trains a network for each fold and scores all of them together.

    Args:
      asked: on what and how; how its dataset is split is not read.
      folder: of the run, made already.
      console: for progress.
    """
    config, count = asked.config, asked.config.data.folds
    whole = dataclasses.replace(
        asked.dataset,
        frame=asked.dataset.frame.assign(split=TEST),  # in its turn, each image is
    )
    write_record(dataclasses.replace(asked, dataset=whole), folder, console)
    predicted, chosen = [], []
    for fold in range(count):
        say(console, f"fold {fold}, {fold + 1} of {count}")
        of_fold = asked_of_fold(asked, fold)
        for line in describe_split(of_fold.dataset):
            say(console, line)
        # As at the start of a run of this fold alone.
        runtime.configure(seed=config.run.seed, precision=config.training.precision.value)
        own = fold_folder(folder, fold)
        own.create(goes_on=asked.keeping.goes_on)
        found, rule = run_network(of_fold, own, console)
        predicted.append(found)
        chosen.append(rule)
    pooled, folds = in_order(predicted, whole.frame)
    kind = kind_of(whole.blocks)
    notes = [
        *whole.notes,
        *(f"fold {k}: {doubt}" for k, rule in enumerate(chosen) for doubt in rule.doubts),
        kind.pooling.note(predicted, whole),
    ]
    noted = dataclasses.replace(whole, notes=tuple(notes))
    metrics = kind.metrics_of(config, pooled, noted) | {"folds": count}
    write_csv(kind.table_of(pooled, whole).assign(fold=folds), folder.predictions)
    if len(pooled.controls.columns):
        write_csv(pooled.controls, folder.control_predictions)
    if pooled.members is not None:
        write_csv(pooled.members, folder.member_predictions)
    run_record.write_json(folder.decision, kind.pooling.record(chosen, config, whole))
    run_record.write_json(folder.metrics, metrics)
    entries = [kind.pooling.entry(fold_folder(folder, fold), fold) for fold in range(count)]
    kind.write_page(folder, whole, folds=entries)
    folder.best_model.parent.rmdir()  # no model of all folds


def fold_folder(folder: RunFolder, fold: int) -> RunFolder:
    """Returns the folder of a fold's own run."""
    return RunFolder(folder.path / f"fold-{fold}")


def asked_of_fold(asked: Asked, fold: int) -> Asked:
    """Returns what is asked of one fold's network."""
    config, dataset = asked.config, asked.dataset
    split = fold_split(
        dataset.frame,
        task_labels_of(config.data.task, dataset.classes),
        folds=config.data.folds,
        fold=fold,
        validation_fraction=config.data.validation_fraction,
        seed=config.run.seed,
    )
    return dataclasses.replace(
        asked,
        config=dataclasses.replace(config, data=dataclasses.replace(config.data, fold=fold)),
        dataset=dataclasses.replace(dataset, frame=dataset.frame.assign(**split)),
    )


def in_order(predicted: Sequence[Predicted], frame: pd.DataFrame) -> tuple[Predicted, np.ndarray]:
    """Returns the predictions of all folds in the order of a frame, and the fold of each image."""
    part = pd.concat([p.part for p in predicted])
    place = pd.Series(range(len(part)), part["image"])[frame["image"]].to_numpy()
    folds = np.repeat(range(len(predicted)), [len(p.labels) for p in predicted])

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(p, name) for p in predicted])[place]

    members = [p.members for p in predicted if p.members is not None]
    shares = [p.heat_shares for p in predicted if p.heat_shares is not None]
    pooled = Predicted(
        part=part.iloc[place],
        labels=joined("labels"),
        raw=joined("raw"),
        probs=joined("probs"),
        decisions=joined("decisions"),
        # A control that a fold could not have is not there for all images.
        controls=pd.concat([p.controls for p in predicted], join="inner").iloc[place],
        members=pd.concat(members).iloc[place] if members else None,
        heat_shares=np.concatenate(shares)[place] if shares else None,
    )
    return pooled, folds[place]


def fold_files(folder: RunFolder) -> dict[str, str]:
    """Returns where the files of a cross-validation are, and the commands that use them."""
    first = fold_folder(folder, 0)
    model = shlex.join(["python", "-m", "tfcovid.predict", f"--model={first.saved_model}"])
    return {
        "report": str(folder.report),
        "folds": str(folder.path / "fold-*"),
        "predict": f"{model} FILE...",
        "curves": shlex.join(["tensorboard", "--logdir", str(folder.path)]),
    }
