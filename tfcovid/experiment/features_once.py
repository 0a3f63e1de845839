"""Phase 1 on features that are computed once, where the images are not augmented."""

import dataclasses

import keras
import numpy as np
import rich.console
import tensorflow as tf

from tfcovid.console import counting_bar, say
from tfcovid.data.feature_store import FeatureStore
from tfcovid.data.pipeline import evaluation_dataset, training_dataset
from tfcovid.experiment.classifiers.asked import Asked
from tfcovid.experiment.heads import head_of
from tfcovid.experiment.inputs import EVALUATION_BATCH
from tfcovid.experiment.streams import split_dataset
from tfcovid.models.features import feature_model
from tfcovid.training.head_on_features import head_on_features
from tfcovid.training.phases import Material

_MIB = 2**20


def on_features(
    asked: Asked, model: keras.Model, material: Material, console: rich.console.Console
) -> Material:
    """Returns what phase 1 works on: features in place of images where that is the same training.

    Args:
      asked: to what and how.
      model: the classifier, its backbone as phase 1 has it.
      material: what it works on otherwise.
      console: for progress.
    """
    head = head_on_features(model)
    if head is None:
        say(console, "phase 1: on images; this network trains or draws more than its head")
        return material
    if asked.workers.strategy is not None:
        say(console, "phase 1: on images; replicas share its batches")
        return material
    network = feature_model(model)
    rows = asked.dataset.rows("train")
    size_mib = len(rows) * network.output_shape[-1] * 4 / _MIB
    budget_mib = asked.config.data.cache_budget_mib
    if size_mib > budget_mib:
        say(
            console,
            f"phase 1: on images; features of {size_mib:,.0f} MiB are over the budget of "
            f"{budget_mib:,.0f} MiB (--cache_budget_mib)",
        )
        return material
    training, validation = (
        _features(asked, network, split, console) for split in ("train", "validation")
    )
    say(console, f"phase 1: on {training.shape[1]} features, computed once ({size_mib:,.0f} MiB)")
    store = FeatureStore(training)
    example_weights, sampling_weights = head_of(asked.dataset).weights(asked.config, asked.dataset)

    def stream(epoch: int, batch: int) -> tf.data.Dataset:
        return training_dataset(
            store,
            np.arange(len(rows)),
            asked.dataset.labels[rows],
            preprocessing=None,
            augmentation=None,
            batch_size=asked.config.training.batch_size,
            seed=asked.config.run.seed,
            start_epoch=epoch,
            start_batch=batch,
            num_parallel_calls=asked.config.data.num_parallel_calls,
            example_weights=example_weights,
            sampling_weights=sampling_weights,
        )

    held_out = evaluation_dataset(
        FeatureStore(validation),
        np.arange(len(validation)),
        asked.dataset.labels[asked.dataset.rows("validation")],
        preprocessing=None,
        batch_size=EVALUATION_BATCH,
    )
    return dataclasses.replace(material, stream=stream, validation=held_out, head=head)


def _features(
    asked: Asked, network: keras.Model, split: str, console: rich.console.Console
) -> np.ndarray:
    """Returns the features of a split, float32 [n, num_features], in its rows' order."""
    images = split_dataset(asked.dataset, split, asked.preprocessing)
    steps = int(images.cardinality())
    with counting_bar(console, f"features of {split}") as done:
        tell = keras.callbacks.LambdaCallback(
            on_predict_batch_end=lambda batch, logs: done(batch + 1, steps)
        )
        return network.predict(images, verbose=0, callbacks=[tell])
