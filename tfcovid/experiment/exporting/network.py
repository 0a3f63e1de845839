"""The network that was scored, as the measure of every export."""

import dataclasses
import hashlib
import pathlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.best_model import load_best_model
from tfcovid.experiment.class_export import Exporting
from tfcovid.experiment.finished import FinishedRun
from tfcovid.experiment.kinds import kind_of
from tfcovid.experiment.model_assets import model_assets
from tfcovid.exports.contract import contract_of
from tfcovid.exports.parity import Classify
from tfcovid.serving.exported import ExportedClassifier
from tfcovid.training import run_record
from tfcovid.whole_file import sha256_of

BATCH_SIZE = 16


@dataclasses.dataclass(frozen=True)
class Network:
    """What a run trained and chose.

    Attributes:
      run: it.
      model: its classifier, computing in float32.
      rule: from logits to probabilities and decisions.
      preprocessing: from bytes to the network's input.
      sha256: of the file of the model.
    """

    run: FinishedRun
    model: keras.Model
    rule: Any
    preprocessing: Preprocessing
    sha256: str

    @property
    def kind(self) -> Exporting:
        """What an export needs of a run of its kind."""
        return kind_of(self.run.task_labels.blocks).exporting

    def module(self) -> ExportedClassifier:
        """Returns what every format is made of."""
        run = self.run
        return self.kind.module_of(run.config, self.model, self.rule, self.preprocessing)

    def classify(self) -> Classify:
        """Returns the measure: the Keras model, and the rule as it scored the run, in NumPy."""
        size = self.preprocessing.image_size
        spec = tf.TensorSpec([None, size, size, 1], tf.uint8)
        logits = tf.function(
            lambda images: self.model(self.preprocessing.network_input(images), training=False),
            input_signature=[spec],
        )
        return lambda images: self.rule.probabilities(logits(images).numpy())

    def decided(self, probs: np.ndarray) -> list[str]:
        """Returns what is decided of each image, as its label is written."""
        return self.kind.decided(self.rule, probs, self.run.task_labels)

    def contract(self, *, batch: int | str, precision: str) -> dict[str, Any]:
        """Returns the contract of a file, as `contract_of` does."""
        return contract_of(
            task=self.run.task_labels.name,
            classes=self.run.task_labels.classes,
            preprocessing=self.preprocessing,
            decision=self.kind.decision_of(self.rule),
            batch=batch,
            precision=precision,
            model_sha256=self.sha256,
            model_card=model_assets(self.run.folder)["model_card"],
        )


def load_network(run: FinishedRun) -> Network:
    """Returns the network of a finished run.

    Raises:
      ValueError: if a file of the run is missing or damaged.
    """
    folder = run.folder
    with run_record.as_a_run_writes(folder.decision):
        described = run_record.read_json(folder.decision)
        rule = kind_of(run.task_labels.blocks).exporting.rule_from(run.task_labels, described)
    with run_record.as_a_run_writes(folder.preprocessing):
        preprocessing = Preprocessing.from_json(run_record.read_json(folder.preprocessing))
    return Network(
        run=run,
        model=load_best_model(folder.best_model),
        rule=rule,
        preprocessing=preprocessing,
        sha256=digest_of(folder.best_model),
    )


def digest_of(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a file, or of the names and contents of all files in a folder."""
    if path.is_file():
        return sha256_of(path)
    digest = hashlib.sha256()
    for inside in files_in(path):
        digest.update(f"{inside.relative_to(path).as_posix()}\n{digest_of(inside)}\n".encode())
    return digest.hexdigest()


def size_of(path: pathlib.Path) -> int:
    """Returns the bytes of a file, or of all files in a folder."""
    return sum(inside.stat().st_size for inside in ([path] if path.is_file() else files_in(path)))


def files_in(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns every file below a folder, in order."""
    return sorted(inside for inside in folder.rglob("*") if inside.is_file())


def in_batches(classify: Classify, images: np.ndarray) -> np.ndarray:
    """Returns the probabilities of any number of images, float32 [n, num_classes]."""
    starts = range(0, len(images), BATCH_SIZE)
    return np.concatenate([classify(images[start : start + BATCH_SIZE]) for start in starts])
