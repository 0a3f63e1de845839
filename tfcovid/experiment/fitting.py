"""The training of a run: its phases, one after the other."""

import dataclasses
import functools

import keras
import numpy as np
import pandas as pd
import rich.console

from flags.config import AugmentationConfig, Config
from tfcovid import termination
from tfcovid.console import say
from tfcovid.data.blocks import is_single_label
from tfcovid.data.dataset import Dataset
from tfcovid.data.manifest import write_csv
from tfcovid.data.pipeline import steps_per_epoch
from tfcovid.experiment.classifiers.asked import Asked
from tfcovid.experiment.divergence import told
from tfcovid.experiment.features_once import on_features
from tfcovid.experiment.feeding import watched
from tfcovid.experiment.heads import head_of
from tfcovid.experiment.streams import augmented_sample, split_dataset, training_stream
from tfcovid.report.plots import confusion_matrix_figure, figure_to_rgb
from tfcovid.training import run_record
from tfcovid.training.callbacks import merge_histories
from tfcovid.training.checkpointing import BestModel
from tfcovid.training.divergence import DivergedError
from tfcovid.training.phases import Material, Phase, TrainingPlan, plan_phases, run_phase
from tfcovid.training.resuming import Keeper, StoppedTrainingError, read_together
from tfcovid.training.snapshots import Snapshots
from tfcovid.whole_file import sha256_of


def train(
    asked: Asked, model: keras.Model, folder: run_record.RunFolder, console: rich.console.Console
) -> BestModel:
    """Trains all phases; leaves the best model and the history in the folder.

    What an earlier process left there is gone on with: its last snapshot, or all of it.

    Args:
      asked: to what and how.
      model: the classifier, with its initial weights.
      folder: made already.
      console: for progress.

    Returns:
      The keeper of the best model: it says of which phase and epoch that is.

    Raises:
      FloatingPointError: if loss or weights are no longer finite; diverged.json says on which
        images, and which model is the last good one.
      TerminatedError: if SIGTERM came; a snapshot is there then.
    """
    workers = asked.workers
    if workers.is_chief:
        folder.diverged.unlink(missing_ok=True)
    snapshots = Snapshots(folder.best_model.parent)
    best = BestModel(folder.best_model, snapshots, writes=workers.is_chief)
    if workers.any_says(workers.is_chief and is_trained(folder, console)):
        best.go_on(run_record.read_json(folder.trained))
        say(console, f"trained before; {best.describe()}")
        return best
    plan = training_plan(asked)
    kept = read_together(snapshots, workers, functools.partial(say, console))
    if kept is not None:
        say(console, f"going on from a snapshot: {kept.in_words()}")
    try:
        with watched(asked.feeds), termination.deferred() as stop_is_asked:
            keeper = Keeper(
                snapshots,
                steps=plan.steps_per_epoch,
                every_s=asked.keeping.every_s,
                stop_is_asked=stop_is_asked,
                workers=workers,
            )
            material = training_material(asked, folder, plan, console)
            for number, phase in enumerate(phases_of(asked.config)):
                at = kept if kept is not None and kept.place.phase == number else None
                if kept is None or number >= kept.place.phase:
                    own = material_of(phase, asked, model, material, console)
                    run_phase(model, phase, plan, own, best=best, keeper=keeper, kept=at)
    except StoppedTrainingError:
        raise termination.TerminatedError from None
    except DivergedError as error:
        line = told(error, asked, folder, best, snapshots) if workers.is_chief else str(error)
        raise FloatingPointError(line) from error
    if workers.is_chief:
        finish(best, keeper, snapshots, folder, console)
    return best


def finish(
    best: BestModel,
    keeper: Keeper,
    snapshots: Snapshots,
    folder: run_record.RunFolder,
    console: rich.console.Console,
) -> None:
    """Leaves the best model and the history of a training that is over, and no snapshots."""
    best.settle()
    say(console, best.describe())
    write_csv(pd.DataFrame(merge_histories(keeper.histories)), folder.history)
    digest = sha256_of(folder.best_model)
    run_record.write_json(folder.trained, best.progress() | {"sha256": digest})
    snapshots.clear()
    best.remove_all()


