"""Fits the members of an ensemble, each as a run of its own would, and puts them together."""

import dataclasses
import pathlib
from collections.abc import Callable

import keras
import numpy as np
import rich.console

from flags import choices
from flags.config import Config
from flags.members import Member
from tfcovid.console import say
from tfcovid.data.dataset import Dataset
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.classifiers.asked import Asked, Fitted
from tfcovid.experiment.classifiers.single import fit_single
from tfcovid.experiment.heads import build_loss
from tfcovid.experiment.imbalance import training_counts
from tfcovid.experiment.inputs import choose_preprocessing
from tfcovid.models.ensemble import MeanProbability, build_ensemble
from tfcovid.training import run_record, runtime
from tfcovid.training.combining import Combined, fit_member_weights, fit_stacking
from tfcovid.training.run_record import RunFolder
from tfcovid.whole_file import whole_file, write_text_whole

MEMBERS_FOLDER = "members"


def fit_ensemble(asked: Asked, folder: RunFolder, console: rich.console.Console) -> Fitted:
    """Fits every member into a folder of its own, and what makes one prediction of theirs.

    Args:
      asked: to what and how; its input is `choose_preprocessing`'s of an ensemble.
      folder: of the ensemble, made already.
      console: for progress.
    """
    config, members = asked.config, asked.config.model.ensemble
    check_combinable(config, asked.dataset)
    fitted: dict[str, Fitted] = {}
    for number, member in enumerate(members, start=1):
        say(console, f"member {number} of {len(members)}: {member.name}")
        own = RunFolder(member_folder(folder.path, member))
        own.create(goes_on=asked.keeping.goes_on)
        of_member = asked_of_member(asked, member)
        frozen = config.model.batch_norm is choices.BatchNorm.FROZEN
        if frozen and of_member.config.model.batch_norm is not choices.BatchNorm.FROZEN:
            say(console, "note: --batch_norm=frozen has no part in it: it starts at random")
        write_input(of_member, own)
        fitted[member.name] = fit_single(of_member, own, console)
    runtime.configure(seed=config.run.seed, precision=config.training.precision.value)
    combined = combine(
        config, asked.dataset, np.stack([one.on_validation for one in fitted.values()], axis=1)
    )
    model = build_ensemble(
        [one.model for one in fitted.values()],
        inputs=[gray_input(one.preprocessing) for one in fitted.values()],
        combine=combined.layer,
        image_size=asked.preprocessing.image_size,
    )
    if config.model.combines_balanced and combined.spread == 0:
        say(console, "note: validation gives no reason to weigh the members unlike: their mean")
    say(
        console,
        f"ensemble: {len(members)} members, {model.count_params():,} parameters, by "
        f"{config.model.combine}",
    )
    with whole_file(folder.best_model) as beside:
        model.save(beside)
    return Fitted(
        model=model,
        preprocessing=asked.preprocessing,
        on_validation=combined.on_validation,
        record={
            "members": {name: one.record for name, one in fitted.items()},
            "combined": {"by": config.model.combine.value, "spread": combined.spread}
            if config.model.combines_balanced
            else {"by": config.model.combine.value},
        },
        members=fitted,
    )


def write_input(asked: Asked, folder: RunFolder) -> None:
    """Writes what a single classifier expects of an image, and the contract that says so."""
    run_record.write_json(folder.preprocessing, asked.preprocessing.to_json())
    start = asked.start.get(asked.config.model.backbone)
    if start is not None and start.contract is not None:
        write_text_whole(folder.weights_contract, start.contract.read_text("utf-8"))


def member_folder(ensemble: pathlib.Path, member: Member) -> pathlib.Path:
    """Returns where a member of an ensemble lies in its run's folder."""
    return ensemble / MEMBERS_FOLDER / member.name


