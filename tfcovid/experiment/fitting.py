"""The training of a run: its phases, one after the other."""

import keras
import pandas as pd
import rich.console

from flags.config import Config
from tfcovid.console import say
from tfcovid.data.blocks import is_single_label
from tfcovid.data.dataset import Dataset
from tfcovid.data.manifest import write_csv
from tfcovid.data.pipeline import steps_per_epoch
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.heads import head_of
from tfcovid.experiment.inputs import augmented_sample, split_dataset, training_stream
from tfcovid.report.plots import confusion_matrix_figure, figure_to_rgb
from tfcovid.training import run_record, runtime
from tfcovid.training.callbacks import merge_histories
from tfcovid.training.checkpointing import BestModel
from tfcovid.training.phases import TrainingPlan, plan_phases, run_phase


def train(
    config: Config,
    model: keras.Model,
    dataset: Dataset,
    preprocessing: Preprocessing,
    machine: runtime.Runtime,
    folder: run_record.RunFolder,
    console: rich.console.Console,
) -> BestModel:
    """Trains all phases; leaves the best model and the history in the folder.

    Returns:
      The keeper of the best model: it says of which phase and epoch that is.
    """
    settings = config.training
    num_train = len(dataset.rows("train"))
    plan = TrainingPlan(
        loss=head_of(dataset).loss(config, dataset),
        num_classes=len(dataset.classes),
        blocks=label_blocks(dataset),
        batch_size=settings.batch_size,
        steps_per_epoch=steps_per_epoch(num_train, settings.batch_size),
        weight_decay=settings.weight_decay,
        schedule=settings.schedule.value,
        warmup_epochs=settings.warmup_epochs,
        patience=settings.patience,
        precision=machine.precision,
        initial_loss_scale=settings.initial_loss_scale,
        jit_compile=machine.jit_compile,
    )
    best = BestModel(folder.best_model)
    histories = []
    for phase in plan_phases(
        pretrained=config.model.weights is not None,
        head_epochs=settings.head_epochs,
        epochs=settings.epochs,
        head_learning_rate=settings.head_learning_rate,
        learning_rate=settings.learning_rate,
    ):
        stream = training_stream(config, dataset, preprocessing, phase.first_epoch)
        history = run_phase(
            model,
            phase,
            plan,
            train=stream,
            validation=split_dataset(dataset, "validation", preprocessing),
            best=best,
            board_folder=folder.tensorboard,
            augmented=augmented_sample(config, dataset),
            draw_confusion=None
            if plan.blocks
            else lambda matrix: figure_to_rgb(
                confusion_matrix_figure(matrix, dataset.classes, "validation")
            ),
            console=console,
        )
        histories.append((phase.name, history))
    say(console, best.describe())
    write_csv(pd.DataFrame(merge_histories(histories)), folder.history)
    return best


def label_blocks(dataset: Dataset) -> tuple[tuple[int, bool], ...]:
    """Returns size and exclusiveness of each block; none where an image has one class."""
    if is_single_label(dataset.blocks):
        return ()
    return tuple((len(block.outputs), block.exclusive) for block in dataset.blocks)
