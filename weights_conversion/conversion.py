"""A conversion from its checkpoint to its files: read, recognise, account, fill, prove, write."""

import contextlib
import dataclasses
import gc
import pathlib
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping

import keras
import numpy as np

from tfcovid.models.input_contract import InputContract, contract_path
from tfcovid.models.weights_file import read_weights, save_backbone_weights
from weights_conversion import accounting, keras_network, words
from weights_conversion.channels import adapt_kernel
from weights_conversion.ordering import ordering
from weights_conversion.plan import Plan, Wishes, make_plan
from weights_conversion.proof.comparison import refuse_difference, summary
from weights_conversion.proof.inference import channel_shift, compare_inference
from weights_conversion.proof.source import LOGITS, Source
from weights_conversion.reading.checkpoint import read_checkpoint
from weights_conversion.record import Record
from weights_conversion.reference.numpy_ops import NumpyOps

_HEAD_PARTS = ("weight", "bias")

NO_PYTORCH = "PyTorch is not installed: inference was compared with float64 NumPy, training was not"


@dataclasses.dataclass(frozen=True)
class Converted:
    """The Keras network with its weights.

    Attributes:
      model: see `keras_network.build_network`; float32.
      values: variable name -> array in Keras' layout, as precise as the checkpoint has it.
    """

    model: keras.Model
    values: Mapping[str, np.ndarray]


def convert(
    record: Record,
    path: pathlib.Path,
    output: pathlib.Path,
    wishes: Wishes,
    *,
    tell: Callable[[str], None],
) -> Plan:
    """Converts a checkpoint, proves the result equal and writes it, or writes nothing.

    Args:
      record: is filled in on the way.
      path: the checkpoint's file.
      output: X.weights.h5; X.contract.json goes beside it.
      wishes: what the user asks for.
      tell: takes a line for the user.

    Returns:
      What was converted into what.

    Raises:
      ValueError: if the checkpoint cannot be read or recognised, does not fit the network tensor
        for tensor, or the networks differ; neither file is written then.
    """
    start = time.perf_counter()
    record.checkpoint = read_checkpoint(path)
    tell(words.checkpoint_line(record.name, record.checkpoint))
    plan = record.plan = make_plan(record.checkpoint, wishes)
    for line in words.plan_lines(plan):
        tell(line)
    converted = build(plan, record.rows)
    record.seconds["conversion"] = time.perf_counter() - start
    start = time.perf_counter()
    prove(record, plan, converted)
    record.seconds["proof"] = time.perf_counter() - start
    tell(words.proof_line(record))
    write(record, plan, converted, output)
    return plan


def build(plan: Plan, rows: list[accounting.Row]) -> Converted:
    """Returns the Keras network with the checkpoint's weights.

    Args:
      plan: what is converted into what.
      rows: the account of all tensors and variables is added to it.

    Raises:
      ValueError: if a tensor or a variable is not accounted for.
    """
    naming, content = plan.recognition.naming, plan.checkpoint.content
    table = accounting.full_table(plan.recognition, plan.head)
    stored = plan.checkpoint.path.stat().st_size
    with (
        # To build a network leaves the other cores idle.
        ordering(content.tensors, table, most_bytes=stored) as begun,
        _uncollected(),
        keras_network.deferred_variables(),
    ):
        model = keras_network.build_network(
            naming, channels=plan.target.channels, num_outputs=plan.num_outputs
        )
        variables = keras_network.variables_by_name(model)
        shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
        stem = naming.table[naming.anchor].variable
        shapes[stem] = (*shapes[stem][:2], plan.source.channels, shapes[stem][3])
        rows += accounting.account(content, plan.recognition, plan.head, shapes)
        accounting.refuse_problems(rows, plan.recognition)
        values = {
            place.variable: place.layout.to_keras(content.tensors[name])
            for name, place in table.items()
        }
        values[stem] = adapt_kernel(values[stem], plan.target.channels)
        begun.pop(stem, None)
        keras_network.start_at(model, values, begun)
    return Converted(model, values)


@contextlib.contextmanager
def _uncollected():
    """Looks for no garbage: a network makes little, and the search takes a tenth of its making."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def prove(record: Record, plan: Plan, converted: Converted) -> None:
    """Compares the two networks; fills in the record's comparisons.

    Raises:
      ValueError: if they differ; the message says after which stage they part.
    """
    source = source_network(plan)
    try:
        from weights_conversion.proof.training import compare_training
        from weights_conversion.reference.torch_ops import TorchOps
    except ImportError:
        record.partial = NO_PYTORCH
        _prove_inference(record, plan, converted, source, NumpyOps(source.tensors))
    else:
        _prove_inference(record, plan, converted, source, TorchOps(source.tensors))
        double = keras_network.double_precision(converted.model, converted.values)
        record.comparisons += compare_training(source, double)
    refuse_difference(record.comparisons)


def _prove_inference(record, plan, converted, source, ops):
    if plan.averages_channels:
        record.channel_shift = channel_shift(source, ops)
    record.comparisons += compare_inference(source, converted.model, ops)


def source_network(plan: Plan) -> Source:
    """Returns the source network with its tensors under the names it knows them by."""
    tensors, recognition = plan.checkpoint.content.tensors, plan.recognition
    named = {name: tensors[recognition.prefix + name] for name in recognition.naming.table}
    head = None
    if plan.head is not None:
        head = LOGITS
        named |= {f"{head}.{kind}": tensors[f"{plan.head.name}.{kind}"] for kind in _HEAD_PARTS}
    return Source(recognition.naming, named, head, plan.source)


def write(record: Record, plan: Plan, converted: Converted, output: pathlib.Path) -> None:
    """Writes weights and contract, both or neither, and reads back what was written.

    Raises:
      ValueError: if what is read back is not what was written.
    """
    _check_space(converted, output)
    target = plan.target
    contract = InputContract(
        architecture=plan.recognition.naming.architecture,
        channels=target.channels,
        low=target.low,
        high=target.high,
        mean=target.mean,
        std=target.std,
        image_size=target.image_size,
        head_outputs=plan.num_outputs,
        class_names=target.class_names,
        source_sha256=plan.checkpoint.sha256,
        proof=summary(record.comparisons) | {"partial": record.partial},
    )
    with tempfile.TemporaryDirectory(prefix=".part-", dir=output.parent) as folder:
        beside = pathlib.Path(folder) / output.name
        save_backbone_weights(converted.model, beside, contract)
        _, read_back = read_weights(beside)
        for name, value in keras_network.values_by_name(converted.model).items():
            if not np.array_equal(read_back[name], value):
                raise ValueError(f"{name} reads back from {output} other than it was written")
        if output.exists():
            raise ValueError(f"{output} was written by another run meanwhile; it is left as it is")
        # The weights last: where they are, their contract is.
        contract_path(beside).replace(contract_path(output))
        beside.replace(output)


def _check_space(converted, output):
    """Raises OSError where the disk has no room: HDF5 would fail in the middle, and loudly."""
    needed = sum(value.size for value in converted.values.values()) * 5  # float32, and a margin
    free = shutil.disk_usage(output.parent).free
    if free < needed:
        raise OSError(
            f"{output.parent} has {free / 1e6:.0f} MB free: expected {needed / 1e6:.0f} MB"
        )
