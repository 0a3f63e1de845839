"""What is measured on a GPU runs small on the CPU, and finds what is right.

JAX, on which it was measured, is in no environment of this project: TensorFlow imports it where it
finds it, and is louder and slower for it.
"""

import json
import subprocess
import sys

import pytest

from benchmarks.gpu.losses import EPSILON
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What the measurements found."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.gpu_process", tmp_path_factory.mktemp("gpu")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_loss_and_its_gradient_are_exact_to_their_precision(found):
    for case, (value, gradient, finite) in found["losses"].items():
        dtype = case.rsplit(", ", 1)[1]
        assert finite and value < 1e-5, case
        assert gradient < (1e-5 if dtype == "float32" else EPSILON[dtype]), case


def test_gradients_of_a_network_in_bfloat16_are_close_to_those_in_float64(found):
    ((_, ours, cpu, _, finite),) = found["gradients"]
    assert finite and 0 < ours < 0.1 and 0 < cpu < 0.1


def test_an_epoch_in_float16_learns(found):
    ((_, first, last, accuracy, rate, finite),) = found["epoch"]
    assert finite and last < first and accuracy > 0.5 and rate > 0


def test_the_pipeline_feeds_a_fit(found):
    assert len(found["rates"]) == 4 and min(found["rates"].values()) > 0


def test_the_timed_steps_train(found):
    first, later = found["step"]
    assert later < first
