"""The batches that a run trains and is scored on, from its Config and its images."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from flags.config import Config
from tfcovid.data.augment import Augmentation
from tfcovid.data.dataset import Dataset
from tfcovid.data.pipeline import batch_positions, evaluation_dataset, training_dataset
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.heads import head_of
from tfcovid.experiment.inputs import EVALUATION_BATCH
from tfcovid.training.distribution import Workers

AUGMENTED_SHOWN = 32


def training_stream(
    config: Config,
    dataset: Dataset,
    preprocessing: Preprocessing,
    epoch: int,
    batch: int,
    *,
    workers: Workers | None = None,
    feeds: Sequence[str] = (),
) -> tf.data.Dataset:
    """Returns the endless training batches from a batch of an epoch on.

    Args:
      config: what is asked for.
      dataset: its training split is shown.
      preprocessing: the network's input.
      epoch: of the run, from 0.
      batch: of the epoch, from 0.
      workers: who share each batch; this process's parts come.
      feeds: addresses of tfcovid.feed that make the batches in turn; none makes them here.
    """
    workers = workers or Workers()
    rows = dataset.rows("train")
    example_weights, sampling_weights = head_of(dataset).weights(config, dataset)
    return training_dataset(
        dataset.images,
        dataset.image_index[rows],
        dataset.labels[rows],
        preprocessing=preprocessing,
        augmentation=Augmentation(**dataclasses.asdict(config.augmentation)),
        batch_size=config.training.batch_size,
        seed=config.run.seed,
        start_epoch=epoch,
        start_batch=batch,
        num_parallel_calls=config.data.num_parallel_calls,
        example_weights=example_weights,
        sampling_weights=sampling_weights,
        replicas=workers.replicas,
        own=workers.own,
        feeds=feeds,
    )


def images_of_batch(config: Config, dataset: Dataset, epoch: int, batch: int) -> list[str]:
    """Returns the paths of the images that a batch of `training_stream` shows, in its order."""
    rows = dataset.rows("train")
    _, sampling_weights = head_of(dataset).weights(config, dataset)
    positions = batch_positions(
        len(rows),
        batch_size=config.training.batch_size,
        batch=batch,
        seed=config.run.seed,
        epoch=epoch,
        sampling_weights=sampling_weights,
    )
    return dataset.frame["path"].iloc[rows[positions]].tolist()


def augmented_sample(config: Config, dataset: Dataset, preprocessing: Preprocessing) -> np.ndarray:
    """Returns the first augmented training images as TensorBoard shows them, in 0..255."""
    # Of the stream that is trained on: another would be traced and compiled for this alone.
    inputs, _, _ = next(iter(training_stream(config, dataset, preprocessing, 0, 0)))
    return preprocessing.gray(inputs.numpy()[:AUGMENTED_SHOWN])


def split_dataset(
    dataset: Dataset,
    split: str,
    preprocessing: Preprocessing,
    *,
    workers: Workers | None = None,
) -> tf.data.Dataset:
    """Returns a split's images once, in the manifest's order, unchanged; of several workers, the
    parts of this one."""
    workers = workers or Workers()
    rows = dataset.rows(split)
    return evaluation_dataset(
        dataset.images,
        dataset.image_index[rows],
        dataset.labels[rows],
        preprocessing=preprocessing,
        batch_size=EVALUATION_BATCH,
        replicas=workers.replicas,
        own=workers.own,
    )
