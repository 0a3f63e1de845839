"""The systems of a comparison, and what their frozen backbones say of every image, once."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import rich.console

from flags.compare_config import CompareConfig
from flags.config import Config
from tfcovid.array_file import read_arrays
from tfcovid.console import counting_bar, say
from tfcovid.data.dataset import Dataset
from tfcovid.data.manifest import read_manifest
from tfcovid.data.pipeline import evaluation_dataset
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.best_model import load_best_model
from tfcovid.experiment.comparison.pool import Pool
from tfcovid.experiment.inputs import EVALUATION_BATCH
from tfcovid.experiment.pretrained import Pretrained, contract_input
from tfcovid.models.backbones import build_backbone
from tfcovid.models.features import feature_model, weightless_features
from tfcovid.models.weights_file import load_backbone_weights, verified_contract
from tfcovid.training.run_record import RunFolder, read_json
from tfcovid.whole_file import sha256_of, whole_file


@dataclasses.dataclass(frozen=True)
class System:
    """A trained backbone.

    Attributes:
      name: what it is called.
      path: the weights file, or the run's folder.
      digest: SHA-256 of its weights.
      about: for the reader, in one line.
      architecture: of the backbone.
      preprocessing: the input it expects.
      build: makes the network from that input to pooled features [n, num_features].
      load: puts its weights into a backbone of that architecture, which is then trained further.
    """

    name: str
    path: pathlib.Path
    digest: str
    about: str
    architecture: str
    preprocessing: Preprocessing
    build: Callable[[], keras.Model]
    load: Callable[[keras.Model], object]

    @property
    def start(self) -> Pretrained:
        """The backbone as networks start from it."""
        return Pretrained(self.about, self.preprocessing, self.load)


def read_systems(config: Config, comparison: CompareConfig) -> list[System]:
    """Returns the systems, their files checked.

    Raises:
      ValueError: if weights and contract do not belong together, a folder is no finished run's,
        or a run's network takes images of another size.
    """
    return [
        of_run(name, path, config) if path.is_dir() else of_weights(name, path, config)
        for name, path in zip(comparison.system_names, comparison.weights_files, strict=True)
    ]


def of_weights(name: str, path: pathlib.Path, config: Config) -> System:
    """Returns the system of a converted weights file."""
    contract = verified_contract(path)
    preprocessing = contract_input(contract, config)

    def build() -> keras.Model:
        backbone = build_backbone(
            contract.architecture,
            image_size=preprocessing.image_size,
            channels=contract.channels,
            batch_norm="frozen",
        )
        load_backbone_weights(backbone, path)
        return weightless_features(contract.architecture, backbone)

    return System(
        name=name,
        path=path,
        digest=sha256_of(path),
        about=f"{contract.architecture}, converted from checkpoint {contract.source_sha256[:12]}",
        architecture=contract.architecture,
        preprocessing=preprocessing,
        build=build,
        load=lambda backbone: load_backbone_weights(backbone, path),
    )


def of_run(name: str, folder: pathlib.Path, config: Config) -> System:
    """Returns the system of a finished run: its best model's backbone."""
    run = RunFolder(folder)
    trained, data = Preprocessing.from_json(read_json(run.preprocessing)), config.data
    if trained.image_size != data.image_size:
        raise ValueError(
            f"--weights_files={folder}: the run's network takes images of {trained.image_size} px; "
            f"expected --image_size={data.image_size}"
        )
    if not run.best_model.is_file():
        raise ValueError(f"--weights_files={folder}: expected {run.best_model}, found none")
    asked = read_json(run.config)

    def best_model() -> keras.Model:
        return load_best_model(run.best_model)

    def build() -> keras.Model:
        return feature_model(best_model())

    def load(backbone: keras.Model) -> None:
        backbone.set_weights(best_model().get_layer("backbone").get_weights())

    return System(
        name=name,
        path=folder,
        digest=sha256_of(run.best_model),
        about=f"{asked['model']['backbone']}, the best model of a run for {asked['data']['task']}",
        architecture=asked["model"]["backbone"],
        preprocessing=dataclasses.replace(
            trained, view=data.view.value, chain=data.preprocessing.value
        ),
        build=build,
        load=load,
    )


