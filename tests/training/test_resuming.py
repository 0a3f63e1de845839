"""A training that is stopped at any step and goes on in a new model ends as one that was not."""

import io
import pathlib

import keras
import numpy as np
import pytest
import rich.console
import tensorflow as tf

from tfcovid.training.checkpointing import BestModel
from tfcovid.training.phases import Material, TrainingPlan, plan_phases, run_phase
from tfcovid.training.resuming import Keeper, StoppedTrainingError, read_kept
from tfcovid.training.snapshots import Snapshots

STEPS, BATCH = 5, 4


def network(precision):
    keras.utils.set_random_seed(0)
    policy = keras.DTypePolicy(precision)
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.Sequential(
                [
                    keras.layers.Conv2D(3, 3, dtype=policy),
                    keras.layers.BatchNormalization(dtype=policy),
                    keras.layers.GlobalAveragePooling2D(dtype=policy),
                ],
                name="backbone",
            ),
            keras.layers.Dropout(0.3, seed=1, dtype=policy),
            keras.layers.Dense(3, dtype="float32"),
        ]
    )


def batches(epoch, batch):
    """As the pipeline does, a function of epoch and batch, without an end."""

    def generate():
        at, place = epoch, batch
        while True:
            rng = np.random.default_rng([at, place])
            labels = rng.integers(0, 3, BATCH).astype(np.int32)
            images = rng.normal(size=(BATCH, 6, 6, 1)) + labels[:, None, None, None]
            yield images.astype(np.float32), labels, np.ones(BATCH, np.float32)
            at, place = (at, place + 1) if place + 1 < STEPS else (at + 1, 0)

    signature = (
        tf.TensorSpec([BATCH, 6, 6, 1]),
        tf.TensorSpec([BATCH], tf.int32),
        tf.TensorSpec([BATCH]),
    )
    return tf.data.Dataset.from_generator(generate, output_signature=signature)


def planned(precision, **options):
    return TrainingPlan(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        num_classes=3,
        batch_size=BATCH,
        steps_per_epoch=STEPS,
        weight_decay=0.01,
        warmup_epochs=0.5,
        precision=precision,
        initial_loss_scale=2.0**30,  # so large that steps are skipped and it falls
        jit_compile=False,
        **options,
    )


def train(folder, *, precision="float32", schedule="cosine", patience=0, stop_after=None):
    """Trains three phases in a folder, or until a snapshot after so many steps; returns all."""
    folder.mkdir(exist_ok=True)
    model, snapshots = network(precision), Snapshots(folder)
    best = BestModel(folder / "model.keras", snapshots)
    kept = read_kept(snapshots, lambda line: None)
    steps = iter(range(1000))
    keeper = Keeper(
        snapshots,
        steps=STEPS,
        every_s=1e9,
        stop_is_asked=lambda: stop_after is not None and next(steps) >= stop_after,
    )
    plan = planned(precision, schedule=schedule, patience=patience)
    material = Material(
        stream=batches,
        validation=batches(99, 0)
        .take(2)
        .map(lambda image, label, _: (image, label))
        .apply(tf.data.experimental.assert_cardinality(2)),
        board_folder=folder / "board",
        augmented=np.zeros((2, 6, 6, 1)),
        draw_confusion=None,
        console=rich.console.Console(file=io.StringIO()),
    )
    phases = plan_phases(
        pretrained=True, head_epochs=2, epochs=3, head_learning_rate=0.05, learning_rate=0.05
    )
    for number, phase in enumerate(phases):
        if kept is None or number >= kept.place.phase:
            here = kept if kept is not None and kept.place.phase == number else None
            run_phase(model, phase, plan, material, best=best, keeper=keeper, kept=here)
    best.settle()
    weights = keras.models.load_model(best.path, compile=False).get_weights()
    return [*weights, *model.get_weights()], keeper.histories, best.describe()


def equal(a, b):
    same = all(np.array_equal(x, y) for x, y in zip(a[0], b[0], strict=True))
    return same and a[1:] == b[1:]


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"schedule": "plateau"},
        {"patience": 1},
        {"precision": "mixed_float16"},
        {"precision": "mixed_bfloat16"},
    ],
    ids=str,
)
def test_a_training_stopped_again_and_again_ends_as_one_that_was_not(tmp_path, how):
    whole = train(tmp_path / "whole", **how)
    stops = 0
    for stop_after in (4, 4, 2, 9):  # at the end of epochs, inside them, across phases
        try:
            train(tmp_path / "cut", **how, stop_after=stop_after)
        except StoppedTrainingError:
            stops += 1
    assert stops >= 3
    assert equal(train(tmp_path / "cut", **how), whole)


def test_a_snapshot_of_another_network_is_refused(tmp_path):
    with pytest.raises(StoppedTrainingError):
        train(tmp_path, stop_after=3)
    with pytest.raises(ValueError, match="expected a snapshot of this network"):
        train(tmp_path, precision="mixed_float16")


@pytest.mark.parametrize("what", ["training-*.npz", "best-*.keras"])
def test_behind_damage_it_goes_on_from_before_and_ends_the_same(tmp_path, what):
    whole = train(tmp_path / "whole")
    for stop_after in (7, 8):
        with pytest.raises(StoppedTrainingError):
            train(tmp_path / "cut", stop_after=stop_after)
    newest: pathlib.Path = max((tmp_path / "cut").glob(what), key=lambda path: path.stat().st_mtime)
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert equal(train(tmp_path / "cut"), whole)
