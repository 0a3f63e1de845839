"""Conversions in this process, and parts of them, for the tests."""

import contextlib
import io

import tensorflow as tf
import torch

from tfcovid.console import open_console
from weights_conversion.command import run
from weights_conversion.conversion import build, source_network
from weights_conversion.plan import Wishes, make_plan
from weights_conversion.proof.inference import compare_inference
from weights_conversion.reading.checkpoint import read_checkpoint
from weights_conversion.reference.torch_ops import TorchOps


def convert_here(checkpoint, output, **wishes):
    """Converts as the command does, in this process; returns what the terminal showed."""
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        run(str(checkpoint), output, Wishes(**wishes), command="test", console=open_console())
    return shown.getvalue()


def built(checkpoint, **wishes):
    """Returns (plan, the Keras network with its values) of a checkpoint, unproven."""
    plan = make_plan(read_checkpoint(checkpoint), Wishes(**wishes))
    return plan, build(plan, [])


def passes_inference(plan, model):
    """Returns whether every comparison in inference mode holds; stops at the first failure."""
    source = source_network(plan)
    comparisons = compare_inference(source, model, TorchOps(source.tensors))
    try:
        return all(comparison.holds for comparison in comparisons)
    # Feature maps no longer fit together, or nothing is left of them.
    except (ValueError, tf.errors.InvalidArgumentError, tf.errors.AbortedError):
        return False


def saved(state, path, **kwargs):
    """Returns the path, where torch.save has written the state."""
    torch.save(state, path, **kwargs)
    return path
