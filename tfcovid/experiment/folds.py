"""A cross-validation: a network a fold, and the score of all images, each tested once.

RUN/fold-N is a whole run, as --fold=N makes it. RUN itself holds what is pooled: every image's
prediction by the network that has not seen it, decided by that network's own rule.
"""

import dataclasses
import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import rich.console
from sklearn.metrics import roc_auc_score

from tfcovid.console import say
from tfcovid.data.manifest import write_csv
from tfcovid.data.split import TEST, kfold_split
from tfcovid.experiment.classifiers.asked import Asked
from tfcovid.experiment.inputs import describe_split
from tfcovid.experiment.network_run import run_network, write_record
from tfcovid.experiment.page import write_page
from tfcovid.experiment.scoring import Predicted, metrics_of
from tfcovid.metrics.decision import ChosenRule, positive_class
from tfcovid.training import run_record, runtime
from tfcovid.training.run_record import RunFolder

HOW = (
    "each image is decided by the one network that was not trained on its fold, calibrated and "
    "with the threshold chosen on that network's own validation split"
)


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
    write_record(dataclasses.replace(asked, dataset=whole), folder)
    predicted, chosen = [], []
    for fold in range(count):
        say(console, f"fold {fold}, {fold + 1} of {count}")
        of_fold = asked_of_fold(asked, fold)
        for line in describe_split(of_fold.dataset):
            say(console, line)
        # As at the start of a run of this fold alone.
        runtime.configure(seed=config.run.seed, precision=config.training.precision.value)
        own = fold_folder(folder, fold)
        own.create()
        found, rule = run_network(of_fold, own, console)
        predicted.append(found)
        chosen.append(rule)
    pooled, folds = in_order(predicted, whole.frame)
    classes = whole.classes
    notes = [
        *whole.notes,
        *(f"fold {k}: {doubt}" for k, rule in enumerate(chosen) for doubt in rule.doubts),
        auroc_note(predicted, classes),
    ]
    metrics = metrics_of(config, pooled, classes, notes) | {"folds": count}
    write_csv(pooled.table(classes).assign(fold=folds), folder.predictions)
    if len(pooled.controls.columns):
        write_csv(pooled.controls, folder.control_predictions)
    if pooled.members is not None:
        write_csv(pooled.members, folder.member_predictions)
    positive = positive_class(classes, config.decision.operating_class)
    run_record.write_json(folder.decision, decision_record(chosen, positive))
    run_record.write_json(folder.metrics, metrics)
    write_page(folder, whole, folds=[fold_entry(folder, k) for k in range(count)])
    folder.best_model.parent.rmdir()  # no model of all folds


def auroc_note(predicted: Sequence[Predicted], classes: Sequence[str]) -> str:
    """Returns the mean of the folds' own AUROCs: the pooled one ranks several networks' outputs."""
    means = []
    for index, name in enumerate(classes):
        of_folds = [
            roc_auc_score(p.labels == index, p.probs[:, index])
            for p in predicted
            if 0 < (p.labels == index).sum() < len(p.labels)
        ]
        if of_folds:
            means.append(f"{name} {np.mean(of_folds):.3f}")
    return (
        "An AUROC over all folds ranks the probabilities of several networks together, which may "
        f"lie on unlike scales; the mean within the folds is {', '.join(means)}."
    )


def fold_folder(folder: RunFolder, fold: int) -> RunFolder:
    """Returns the folder of a fold's own run."""
    return RunFolder(folder.path / f"fold-{fold}")


def asked_of_fold(asked: Asked, fold: int) -> Asked:
    """Returns what is asked of one fold's network."""
    config, dataset = asked.config, asked.dataset
    split = kfold_split(
        dataset.frame,
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
    pooled = Predicted(
        part=part.iloc[place],
        labels=joined("labels"),
        raw=joined("raw"),
        probs=joined("probs"),
        decisions=joined("decisions"),
        # A control that a fold could not have is not there for all images.
        controls=pd.concat([p.controls for p in predicted], join="inner").iloc[place],
        members=pd.concat(members).iloc[place] if members else None,
    )
    return pooled, folds[place]


def decision_record(chosen: Sequence[ChosenRule], positive: str) -> dict[str, Any]:
    """Returns the content of decision.json: the rule of each fold."""
    return {
        "how": HOW,
        "operating_point": {"class": positive},
        "chosen_on": {"split": "validation"},
        "folds": [rule.record for rule in chosen],
    }


def fold_entry(folder: RunFolder, fold: int) -> dict[str, Any]:
    """Returns what the page says of a fold."""
    own = fold_folder(folder, fold)
    metrics, decision = (run_record.read_json(path) for path in (own.metrics, own.decision))
    return {
        "fold": fold,
        "page": f"{own.path.name}/{own.report.name}",
        "n_images": metrics["n_images"],
        "n_patients": metrics["n_patients"],
        "balanced_accuracy": metrics["balanced_accuracy"],
        "interval": metrics["intervals"].get("balanced_accuracy"),
        "temperature": decision["temperature"],
        "rule": decision["rule"],
        "thresholds": decision["thresholds"],
    }


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
