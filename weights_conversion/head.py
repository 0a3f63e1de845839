"""The layer behind the pooled features, where the checkpoint has one that can be kept."""

import dataclasses

from tfcovid.models.backbones import DENSE_NECKS
from weights_conversion.recognition import Recognition, shown


@dataclasses.dataclass(frozen=True)
class Head:
    """A linear layer from the pooled features to the logits.

    Attributes:
      name: of the layer in the checkpoint, with prefix: `module.densenet121.classifier.0`.
      num_outputs: number of logits.
    """

    name: str
    num_outputs: int


def choose_head(recognition: Recognition, shapes, *, wish: str | None) -> Head | None:
    """Returns the head that is converted, or None where there is none or it is not wanted.

    Args:
      recognition: what the names of the checkpoint say.
      shapes: name -> shape of every tensor.
      wish: 'keep', 'drop', or None to keep the head where the checkpoint has one.

    Raises:
      ValueError: if a head is to be kept that is not one linear layer with bias, or that is not
        there though wish is 'keep'.
    """
    if wish == "drop":
        return None
    if not recognition.head:
        if wish == "keep":
            raise ValueError(
                "--head=keep, but it has no head: expected a linear layer such as fc.weight or "
                "classifier.weight; leave the flag out"
            )
        return None
    architecture = recognition.naming.architecture
    if architecture in DENSE_NECKS:
        raise ValueError(
            f"the head of {architecture} stands behind dense layers ({shown(recognition.head)}), "
            "which are not converted; --head=drop leaves all of them out"
        )
    weights = [name for name in recognition.head if name.endswith(".weight")]
    name = weights[0].removesuffix(".weight") if weights else ""
    expected = {f"{name}.weight", f"{name}.bias"}
    lacking = expected.difference(recognition.head)
    if lacking and len(recognition.head) == 1:
        raise ValueError(
            f"its head has {recognition.head[0]} but no {min(lacking)}: expected both; "
            "--head=drop leaves the head out"
        )
    if set(recognition.head) != expected or len(shapes[f"{name}.weight"]) != 2:
        raise ValueError(
            f"its head is more than one linear layer ({shown(recognition.head)}) and cannot be "
            "kept; --head=drop leaves it out"
        )
    return Head(name, int(shapes[f"{name}.weight"][0]))