def asked_of_member(asked: Asked, member: Member) -> Asked:
    """Returns what is asked of one member: as of a run of its own.

    The first of several that are the same has the run's seed, each other one the next.
    """
    config = member_config(asked.config, member, pretrained=member.backbone in asked.start)
    return dataclasses.replace(
        asked,
        config=config,
        preprocessing=choose_preprocessing(config, asked.start),
        machine=runtime.configure(seed=config.run.seed, precision=config.training.precision.value),
    )


def member_config(config: Config, member: Member, *, pretrained: bool) -> Config:
    """Returns the Config of a member of an ensemble.

    Args:
      config: of the ensemble.
      member: which.
      pretrained: whether its backbone starts from weights; a head on random features is not
        trained first, and batch norm has no statistics to keep.
    """
    model, training = config.model, config.training
    return dataclasses.replace(
        config,
        model=dataclasses.replace(
            model,
            backbone=member.backbone,
            classifier=member.classifier,
            members=(),
            member_weights=(),
            combine=choices.Combine.SOFT_VOTE,
            weights=(model.weights or choices.SystemWeights.SYSTEM) if pretrained else None,
            batch_norm=model.batch_norm if pretrained else choices.BatchNorm.AUTO,
        ),
        training=training
        if pretrained
        else dataclasses.replace(training, head_epochs=0, head_augment=True),
        run=dataclasses.replace(config.run, seed=config.run.seed + member.repeat),
    )


def check_combinable(config: Config, dataset: Dataset) -> None:
    """Raises ValueError, before hours of training, if the members could not be put together.

    A fit on validation is cross-fitted by patient, for which each class needs two there.
    """
    if not config.model.combines_balanced:
        return
    labels, groups = _validation(dataset)
    for index, name in enumerate(dataset.classes):
        patients = np.unique(groups[labels == index]).size
        if patients < 2:
            raise ValueError(
                f"--combine={config.model.combine}: expected two patients of every class in the "
                f"validation split, {name} has {patients}; raise --validation_fraction, or take "
                f"--combine={choices.Combine.SOFT_VOTE}, which is not fitted"
            )


def combine(config: Config, dataset: Dataset, on_validation: np.ndarray) -> Combined:
    """Returns the layer that makes one prediction of the members', and what it says of validation.

    Args:
      config: of the ensemble.
      dataset: its validation split is what the layer is fitted to, where it is fitted.
      on_validation: logits of the members, float32 [n, members, num_outputs].
    """
    return _COMBINE[config.model.combine](config, dataset, on_validation)


def _soft_vote(config: Config, dataset: Dataset, on_validation: np.ndarray) -> Combined:
    del config, dataset
    layer = MeanProbability()
    return Combined(layer, keras.ops.convert_to_numpy(layer(on_validation)), spread=0.0)


def _stacking(config: Config, dataset: Dataset, on_validation: np.ndarray) -> Combined:
    labels, groups = _validation(dataset)
    return fit_stacking(on_validation, labels, groups, seed=config.run.seed)


def _member_weights(config: Config, dataset: Dataset, on_validation: np.ndarray) -> Combined:
    labels, groups = _validation(dataset)
    loss = build_loss(config, training_counts(dataset))
    return fit_member_weights(on_validation, labels, groups, loss=loss, seed=config.run.seed)


_COMBINE: dict[choices.Combine, Callable[[Config, Dataset, np.ndarray], Combined]] = {
    choices.Combine.SOFT_VOTE: _soft_vote,
    choices.Combine.STACKING: _stacking,
    choices.Combine.MEMBER_WEIGHTS: _member_weights,
}


def _validation(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    rows = dataset.rows("validation")
    return dataset.labels[rows], dataset.frame["group_id"].to_numpy()[rows]


def gray_input(preprocessing: Preprocessing) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns what a member's input is of a gray value in 0..1: factor and offset a channel."""
    channels = preprocessing.channels
    mean, std = (
        np.broadcast_to(np.asarray(values, np.float64), (channels,))
        for values in (preprocessing.mean, preprocessing.std)
    )
    scale = (preprocessing.high - preprocessing.low) / std
    offset = (preprocessing.low - mean) / std
    return tuple(scale.tolist()), tuple(offset.tolist())
