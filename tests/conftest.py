"""Small data and one finished run, made once, that many tests look at."""

import contextlib
import io
import os
import pathlib
import subprocess
import sys

import pytest

from tfcovid.startup import use_onednn

ROOT = pathlib.Path(__file__).parents[1]

# As every command does, so that tests and the commands that they run compute alike.
use_onednn()

# A worker of pytest has a core: NumPy's threads would wait for those of the other workers. Read by
# NumPy when it is imported, here and by every command that a test runs.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# The least that trains: every flag that costs time is small.
SMALL = (
    "--backbone=tiny",
    "--image_size=32",
    "--epochs=2",
    "--batch_size=64",
    "--precision=float32",
    "--heat_map=none",
)
# A flag given twice takes its last value.
SMALL_WITH_HEAT = (*SMALL, "--heat_map=layer_cam")


# As in pyproject.toml: Keras 3.15 reads TensorFlow's tensors in the way of NumPy 1.
WARNINGS = ("-Werror", "-Wignore:__array__ implementation doesn't accept a:DeprecationWarning")


def run_entry(entry, *arguments, cwd=ROOT, check=True):
    """Runs a command as a user does, in a process of its own: tfcovid.ENTRY, weights_conversion."""
    module = entry if entry == "weights_conversion" else f"tfcovid.{entry}"
    done = subprocess.run(
        [sys.executable, *WARNINGS, "-m", module, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


@pytest.fixture(scope="session")
def small_data(tmp_path_factory):
    """A small synthetic data set in CoronaHack's layout."""
    from tfcovid.data.sources.synthetic import write_synthetic

    folder = tmp_path_factory.mktemp("data") / "small"
    write_synthetic(folder, seed=1, image_size=48, patients=200)
    return folder


def train_here(*arguments, keeping=None):
    """Trains in this process, which spares the start-up; returns what the terminal showed.

    Args:
      *arguments: of the command line.
      keeping: how the run is kept safe; by default as without its flags.
    """
    import keras

    from flags import parse
    from tfcovid.experiment.run import run

    values = parse.flag_values_from_argv(["train", *map(str, arguments)])
    config = parse.config_from_flags(values)
    policy = keras.config.dtype_policy()
    try:
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            run(config, keeping)
    finally:
        keras.config.set_dtype_policy(policy)  # a run sets its own, for the whole process
    return shown.getvalue()


def evaluate_here(workdir, data_dir=None, *, by_content=True, **changes):
    """Evaluates a run in this process, with the flags' defaults; returns its metrics."""
    from tfcovid.data.sources.options import SourceOptions
    from tfcovid.experiment.evaluation import evaluate_run
    from tfcovid.experiment.targets import OtherData

    other = None
    if data_dir is not None:
        other = OtherData(
            data_dir,
            kind=None,
            options=SourceOptions(),
            keep_laterals=False,
            by_content=by_content,
            max_pixels=1_000_000,
        )
    return evaluate_run(workdir, other=other, **{"on_bad_image": "fail", **changes})


@pytest.fixture(scope="session")
def finished_run(small_data, tmp_path_factory):
    """The folder of a finished multi-class run on the small data."""
    workdir = tmp_path_factory.mktemp("runs") / "multiclass"
    train_here(f"--data_dir={small_data}", f"--workdir={workdir}", *SMALL_WITH_HEAT)
    return workdir
