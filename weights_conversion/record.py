"""What happened in a conversion, for its reports."""

import dataclasses

from weights_conversion.accounting import Row
from weights_conversion.plan import Plan
from weights_conversion.proof.comparison import Comparison
from weights_conversion.reading.checkpoint import Checkpoint


@dataclasses.dataclass
class Record:
    """What happened in a conversion, filled in on the way; after a refusal, up to it.

    Attributes:
      name: the checkpoint as the user named it.
      checkpoint: what was read.
      plan: what is converted into what.
      rows: the account of all tensors and variables.
      comparisons: the proof.
      partial: why the proof is not complete, "" where it is.
      channel_shift: how far features move because one channel has one mean and std, or None where
        nothing was averaged.
      refusal: why nothing was written, "" where it was.
      seconds: what took how long.
    """

    name: str
    checkpoint: Checkpoint | None = None
    plan: Plan | None = None
    rows: list[Row] = dataclasses.field(default_factory=list)
    comparisons: list[Comparison] = dataclasses.field(default_factory=list)
    partial: str = ""
    channel_shift: float | None = None
    refusal: str = ""
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
