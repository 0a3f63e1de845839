"""The two phases of transfer learning: the head on a frozen backbone, then everything."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import keras
import numpy as np
import rich.console
import tensorflow as tf

from tfcovid.metrics.balanced_accuracy import BalancedAccuracy
from tfcovid.metrics.block_log_loss import BlockLogLoss, MeanAuroc
from tfcovid.metrics.macro_log_loss import MacroLogLoss
from tfcovid.training.callbacks import PhaseBoard, StopOnNonFiniteLoss
from tfcovid.training.checkpointing import SELECTION_FIGURE, BestModel
from tfcovid.training.optimizer import build_optimizer
from tfcovid.training.plateau import WarmUpThenPlateau
from tfcovid.training.progress import ProgressBar


@dataclasses.dataclass(frozen=True)
class Phase:
    """One call of fit.

    Attributes:
      name: of the phase's folder under tensorboard/.
      title: what the progress bar says.
      epochs: at most so many; early stopping may end it before.
      first_epoch: number of its first epoch within the run. Order and
        augmentation are functions of it, so that no two phases repeat each other.
      learning_rate: peak rate.
      train_backbone: whether the backbone's weights move.
    """

    name: str
    title: str
    epochs: int
    first_epoch: int
    learning_rate: float
    train_backbone: bool


def plan_phases(
    *,
    pretrained: bool,
    head_epochs: int,
    epochs: int,
    head_learning_rate: float,
    learning_rate: float,
) -> tuple[Phase, ...]:
    """Returns the phases of a run.

    A head trained on random features means nothing, so that phase 1 is only
    there when the backbone starts from converted weights.
    """
    head_epochs = head_epochs if pretrained else 0
    phases = [
        Phase("1_head", "head", head_epochs, 0, head_learning_rate, train_backbone=False),
        Phase(
            "2_fine_tuning" if pretrained else "1_training",
            "fine-tuning" if pretrained else "training",
            epochs,
            head_epochs,
            learning_rate,
            train_backbone=True,
        ),
    ]
    return tuple(phase for phase in phases if phase.epochs)


@dataclasses.dataclass(frozen=True)
class TrainingPlan:
    """What all phases of a run share.

    Attributes:
      loss: from logits, with reduction 'sum_over_batch_size'.
      num_classes: classes of the task; a two-class task has one logit.
      blocks: where an image has several labels, of each block its number of outputs and whether
        they exclude each other; empty for one class an image.
      schedule: 'cosine' or 'plateau'.
      batch_size: images a step.
      steps_per_epoch: steps that show each training image once.
      weight_decay: of AdamW.
      warmup_epochs: epochs of linear warm-up in each phase.
      patience: epochs without a better selection figure before a phase ends; 0
        never ends one early.
      precision: name of the Keras dtype policy.
      initial_loss_scale: first loss scale under mixed_float16.
      jit_compile: whether XLA compiles the step.
    """

    loss: keras.losses.Loss
    num_classes: int
    batch_size: int
    steps_per_epoch: int
    weight_decay: float
    warmup_epochs: float
    patience: int
    precision: str
    initial_loss_scale: float
    jit_compile: bool
    blocks: tuple[tuple[int, bool], ...] = ()
    schedule: str = "cosine"

    @property
    def warmup_steps(self) -> int:
        """Steps of linear warm-up in each phase."""
        return round(self.warmup_epochs * self.steps_per_epoch)


def run_phase(
    model: keras.Model,
    phase: Phase,
    plan: TrainingPlan,
    *,
    train: tf.data.Dataset,
    validation: tf.data.Dataset,
    best: BestModel,
    board_folder: pathlib.Path,
    augmented: np.ndarray,
    draw_confusion: Callable[[np.ndarray], np.ndarray] | None,
    console: rich.console.Console,
) -> dict[str, list]:
    """Trains one phase and returns its history, a list an epoch for each figure.

    Args:
      model: a classifier from tfcovid.models; left with the last epoch's weights.
      phase: what to train and for how long.
      plan: what all phases share.
      train: endless batches (input, label, weight) from phase.first_epoch on.
      validation: finite batches (input, label).
      best: keeps the best model over all phases.
      board_folder: RUN/tensorboard.
      augmented: images for TensorBoard's grid, see PhaseBoard.
      draw_confusion: see PhaseBoard.
      console: where progress goes.

    Raises:
      FloatingPointError: if the loss is no longer finite.
    """
    model.get_layer("backbone").trainable = phase.train_backbone
    compile_for(model, phase, plan)
    best.phase = phase.name
    history = model.fit(
        train,
        epochs=phase.epochs,
        steps_per_epoch=plan.steps_per_epoch,
        validation_data=validation,
        verbose=0,
        shuffle=False,  # the stream has its own order
        callbacks=[
            ProgressBar(console, phase.title, plan.batch_size),
            StopOnNonFiniteLoss(),
            best,
            *early_stopping(plan.patience),
            *SCHEDULE_CALLBACKS[plan.schedule](phase, plan),
            PhaseBoard(
                board_folder / phase.name,
                augmented=augmented,
                draw_confusion=draw_confusion,
            ),
        ],
    )
    return history.history


SCHEDULE_CALLBACKS: dict[str, Callable[[Phase, TrainingPlan], list[keras.callbacks.Callback]]] = {
    "cosine": lambda phase, plan: [],
    "plateau": lambda phase, plan: [
        WarmUpThenPlateau(learning_rate=phase.learning_rate, warmup_steps=plan.warmup_steps)
    ],
}


def early_stopping(patience: int) -> list[keras.callbacks.Callback]:
    """Returns the callback that ends a phase without progress; none for patience 0."""
    if not patience:
        return []
    return [keras.callbacks.EarlyStopping(monitor=SELECTION_FIGURE, mode="min", patience=patience)]


def compile_for(model: keras.Model, phase: Phase, plan: TrainingPlan) -> None:
    """Compiles the model anew: what is trainable only takes effect so."""
    model.compile(
        optimizer=build_optimizer(
            learning_rate=phase.learning_rate,
            weight_decay=plan.weight_decay,
            total_steps=phase.epochs * plan.steps_per_epoch,
            warmup_steps=plan.warmup_steps,
            precision=plan.precision,
            initial_loss_scale=plan.initial_loss_scale,
            schedule=plan.schedule,
        ),
        loss=plan.loss,
        metrics=training_metrics(plan.num_classes, plan.blocks),
        jit_compile=plan.jit_compile,
        # build_optimizer has wrapped it where needed, with the initial scale asked for.
        auto_scale_loss=False,
    )


def training_metrics(
    num_classes: int, blocks: Sequence[tuple[int, bool]] = ()
) -> Sequence[keras.metrics.Metric]:
    """Returns the figures of each epoch; they ignore the training weights.

    Args:
      num_classes: of a task of one class an image.
      blocks: of one of several labels, as in TrainingPlan; empty for one class.
    """
    if blocks:
        return [BlockLogLoss(blocks=blocks), MeanAuroc(blocks=blocks)]
    accuracy = (
        keras.metrics.BinaryAccuracy("accuracy", threshold=0.0)  # of a logit, not a probability
        if num_classes == 2
        else keras.metrics.SparseCategoricalAccuracy("accuracy")
    )
    return [
        MacroLogLoss(num_classes=num_classes, name="macro_log_loss"),
        BalancedAccuracy(num_classes=num_classes),
        accuracy,
    ]
