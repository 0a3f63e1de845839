"""The controls of a run: what models that see no lungs, or hardly any, learn from its training."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Mapping

import keras
import numpy as np
import tensorflow as tf

from flags import choices
from flags.config import Config
from tfcovid.array_file import read_arrays
from tfcovid.controls.probes import (
    Control,
    Probe,
    class_of_each_source,
    controls_for,
    fit_probe,
)
from tfcovid.data.dataset import Dataset
from tfcovid.data.image_store import ImageStore
from tfcovid.data.pipeline import evaluation_dataset
from tfcovid.data.preprocess import LUNG_BOX, Preprocessing
from tfcovid.experiment.inputs import EVALUATION_BATCH
from tfcovid.models.features import feature_model
from tfcovid.whole_file import whole_file

CHUNK = 512
SOURCE_CLASSIFIER = "source_classifier"
SOURCE_ALONE = "source_alone"


@dataclasses.dataclass(frozen=True)
class Sight:
    """What a control sees.

    Attributes:
      sees: for the reader, in one phrase.
      model: what looks at it: a linear probe, a network, a table.
      view: of the images, where the network's own features are probed or a network is trained.
      lungs: whether it sees them at all; what sees none says what a score owes to other things.
    """

    sees: str
    model: str = "probe"
    view: str | None = None
    lungs: bool = False


PIXEL_CONTROLS = controls_for(dataclasses.astuple(LUNG_BOX))
HIDDEN_VIEWS = {
    "border_only": "the border around the lungs",
    "lungs_hidden": "the image with the lungs painted gray",
}
SIGHTS: dict[str, Sight] = {
    **{c.name: Sight(c.sees, lungs=c.name == "thumbnail_32") for c in PIXEL_CONTROLS},
    **{
        f"{view}_features": Sight(f"{sees}, by the network's own features", view=view)
        for view, sees in HIDDEN_VIEWS.items()
    },
    **{
        f"{view}_network": Sight(sees, model="network", view=view)
        for view, sees in HIDDEN_VIEWS.items()
    },
    SOURCE_ALONE: Sight("the name of the data set", model="table"),
}
"""Every control of a score, by its key in metrics.json."""

CROPPED = (
    "Images cropped to the lungs have no border without lungs: the controls of the border and of "
    "painted lungs are left out. A run with --preprocessing=plain has them."
)


@dataclasses.dataclass(frozen=True)
class FittedControls:
    """What was learned from the training split, to be asked about other images.

    Attributes:
      probes: of pixels and of features, by name; that of `SOURCE_CLASSIFIER` tells sources apart.
      sources: names in the order of its classes; empty where there is no such probe.
      class_of_source: what is decided where the source alone is known; empty likewise.
    """

    probes: Mapping[str, Probe]
    sources: tuple[str, ...]
    class_of_source: Mapping[str, int]

    def save(self, path: pathlib.Path) -> None:
        """Writes them as one .npz file of plain arrays, whole or not at all."""
        arrays = {
            f"{name}/{field}": value
            for name, probe in self.probes.items()
            for field, value in dataclasses.asdict(probe).items()
        }
        with whole_file(path) as beside:
            np.savez(
                beside,
                sources=np.array(self.sources, str),
                source_names=np.array(list(self.class_of_source), str),
                source_classes=np.array(list(self.class_of_source.values()), np.int64),
                **arrays,
            )

    @classmethod
    def load(cls, path: pathlib.Path) -> "FittedControls":
        """Returns what `save` wrote; raises ValueError if it is no such file."""
        try:
            arrays = read_arrays(path)
            fields = [field.name for field in dataclasses.fields(Probe)]
            names = dict.fromkeys(key.split("/")[0] for key in arrays if "/" in key)
            return cls(
                probes={
                    name: Probe(**{field: arrays[f"{name}/{field}"] for field in fields})
                    for name in names
                },
                sources=tuple(arrays["sources"].tolist()),
                class_of_source=dict(
                    zip(
                        arrays["source_names"].tolist(),
                        arrays["source_classes"].tolist(),
                        strict=True,
                    )
                ),
            )
        except (OSError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: expected the controls of a run ({error})") from error


def fit_controls(
    model: keras.Model,
    dataset: Dataset,
    preprocessing: Preprocessing,
    *,
    seed: int,
    progress: Callable[[int, int], None],
) -> FittedControls:
    """Returns the controls, fitted to the training split.

    Args:
      model: the trained classifier, whose features stay as they are.
      dataset: the images.
      preprocessing: of the classifier. Where it sees a part of the image only it is a control
        itself, and its features are not probed.
      seed: of the solvers.
      progress: called with (controls done, controls in all).
    """
    rows = dataset.rows("train")
    labels, index = dataset.labels[rows], dataset.image_index[rows]
    sources = dataset.frame["source"].iloc[rows]
    by_pixels = [control.name for control in pixel_controls(preprocessing)]
    names = [*by_pixels, *(f"{view}_features" for view in hidden_views(preprocessing))]
    told = sources.dropna().nunique() > 1 and preprocessing.view == "full"
    probes: dict[str, Probe] = {}
    for name in names:
        progress(len(probes), len(names) + told)
        seen = features_seen(name, model, dataset.images, index, preprocessing)
        probes[name] = fit_probe(seen, labels, seed=seed)
    known = sources.notna().to_numpy()
    source_names = tuple(sorted(sources.dropna().unique()))
    if told:
        progress(len(probes), len(names) + 1)
        seen = network_features(model, dataset.images, index[known], preprocessing)
        numbers = sources[known].map(source_names.index).to_numpy()
        probes[SOURCE_CLASSIFIER] = fit_probe(seen, numbers, seed=seed)
    progress(len(names) + told, len(names) + told)
    return FittedControls(
        probes=probes,
        sources=source_names if told else (),
        class_of_source=class_of_each_source(
            labels[known], sources[known].to_numpy(str), num_classes=len(dataset.classes)
        )
        if told
        else {},
    )


def pixel_controls(preprocessing: Preprocessing) -> list[Control]:
    """Returns the controls of the squares themselves.

    Squares that are cropped to the lungs have no border around them.
    """
    cropped = preprocessing.chain != "plain"
    return [c for c in PIXEL_CONTROLS if not (cropped and c.name == "border_only")]


def hidden_views(preprocessing: Preprocessing) -> dict[str, str]:
    """Returns the views that show a classifier of the full view no lungs, and what they show.

    There is none where the squares are cropped: lungs would be seen beyond the box that is painted.
    """
    whole = preprocessing.view == "full" and preprocessing.chain == "plain"
    return HIDDEN_VIEWS if whole else {}


def left_out_notes(config: Config) -> list[str]:
    """Returns a note on the controls that a run cannot have, where it cannot and has others."""
    plain = config.data.preprocessing is choices.Preprocessing.PLAIN
    if plain or config.run.controls is choices.Controls.NONE:
        return []
    return [CROPPED]


def features_seen(
    name: str,
    model: keras.Model,
    images: ImageStore,
    index: np.ndarray,
    preprocessing: Preprocessing,
) -> np.ndarray:
    """Returns what a probe sees of some images, float [n, num_features]."""
    for control in PIXEL_CONTROLS:
        if control.name == name:
            return pixel_features(control.features, images, index)
    if name == SOURCE_CLASSIFIER:
        return network_features(model, images, index, preprocessing)
    painted = images.seen_through(str(SIGHTS[name].view))
    return network_features(model, painted, index, preprocessing)


def pixel_features(
    features: Callable[[np.ndarray], np.ndarray], images: ImageStore, index: np.ndarray
) -> np.ndarray:
    """Returns features of the squares themselves, a few images in memory at a time."""
    chunks: Iterable[np.ndarray] = (index[i : i + CHUNK] for i in range(0, len(index), CHUNK))
    return np.concatenate([features(images.fetch(tf.constant(chunk)).numpy()) for chunk in chunks])


def network_features(
    model: keras.Model, images: ImageStore, index: np.ndarray, preprocessing: Preprocessing
) -> np.ndarray:
    """Returns the features that the network's head sees, float32 [n, num_features]."""
    batches = evaluation_dataset(
        images,
        index,
        np.zeros(len(index), np.int32),
        preprocessing=preprocessing,
        batch_size=EVALUATION_BATCH,
    )
    return np.asarray(feature_model(model).predict(batches, verbose=0), np.float32)
