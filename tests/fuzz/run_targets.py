"""The files that a run leaves, as targets: what evaluate, export and --resume read back."""

import contextlib
import dataclasses
import functools
import hashlib
import json
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Sequence

from tests.fuzz.outcomes import READ, set_aside

Read = Callable[[bytes], str]

JSON_FILES = (
    *("config.json", "labels.json", "metrics.json", "environment.json"),
    *("decision.json", "preprocessing.json"),
)
TABLES = ("manifest.csv", "rejected.csv")


@functools.cache
def finished_run() -> pathlib.Path:
    """Returns the folder of a small finished run; trained at the first call of a process."""
    from tests.conftest import SMALL, train_here
    from tfcovid.data.sources.synthetic import write_synthetic

    folder = pathlib.Path(tempfile.mkdtemp())
    write_synthetic(folder / "data", seed=1, image_size=48, patients=200)
    train_here(f"--data_dir={folder / 'data'}", f"--workdir={folder / 'run'}", *SMALL, "--epochs=1")
    return folder / "run"


def of_run(name: str) -> Callable[[], Sequence[bytes]]:
    """Returns what reads a file of the run as the corpus."""
    return lambda: [(finished_run() / name).read_bytes()]


def run_file_reader(name: str) -> Callable[[pathlib.Path], Read]:
    """Returns what makes the reader of a run whose file `name` somebody changed."""

    def reader(folder: pathlib.Path) -> Read:
        from tfcovid.experiment.best_model import load_best_model
        from tfcovid.experiment.exporting import network
        from tfcovid.experiment.finished import finished_run as read_run
        from tfcovid.experiment.targets import own_test_split

        run = folder / "run"
        shutil.copytree(finished_run(), run)
        classifier = load_best_model(run / "checkpoints" / "model.keras")

        def read(content: bytes) -> str:
            (run / name).write_bytes(content)
            found = read_run(run)
            own_test_split(found.folder, found.config, found.task_labels)
            with _read_as(network, classifier):
                loaded = network.load_network(found)
            loaded.contract(batch=1, precision="float32")
            return READ

        return read

    return reader


@contextlib.contextmanager
def _read_as(network, classifier):
    """Has a network be there already: its file is a target of its own."""
    load = network.load_best_model
    network.load_best_model = lambda path: classifier
    try:
        yield
    finally:
        network.load_best_model = load


def keras_reader(folder: pathlib.Path) -> Read:
    """Reads the best network of a run."""
    from tfcovid.models.network_file import read_network

    path = folder / "model.keras"

    def read(content: bytes) -> str:
        path.write_bytes(content)
        read_network(path)
        return READ

    return read


def tiny_networks() -> list[bytes]:
    """Returns a `.keras` file, small enough that each part of it is changed often."""
    from tests.models.classifiers import tiny

    with tempfile.TemporaryDirectory() as folder:
        tiny().save(f"{folder}/model.keras")
        return [pathlib.Path(folder, "model.keras").read_bytes()]


def snapshot_reader(folder: pathlib.Path) -> Read:
    """Reads a snapshot whose name carries the right digest, as only an attacker would write it."""
    from tfcovid.training.snapshots import Snapshots

    def read(content: bytes) -> str:
        for old in folder.glob("training-*"):
            old.unlink()
        name = f"training-000001-{hashlib.sha256(content).hexdigest()}.npz"
        (folder / name).write_bytes(content)
        told: list[str] = []
        found = Snapshots(folder).newest(told.append)
        return set_aside(told[0]) if found is None else READ

    return read


def controls_reader(folder: pathlib.Path) -> Read:
    """Reads the fitted controls of a run."""
    from tfcovid.experiment.controls.fitting import FittedControls

    path = folder / "probes.npz"

    def read(content: bytes) -> str:
        path.write_bytes(content)
        FittedControls.load(path)
        return READ

    return read


def weights_reader(folder: pathlib.Path) -> Read:
    """Reads converted weights; the contract beside them is given the digest of the changed file."""
    from tests.models.classifiers import tiny
    from tfcovid.models.input_contract import InputContract
    from tfcovid.models.weights_file import load_backbone_weights

    path, model = folder / "x.weights.h5", tiny()
    backbone = model.get_layer("backbone")
    fields = json.loads(_contract())

    def read(content: bytes) -> str:
        path.write_bytes(content)
        fields["weights_sha256"] = hashlib.sha256(content).hexdigest()
        text = InputContract.from_json(json.dumps(fields)).to_json()
        (folder / "x.contract.json").write_text(text)
        load_backbone_weights(backbone, path)
        return READ

    return read


def _contract() -> str:
    from tfcovid.models.input_contract import InputContract

    return InputContract(
        *("tiny", 1, 0.0, 1.0, (0.0,), (1.0,), 32, 0, (), "0" * 64, {"shown": [1]})
    ).to_json()


def converted_weights() -> list[bytes]:
    """Returns a weights file as the conversion writes it."""
    from tests.models.classifiers import tiny
    from tfcovid.models.input_contract import InputContract
    from tfcovid.models.weights_file import save_backbone_weights

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "x.weights.h5")
        backbone = tiny().get_layer("backbone")
        save_backbone_weights(backbone, path, InputContract.from_json(_contract()))
        return [path.read_bytes()]


def contract_reader(folder: pathlib.Path) -> Read:
    """Reads the contract beside weights."""
    from tfcovid.models.input_contract import read_contract

    def read(content: bytes) -> str:
        (folder / "x.contract.json").write_bytes(content)
        read_contract(folder / "x.weights.h5")
        return READ

    return read


def contracts() -> list[bytes]:
    """Returns a contract."""
    return [_contract().encode()]


def controls() -> list[bytes]:
    """Returns controls as a run writes them, with one probe."""
    import numpy as np

    from tfcovid.controls.probes import Probe
    from tfcovid.experiment.controls.fitting import FittedControls

    shapes = {field.name: np.ones((2, 2)) for field in dataclasses.fields(Probe)}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "probes.npz")
        FittedControls({"border": Probe(**shapes)}, ("a", "b"), {"a": 0}).save(path)
        return [path.read_bytes()]
