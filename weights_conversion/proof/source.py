"""The source network, under the names of its checkpoint."""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from weights_conversion.expected_input import ExpectedInput
from weights_conversion.namings import Naming

LOGITS = "logits"


@dataclasses.dataclass(frozen=True)
class Source:
    """The source network.

    Attributes:
      naming: how it names its tensors and what it computes.
      tensors: name without prefix -> array, those of the network and of the head that is kept.
      head: name of the head's layer in tensors, or None.
      expected: the input it was trained on.
    """

    naming: Naming
    tensors: Mapping[str, np.ndarray]
    head: str | None
    expected: ExpectedInput

    def run(self, ops, images: np.ndarray) -> Iterator[tuple[str, object]]:
        """Yields (stage, result of ops) for every stage, and for the logits where there is a head.

        Args:
          ops: `TorchOps` or `NumpyOps` with the tensors.
          images: float32 [batch, height, width, channels].
        """
        stage, x = "", None
        for stage, x in self.naming.network(ops, ops.images(images)):
            yield stage, x
        if self.head is not None:
            yield LOGITS, ops.linear(self.head, ops.global_average(x))
