"""One process of `benchmarks.workers`: takes its steps and writes what came of them."""

import argparse
import json
import pathlib
import time

import keras
import numpy as np
import tensorflow as tf

from tfcovid.data.augment import Augmentation
from tfcovid.data.image_store import ImageStore
from tfcovid.data.pipeline import evaluation_dataset, steps_per_epoch, training_dataset
from tfcovid.data.preprocess import Preprocessing
from tfcovid.losses.focal import SoftmaxFocal
from tfcovid.metrics.balanced_accuracy import BalancedAccuracy
from tfcovid.metrics.macro_log_loss import MacroLogLoss
from tfcovid.models.classifier import build_classifier, in_precision, synchronised
from tfcovid.models.weights_file import load_backbone_weights
from tfcovid.training.distribution import DISTRIBUTIONS
from tfcovid.training.optimizer import build_optimizer
from tfcovid.training.replicas import share

CLASSES = 3
BATCH = 8
WHOLE_BATCHES = 9
VALIDATION = 2 * BATCH + 3


def build(backbone, size, precision, weights):
    """Returns a network with an L2 penalty on its head's kernel, from converted weights or none."""
    keras.utils.set_random_seed(0)
    half = precision.startswith("mixed")
    keras.config.set_dtype_policy(precision if half else "float32")
    channels = 3 if weights else 1
    plain = build_classifier(
        backbone=backbone, num_outputs=CLASSES, image_size=size, channels=channels
    )
    if weights:
        load_backbone_weights(plain.get_layer("backbone"), weights)
    model = synchronised(plain if half else in_precision(plain, precision))
    model.get_layer("logits").kernel.regularizer = keras.regularizers.L2(1e-3)
    return model


def network_input(size, weights):
    """Returns the preprocessing of random weights, or of those of ImageNet."""
    if weights:
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        return Preprocessing(size, channels=3, mean=mean, std=std)
    return Preprocessing(size, channels=1, mean=(0.5,), std=(0.25,))


def streams(paths, labels, preprocessing, workers, *, permuted):
    """Returns the stream of an epoch, and validation: the last images."""
    count = len(paths) - VALIDATION
    store, failed = ImageStore.load(paths, preprocessing, cache="memory")
    if failed:
        raise ValueError(failed)
    shared = {"replicas": workers.replicas, "own": workers.own, "batch_size": BATCH}
    train, validation = np.arange(count), np.arange(count, count + VALIDATION)
    weights = np.asarray([0.5, 1.0, 1.5])[labels[:count]]
    steps = steps_per_epoch(count, BATCH)

    def epoch(number):
        stream = training_dataset(
            store,
            train,
            labels[:count],
            preprocessing=preprocessing,
            augmentation=Augmentation(rotation_degrees=10, translation=0.05),
            seed=0,
            example_weights=weights,
            start_epoch=number,
            **shared,
        ).take(steps * workers.local)
        return stream.map(lambda *batch: tuple(t[::-1] for t in batch)) if permuted else stream

    held_out = evaluation_dataset(
        store, validation, labels[count:], preprocessing=preprocessing, **shared
    )
    return epoch, held_out, steps


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--distribute", default="none")
    parser.add_argument("--logical", type=int, default=0)
    parser.add_argument("--backbone", default="tiny")
    parser.add_argument("--precision", default="float64")
    parser.add_argument("--permuted", action="store_true")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument(
        "--weights", type=pathlib.Path, help="of weights_conversion; random ones without"
    )
    parser.add_argument("--learning_rate", type=float, default=1e-3)
    parser.add_argument("--last", type=int, default=1, help="images of an epoch's last batch")
    parser.add_argument("--images", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path)
    asked = parser.parse_args()
    if asked.logical:
        (cpu,) = tf.config.list_physical_devices("CPU")
        each = [tf.config.LogicalDeviceConfiguration()] * asked.logical
        tf.config.set_logical_device_configuration(cpu, each)
    if asked.precision == "float64":
        keras.config.set_floatx("float64")
    workers = DISTRIBUTIONS[asked.distribute]()
    count = WHOLE_BATCHES * BATCH + asked.last
    rows = json.loads(asked.images.read_text())[: count + VALIDATION]
    labels = np.asarray([label for _, label in rows], np.int32)
    seen = network_input(asked.size, asked.weights)
    epoch, held_out, steps = streams(
        [path for path, _ in rows], labels, seen, workers, permuted=asked.permuted
    )
    with workers.scope():
        model = build(asked.backbone, asked.size, asked.precision, asked.weights)
        optimizer = build_optimizer(
            learning_rate=asked.learning_rate,
            weight_decay=0.05,
            total_steps=asked.epochs * steps,
            warmup_steps=5,
            precision=asked.precision,
            initial_loss_scale=1024.0,
        )
        metrics = [BalancedAccuracy(num_classes=CLASSES), MacroLogLoss(num_classes=CLASSES)]
        loss = SoftmaxFocal(gamma=2.0, sparse=True)
        model.compile(optimizer, loss=loss, metrics=metrics, auto_scale_loss=False)
    if workers.strategy is not None:
        share(model, keras.KerasTensor((None,), "int32"))
    histories, seconds = [], 0.0
    validation_steps = int(held_out.cardinality()) // workers.local
    for number in range(asked.epochs):
        began = time.perf_counter()
        history = model.fit(
            workers.spread(epoch(number)),
            initial_epoch=number,
            epochs=number + 1,
            steps_per_epoch=steps,
            validation_data=workers.spread(held_out),
            validation_steps=validation_steps,
            shuffle=False,
            verbose=0,
        )
        seconds += (time.perf_counter() - began) if number else 0.0  # the first one traces
        histories.append({name: float(values[0]) for name, values in history.history.items()})
    if workers.is_chief:
        plain = in_precision(model, "float64")
        logits = plain(evaluation_images(rows, seen))
        np.savez(asked.output, *model.get_weights(), logits=np.asarray(logits))
        speed = (asked.epochs - 1) * count / seconds if seconds else 0.0
        told = {"histories": histories, "images_per_s": speed}
        asked.output.with_suffix(".json").write_text(json.dumps(told))


def evaluation_images(rows, preprocessing):
    """Returns the held-out images as one batch, on one device."""
    paths = [path for path, _ in rows[-VALIDATION:]]
    store, _ = ImageStore.load(paths, preprocessing, cache="memory")
    return preprocessing.network_input(store.fetch(np.arange(len(paths))))


if __name__ == "__main__":
    main()