def refuse_seen_images(system: System, pool: Pool) -> None:
    """Raises ValueError if a run was trained or chosen on what the comparison tests on.

    Known by bytes, by patient, and by what hangs together with these in the comparison.
    """
    if not system.path.is_dir():
        return
    manifest = read_manifest(RunFolder(system.path).manifest, every_label=False)
    seen = manifest[manifest["split"] != "test"]
    frame = pool.dataset.frame
    known = frame["sha256"].isin(seen["sha256"].dropna()) | frame["patient_id"].isin(
        seen["patient_id"].dropna()
    )
    in_test = frame["group_id"].isin(frame.loc[known, "group_id"]).to_numpy(bool) & pool.tested
    if in_test.any() and len(pool.splits) > 1:
        raise ValueError(
            f"--weights_files={system.path}: with --split=kfold every image of --data_dir is "
            f"tested, and the run has seen {in_test.sum()} of them; a run of other data can be a "
            "system there, or --split=patient"
        )
    if in_test.any():
        raise ValueError(
            f"--weights_files={system.path}: the run has seen {in_test.sum()} of the "
            f"{pool.tested.sum()} images that are tested here, or others of their patients; train "
            "it on a split of this comparison: --manifest=WORKDIR/manifest-TASK.csv"
        )


def features_of(
    system: System, dataset: Dataset, folder: pathlib.Path, console: rich.console.Console
) -> np.ndarray:
    """Returns the pooled features of every image, float32 [n, num_features], computed once.

    Args:
      system: the frozen backbone.
      dataset: all images.
      folder: where they are kept, keyed by images, weights and input.
      console: for the progress bar.

    Raises:
      FloatingPointError: if a feature is not finite.
    """
    key = features_key(system, dataset)
    path = folder / f"{system.name}-{key[:16]}.npz"
    kept = read_features(path, key)
    if kept is not None:
        say(console, f"features: {system.name}, kept from before: {path}")
        return kept
    with counting_bar(console, f"features of {system.name}") as progress:
        features = compute_features(system, dataset, progress)
    if not np.isfinite(features).all():
        raise FloatingPointError(f"{system.path}: not every feature is finite")
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as beside:
        np.savez(
            beside,
            features=features,
            key=np.array(key),
            sha256=dataset.frame["sha256"].to_numpy(str),
        )
    say(console, f"features: {system.name}, {features.shape[1]} of {len(features)} images: {path}")
    return features


def compute_features(
    system: System, dataset: Dataset, progress: Callable[[int, int], None]
) -> np.ndarray:
    """Returns the pooled features, float32 [n, num_features]."""
    model, n = system.build(), len(dataset.frame)
    batches = evaluation_dataset(
        dataset.images,
        dataset.image_index,
        dataset.labels,
        preprocessing=system.preprocessing,
        batch_size=EVALUATION_BATCH,
    )
    bar = keras.callbacks.LambdaCallback(
        on_predict_batch_end=lambda batch, logs: progress(min((batch + 1) * EVALUATION_BATCH, n), n)
    )
    return np.asarray(model.predict(batches, verbose=0, callbacks=[bar]), np.float32)


def features_key(system: System, dataset: Dataset) -> str:
    """Returns a SHA-256 of everything that decides the features."""
    content: dict[str, Any] = {
        "images": dataset.frame["sha256"].tolist(),
        "weights": system.digest,
        "input": system.preprocessing.to_json(),
    }
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def read_features(path: pathlib.Path, key: str) -> np.ndarray | None:
    """Returns the features kept at a path; None where there are none of this key."""
    try:
        kept = read_arrays(path)
        return kept["features"] if str(kept["key"]) == key else None
    except (FileNotFoundError, ValueError, KeyError):
        return None
