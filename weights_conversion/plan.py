"""What of a checkpoint is converted into what, decided before anything is built."""

import dataclasses

import numpy as np

from weights_conversion.channels import adapt_input
from weights_conversion.expected_input import ExpectedInput, Told, expect_input
from weights_conversion.head import Head, choose_head
from weights_conversion.reading.checkpoint import Checkpoint
from weights_conversion.reading.published_settings import read_settings
from weights_conversion.recognition import THRESHOLDS, Recognition, recognise


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What the user asks for.

    Attributes:
      architecture: a member of `namings.ARCHITECTURES`, or None to recognise it.
      head: 'keep', 'drop', or None to keep the head where there is one.
      leave_out: names of tensors besides the network, or what they begin with up to a dot.
      channels: input channels of the Keras network, 1 or 3, or None for the checkpoint's.
      told: what the user says of the network's input.
    """

    architecture: str | None = None
    head: str | None = None
    leave_out: tuple[str, ...] = ()
    channels: int | None = None
    told: Told = dataclasses.field(default_factory=Told)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is converted.

    Attributes:
      checkpoint: the file and its tensors.
      recognition: which network it is, and the role of every tensor.
      head: the head that is converted, or None.
      source: what the source network expects of an image.
      target: what the Keras network will; another only in its channels.
    """

    checkpoint: Checkpoint
    recognition: Recognition
    head: Head | None
    source: ExpectedInput
    target: ExpectedInput

    @property
    def num_outputs(self) -> int:
        """Logits that are converted, 0 for none."""
        return self.head.num_outputs if self.head else 0

    @property
    def averages_channels(self) -> bool:
        """Whether one channel stands for three with unlike mean or std."""
        unlike = len(set(self.source.mean)) > 1 or len(set(self.source.std)) > 1
        return unlike and self.target.channels != self.source.channels


def make_plan(checkpoint: Checkpoint, wishes: Wishes) -> Plan:
    """Returns what of the checkpoint is converted into what.

    Raises:
      ValueError: if the network or its input is not known, or a wish cannot be met.
    """
    published = read_settings(checkpoint.path)
    tensors = checkpoint.content.tensors
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    left_out = _left_out(tensors, wishes.leave_out)
    recognition = recognise(
        tensors, architecture=wishes.architecture or published.architecture, left_out=left_out
    )
    head = choose_head(recognition, shapes, wish=wishes.head)
    source = expect_input(
        architecture=recognition.naming.architecture,
        channels=_input_channels(recognition, shapes),
        head_outputs=_head_outputs(recognition, shapes),
        num_outputs=head.num_outputs if head else 0,
        thresholds=_thresholds(recognition, tensors),
        published=published,
        told=wishes.told,
    )
    target = adapt_input(source, wishes.channels or source.channels)
    return Plan(checkpoint, recognition, head, source, target)


def _thresholds(recognition, tensors):
    """Returns torchxrayvision's thresholds, None without them."""
    names = [name for name, what in recognition.notes.items() if what == THRESHOLDS]
    return np.asarray(tensors[names[0]], np.float64) if names else None


def _left_out(names, beginnings):
    """Returns the tensors that the user wants left out.

    Raises:
      ValueError: if one of the beginnings fits no tensor.
    """
    chosen = []
    for beginning in beginnings:
        fits = [name for name in names if name == beginning or name.startswith(f"{beginning}.")]
        if not fits:
            raise ValueError(f"--leave_out={beginning}: it has no tensor of that name")
        chosen += fits
    return tuple(dict.fromkeys(chosen))


def _input_channels(recognition, shapes):
    """Returns 1 for a gray network, else 3: what is neither, the account of shapes refuses."""
    shape = shapes.get(recognition.prefix + recognition.naming.anchor, ())
    return 1 if len(shape) == 4 and shape[1] == 1 else 3


def _head_outputs(recognition, shapes):
    """Returns the outputs of the checkpoint's own head, kept or not; 0 for none."""
    weights = [name for name in recognition.head if name.endswith(".weight")]
    return int(shapes[weights[-1]][0]) if weights and shapes[weights[-1]] else 0
