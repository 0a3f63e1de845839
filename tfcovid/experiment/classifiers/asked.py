"""What a classifier is fitted to and how, and what comes of it."""

import dataclasses

import keras
import numpy as np

from flags.config import Config
from flags.resume_flags import Keeping
from tfcovid.data.dataset import Dataset
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.pretrained import Start
from tfcovid.training import runtime
from tfcovid.training.distribution import Workers


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a classifier is fitted to and how.

    Attributes:
      config: what was asked for.
      dataset: the images, split.
      preprocessing: the classifier's input.
      start: what its backbones start from.
      machine: precision and devices.
      keeping: how trainings are kept safe.
      workers: who share the training of a network.
      sync_batch_norm: whether batch normalisation sees the whole batch that they share.
      feeds: addresses of the processes that make the training batches; none makes them here.
    """

    config: Config
    dataset: Dataset
    preprocessing: Preprocessing
    start: Start
    machine: runtime.Runtime
    keeping: Keeping = dataclasses.field(default_factory=Keeping)
    workers: Workers = dataclasses.field(default_factory=Workers)
    sync_batch_norm: bool = True
    feeds: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A classifier that is ready to be scored.

    Attributes:
      model: float32, from the input that `preprocessing` makes to logits [batch, num_outputs].
      preprocessing: its input.
      on_validation: logits of the validation split, float32 [n, num_outputs], from which the rule
        is chosen. Of an ensemble that was itself fitted there each row is by a fit without it.
      record: what to say of the training, as JSON values.
      members: of an ensemble, by name.
    """

    model: keras.Model
    preprocessing: Preprocessing
    on_validation: np.ndarray
    record: dict[str, object] = dataclasses.field(default_factory=dict)
    members: dict[str, "Fitted"] = dataclasses.field(default_factory=dict)
