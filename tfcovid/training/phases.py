"""The two phases of transfer learning: the head on a frozen backbone, then everything."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import keras
import numpy as np
import rich.console
import tensorflow as tf

from tfcovid.console import say
from tfcovid.metrics.balanced_accuracy import BalancedAccuracy
from tfcovid.metrics.block_log_loss import BlockLogLoss, MeanAuroc
from tfcovid.metrics.macro_log_loss import MacroLogLoss
from tfcovid.training.callbacks import PhaseBoard
from tfcovid.training.checkpointing import BestModel
from tfcovid.training.distribution import Workers
from tfcovid.training.divergence import StopAtDivergence, skipped_in_words
from tfcovid.training.optimizer import build_optimizer
from tfcovid.training.patience import Patience
from tfcovid.training.plateau import WarmUpThenPlateau
from tfcovid.training.progress import ProgressBar
from tfcovid.training.replicas import share
from tfcovid.training.resuming import Keeper, Kept, Place, PutBack, Remembering, put_back


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


@dataclasses.dataclass(frozen=True)
class Material:
    """What all phases of a training work on.

    Attributes:
      stream: from an epoch and a batch of the run, the endless batches (input, label, weight) from
        there on.
      validation: finite batches (input, label).
      board_folder: RUN/tensorboard.
      augmented: images for TensorBoard's grid, see PhaseBoard.
      draw_confusion: see PhaseBoard.
      console: where progress goes.
      workers: who share the training; the streams are those of this process's part.
      head: what is trained in the model's place, on features of the images; None trains the model.
    """

    stream: Callable[[int, int], tf.data.Dataset]
    validation: tf.data.Dataset
    board_folder: pathlib.Path
    augmented: np.ndarray
    draw_confusion: Callable[[np.ndarray], np.ndarray] | None
    console: rich.console.Console
    workers: Workers = dataclasses.field(default_factory=Workers)
    head: keras.Model | None = None


def run_phase(
    model: keras.Model,
    phase: Phase,
    plan: TrainingPlan,
    material: Material,
    *,
    best: BestModel,
    keeper: Keeper,
    kept: Kept | None = None,
) -> None:
    """Trains one phase, an epoch at a time; `keeper.histories` tells what became of it.

    Args:
      model: a classifier from tfcovid.models; left with the last epoch's weights.
      phase: what to train and for how long.
      plan: what all phases share.
      material: what they work on.
      best: keeps the best model over all phases.
      keeper: takes the snapshots.
      kept: a snapshot of this phase, from which it goes on; None begins it.

    Raises:
      DivergedError: if loss or weights are no longer finite.
      StoppedTrainingError: if the process was told to end.
    """
    model.get_layer("backbone").trainable = phase.train_backbone
    best.phase, best.whole = phase.name, model
    model = model if material.head is None else material.head
    compile_for(model, phase, plan, material.workers)
    bar = progress_bar(phase, plan, material)
    watch = StopAtDivergence(phase.name, first_epoch=phase.first_epoch)
    board = PhaseBoard(
        material.board_folder / phase.name,
        augmented=material.augmented,
        draw_confusion=material.draw_confusion,
    )
    patience = Patience(plan.patience)
    remembering: dict[str, Remembering] = {"best": best, "patience": patience, "board": board}
    if plan.schedule == "plateau":
        remembering["plateau"] = WarmUpThenPlateau(
            learning_rate=phase.learning_rate, warmup_steps=plan.warmup_steps
        )
    place = keeper.begin(phase.name, remembering, kept)
    workers = material.workers
    if kept is not None:
        if workers.strategy is None:
            # What the first step makes has to be there before it can be set.
            model.train_on_batch(*next(iter(material.stream(phase.first_epoch, 0))))
        put_back(model, kept.variables, workers)
    validation_steps = int(material.validation.cardinality()) // workers.local
    with board:
        while place.epoch < phase.epochs and not patience.is_over:
            steps = plan.steps_per_epoch - place.batch
            bar.first_batch = watch.first_batch = keeper.first_batch = place.batch
            stream = material.stream(phase.first_epoch + place.epoch, place.batch)
            model.fit(
                workers.spread(stream.take(steps * workers.local)),
                initial_epoch=place.epoch,
                epochs=place.epoch + 1,
                steps_per_epoch=steps,
                validation_data=workers.spread(material.validation),
                validation_steps=validation_steps,
                verbose=0,
                shuffle=False,  # the stream has its own order
                callbacks=[PutBack(kept, workers), bar, watch, *remembering.values(), keeper],
            )
            kept, place = None, Place(place.phase, place.epoch + 1, 0)
    skipped = skipped_in_words(model.optimizer, place.epoch * plan.steps_per_epoch)
    if skipped is not None:
        say(material.console, skipped)


def progress_bar(phase: Phase, plan: TrainingPlan, material: Material) -> ProgressBar:
    """Returns the bar of a phase."""
    return ProgressBar(
        material.console,
        phase.title,
        batch_size=plan.batch_size,
        epochs=phase.epochs,
        steps=plan.steps_per_epoch,
    )


def compile_for(model: keras.Model, phase: Phase, plan: TrainingPlan, workers: Workers) -> None:
    """Compiles the model anew: what is trainable only takes effect so."""
    with workers.scope():
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
    if workers.strategy is None:
        # A step that makes variables, as the optimizer's, is traced twice.
        model.optimizer.build(model.trainable_variables)
    else:
        columns = [sum(size for size, _ in plan.blocks)] if plan.blocks else []
        share(model, keras.KerasTensor((None, *columns), "int32"))


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