def is_trained(folder: run_record.RunFolder, console: rich.console.Console) -> bool:
    """Returns whether an earlier process has ended the training, and its model is whole."""
    if not folder.trained.is_file():
        return False
    written = run_record.read_json(folder.trained)["sha256"]
    if folder.best_model.is_file() and sha256_of(folder.best_model) == written:
        return True
    say(console, f"{folder.best_model}: damaged, it is not what was written; training it anew")
    return False


def training_plan(asked: Asked) -> TrainingPlan:
    """Returns what all phases share."""
    settings, dataset = asked.config.training, asked.dataset
    return TrainingPlan(
        loss=head_of(dataset).loss(asked.config, dataset),
        num_classes=len(dataset.classes),
        blocks=label_blocks(dataset),
        batch_size=settings.batch_size,
        steps_per_epoch=steps_per_epoch(len(dataset.rows("train")), settings.batch_size),
        weight_decay=settings.weight_decay,
        schedule=settings.schedule.value,
        warmup_epochs=settings.warmup_epochs,
        patience=settings.patience,
        precision=asked.machine.precision,
        initial_loss_scale=settings.initial_loss_scale,
        jit_compile=asked.machine.jit_compile,
    )


def phases_of(config: Config) -> tuple[Phase, ...]:
    """Returns the phases that a config asks for."""
    settings = config.training
    return plan_phases(
        pretrained=config.model.weights is not None,
        head_epochs=settings.head_epochs,
        epochs=settings.epochs,
        head_learning_rate=settings.head_learning_rate,
        learning_rate=settings.learning_rate,
    )


def training_material(
    asked: Asked, folder: run_record.RunFolder, plan: TrainingPlan, console: rich.console.Console
) -> Material:
    """Returns what all phases work on."""
    config, dataset, preprocessing = asked.config, asked.dataset, asked.preprocessing
    workers = asked.workers

    def draw_confusion(matrix: np.ndarray) -> np.ndarray:
        return figure_to_rgb(confusion_matrix_figure(matrix, dataset.classes, "validation"))

    return Material(
        stream=functools.partial(
            training_stream, config, dataset, preprocessing, workers=workers, feeds=asked.feeds
        ),
        validation=split_dataset(dataset, "validation", preprocessing, workers=workers),
        board_folder=folder.tensorboard,
        augmented=augmented_sample(config, dataset, preprocessing),
        draw_confusion=None if plan.blocks else draw_confusion,
        console=console,
        workers=workers,
    )


def material_of(
    phase: Phase,
    asked: Asked,
    model: keras.Model,
    material: Material,
    console: rich.console.Console,
) -> Material:
    """Returns what a phase works on: features in phase 1 where its images are not augmented."""
    if phase.train_backbone or asked.config.training.head_augment:
        return material
    model.get_layer("backbone").trainable = False
    plain = functools.partial(
        training_stream,
        without_augmentation(asked.config),
        asked.dataset,
        asked.preprocessing,
        workers=asked.workers,
        feeds=asked.feeds,
    )
    return on_features(asked, model, dataclasses.replace(material, stream=plain), console)


def without_augmentation(config: Config) -> Config:
    """Returns the same config with images as they are."""
    still = AugmentationConfig(
        rotation_degrees=0, translation=0, zoom=0, brightness=0, contrast=0, move_share=0
    )
    return dataclasses.replace(config, augmentation=still)


def label_blocks(dataset: Dataset) -> tuple[tuple[int, bool], ...]:
    """Returns size and exclusiveness of each block; none where an image has one class."""
    if is_single_label(dataset.blocks):
        return ()
    return tuple((len(block.outputs), block.exclusive) for block in dataset.blocks)
