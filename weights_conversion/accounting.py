"""Accounts for every tensor of a checkpoint and every variable of the network, both ways."""

import collections
import dataclasses
from collections.abc import Mapping

import numpy as np

from tfcovid.models.classifier import HEAD_LAYER
from weights_conversion.head import Head
from weights_conversion.names.table import Place, Table, linear
from weights_conversion.reading.content import Content
from weights_conversion.recognition import Recognition, instead, shown

CONVERTED = "converted"
_STRAY = "that nothing accounts for"
_DROPPED = "head, dropped as asked for"
_COUNTER = "counter of batches, which Keras does not keep"


@dataclasses.dataclass(frozen=True)
class Row:
    """A tensor, a variable, or both: one line of the account.

    Attributes:
      tensor: name in the checkpoint, "" where it has none.
      tensor_shape: its shape there, or None.
      dtype: its type there, "" where it has none.
      variable: name in the Keras network, "" where it has none.
      variable_shape: its shape there, or None.
      outcome: CONVERTED, why it is rightly left out, or a problem.
      is_problem: whether the outcome forbids the conversion.
    """

    tensor: str
    tensor_shape: tuple[int, ...] | None
    dtype: str
    variable: str
    variable_shape: tuple[int, ...] | None
    outcome: str
    is_problem: bool = False


def full_table(recognition: Recognition, head: Head | None) -> Table:
    """Returns the place of each tensor that is converted, under its name in the checkpoint."""
    table = {recognition.prefix + name: place for name, place in recognition.naming.table.items()}
    return table if head is None else table | linear(head.name, HEAD_LAYER)


def account(
    content: Content,
    recognition: Recognition,
    head: Head | None,
    variable_shapes: Mapping[str, tuple[int, ...]],
) -> list[Row]:
    """Returns a row for every tensor and every variable; together they leave none out.

    Args:
      content: what was read.
      recognition: what the names say.
      head: the head that is converted, or None.
      variable_shapes: name -> shape of every variable of the network that is filled.
    """
    table = full_table(recognition, head)
    left_out = (
        dict.fromkeys(recognition.head, _DROPPED)
        | dict.fromkeys(recognition.counters, _COUNTER)
        | recognition.notes
    )
    rows = [
        _row(name, tensor, table.get(name), variable_shapes, left_out.get(name))
        for name, tensor in content.tensors.items()
        if name not in recognition.missing
    ]
    rows += [
        Row(name, None, kind, "", None, "not a tensor, not read")
        for name, kind in content.others.items()
    ]
    placed = collections.Counter(place.variable for place in table.values())
    for name, place in table.items():
        if name in recognition.missing:
            shape = variable_shapes.get(place.variable)
            torch_shape = place.layout.torch_shape(shape) if shape else None
            rows.append(Row(name, torch_shape, "", place.variable, shape, "missing", True))
        elif placed[place.variable] > 1:
            shape = variable_shapes.get(place.variable)
            rows.append(Row(name, None, "", place.variable, shape, "claimed twice", True))
    rows += [
        Row("", None, "", variable, shape, "no tensor for it", True)
        for variable, shape in variable_shapes.items()
        if variable not in placed
    ]
    return rows


def refuse_problems(rows: list[Row], recognition: Recognition) -> None:
    """Raises ValueError, one line, if a row is a problem."""
    problems: dict[str, list[str]] = {}
    for row in rows:
        if row.is_problem:
            problems.setdefault(row.outcome, []).append(row.tensor or row.variable)
    if not problems:
        return
    unfit = f"does not fit {recognition.naming.architecture} tensor for tensor"
    if recognition.likelier:
        count = sum(len(names) for names in problems.values())
        raise ValueError(f"{unfit} ({count} problems); {instead(recognition.likelier)}")
    listed = "; ".join(
        f"{len(names)} {outcome} ({shown(names)})" for outcome, names in problems.items()
    )
    raise ValueError(
        f"{unfit}: {listed}"
        + ("; --leave_out=NAME leaves a tensor out" if _STRAY in problems else "")
    )


def _row(name, tensor, place: Place | None, variable_shapes, reason):
    dtype = str(tensor.dtype)
    if place is None:
        problem = reason is None
        outcome = _STRAY if problem else reason
        return Row(name, tensor.shape, dtype, "", None, outcome, problem)
    shape = variable_shapes.get(place.variable)
    problem = _problem(name, tensor, place, shape)
    return Row(
        name, tensor.shape, dtype, place.variable, shape, problem or CONVERTED, bool(problem)
    )


def _problem(name, tensor, place, variable_shape):
    """Returns what is wrong with a tensor that has a place, "" for nothing."""
    if variable_shape is None:
        return f"without a variable {place.variable}"
    expected = place.layout.torch_shape(variable_shape)
    if tensor.shape != expected:
        return f"of shape {tensor.shape} where {expected} is expected"
    if tensor.dtype.kind != "f":
        return f"of type {tensor.dtype} where floating point is expected (quantised?)"
    if not np.all(np.isfinite(tensor)):
        return "with NaN or infinity in it"
    if name.endswith("running_var") and np.any(tensor < 0):
        return "with a negative variance"
    if np.any(np.abs(tensor) > np.finfo(np.float32).max):
        return "beyond the range of float32"
    return ""
