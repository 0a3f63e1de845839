import os
import subprocess
import sys

import pytest

from tfcovid import startup

NAME = "TF_ENABLE_ONEDNN_OPTS"


@pytest.fixture
def cpu(monkeypatch):
    monkeypatch.delenv(NAME, raising=False)

    def has(*flags):
        monkeypatch.setattr(startup, "cpu_instructions", lambda: frozenset(flags))

    return has


def test_onednn_is_used_on_a_cpu_with_avx2(cpu):
    cpu("sse4_2", "avx2", "fma")
    startup.use_onednn()
    assert os.environ[NAME] == "1"


@pytest.mark.parametrize("flags", [(), ("sse4_2", "avx")])
def test_elsewhere_the_choice_is_tensorflows(cpu, flags):
    cpu(*flags)
    startup.use_onednn()
    assert NAME not in os.environ


def test_what_the_user_has_set_stays(cpu, monkeypatch):
    cpu("avx2")
    monkeypatch.setenv(NAME, "0")
    startup.use_onednn()
    assert os.environ[NAME] == "0"


@pytest.mark.parametrize(("asked", "said"), [({}, ["True", "1"]), ({NAME: "0"}, ["False", "0"])])
def test_the_import_follows_it(asked, said):
    code = f"""
import os, sys
from tfcovid import startup
use = startup.use_onednn
def use_before_the_import():
    assert "tensorflow" not in sys.modules
    use()
startup.use_onednn = use_before_the_import
startup.cpu_instructions = lambda: {{"avx2"}}
startup.import_tensorflow()
from tensorflow.python.framework import test_util
print(test_util.IsMklEnabled(), os.environ["{NAME}"])
"""
    environment = {name: value for name, value in os.environ.items() if name != NAME}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | asked,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == said
    assert done.stderr == ""


def test_the_import_leaves_out_what_no_command_uses_and_that_can_be_imported_later():
    code = """
import sys
from tfcovid import startup
startup.import_tensorflow()
print(any(name.startswith(("sklearn", "matplotlib")) for name in sys.modules))
import keras, matplotlib.pyplot, sklearn.metrics
print(keras.wrappers.SKLearnClassifier is not None, sklearn.metrics.recall_score([1], [1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "1.0"]
    assert done.stderr == ""
