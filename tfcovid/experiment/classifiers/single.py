"""Fits one classifier: a network trained end to end, or boosted trees on a backbone."""

from collections.abc import Callable

import keras
import numpy as np
import pandas as pd
import rich.console

from flags import choices
from tfcovid.console import counting_bar, say
from tfcovid.data.dataset import Dataset
from tfcovid.data.manifest import write_csv
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.best_model import load_best_model
from tfcovid.experiment.classifiers.asked import Asked, Fitted
from tfcovid.experiment.fitting import train
from tfcovid.experiment.imbalance import stream_weights
from tfcovid.experiment.network import build_model, describe_model
from tfcovid.experiment.streams import split_dataset
from tfcovid.models.backbones import build_backbone
from tfcovid.models.boosted_trees import boosted_trees_layer, build_boosted_classifier
from tfcovid.models.classifier import synchronised
from tfcovid.models.features import weightless_features
from tfcovid.training.boosting import fit_boosted_trees
from tfcovid.training.run_record import RunFolder
from tfcovid.whole_file import whole_file


def fit_single(asked: Asked, folder: RunFolder, console: rich.console.Console) -> Fitted:
    """Fits the classifier that the Config names, into its folder.

    Args:
      asked: to what and how; the Config names no members.
      folder: gets the best model and the history; made already.
      console: for progress.
    """
    return _FIT[asked.config.model.classifier](asked, folder, console)


def fit_network(asked: Asked, folder: RunFolder, console: rich.console.Console) -> Fitted:
    """Trains a network, its head first where it starts from weights."""
    dataset, preprocessing = asked.dataset, asked.preprocessing
    best = train(asked, build_network(asked, console), folder, console)
    network = load_best_model(folder.best_model)
    return Fitted(
        model=network,
        preprocessing=preprocessing,
        on_validation=logits_of(network, dataset, "validation", preprocessing),
        record={
            "precision": asked.machine.precision,
            "best_phase": best.best_phase,
            "best_epoch": best.best_epoch + 1,
        },
    )


def build_network(asked: Asked, console: rich.console.Console) -> keras.Model:
    """Returns the network that is to be trained, with its first weights, on all its replicas."""
    config, workers = asked.config, asked.workers
    start = asked.start.get(config.model.backbone)
    with workers.scope():
        model = build_model(config, asked.dataset, asked.preprocessing, start)
        say(console, describe_model(config, model, start))
        shared = workers.strategy is not None and asked.sync_batch_norm
        return synchronised(model) if shared else model


def fit_trees(asked: Asked, folder: RunFolder, console: rich.console.Console) -> Fitted:
    """Fits gradient-boosted trees to the features of a backbone that stays as it is.

    The features are those of unaugmented images. Weighted sampling has no part in trees, which see
    all images at once: its weights become factors of the loss, which is what it amounts to.

    Raises:
      ValueError: if the backbone starts from random weights.
    """
    config, dataset, preprocessing = asked.config, asked.dataset, asked.preprocessing
    start = asked.start.get(config.model.backbone)
    if start is None:
        raise ValueError(
            f"{config.model.backbone}:{choices.Classifier.BOOSTED_TREES}: trees on random features "
            "mean nothing; name a file of this architecture in --member_weights"
        )
    backbone = build_backbone(
        config.model.backbone,
        image_size=preprocessing.image_size,
        channels=preprocessing.channels,
        batch_norm="frozen",
    )
    start.load(backbone)
    features_of = weightless_features(config.model.backbone, backbone)
    say(console, f"features: {config.model.backbone}, from {start.about}; they stay as they are")
    seen = {
        split: logits_of(features_of, dataset, split, preprocessing)
        for split in ("train", "validation")
    }
    factors, sampling = stream_weights(config, dataset)
    with counting_bar(console, "growing trees") as progress:
        boosted = fit_boosted_trees(
            seen["train"],
            dataset.labels[dataset.rows("train")],
            seen["validation"],
            dataset.labels[dataset.rows("validation")],
            num_classes=len(dataset.classes),
            example_weights=sampling if factors is None else factors,
            seed=config.run.seed,
            progress=progress,
        )
    model = build_boosted_classifier(features_of, boosted_trees_layer(boosted.model))
    say(console, f"trees: {boosted.num_trees} a class, the best number on validation")
    with whole_file(folder.best_model) as beside:
        model.save(beside)
    write_csv(pd.DataFrame(boosted.history), folder.history)
    return Fitted(
        model=model,
        preprocessing=preprocessing,
        on_validation=logits_of(model, dataset, "validation", preprocessing),
        record={"precision": "float32", "trees": boosted.num_trees},
    )


_FIT: dict[choices.Classifier, Callable[[Asked, RunFolder, rich.console.Console], Fitted]] = {
    choices.Classifier.LINEAR: fit_network,
    choices.Classifier.BOOSTED_TREES: fit_trees,
}


def logits_of(
    model: keras.Model, dataset: Dataset, split: str, preprocessing: Preprocessing
) -> np.ndarray:
    """Returns what a model makes of a split's images, float32 [n, num_outputs]."""
    return np.asarray(model.predict(split_dataset(dataset, split, preprocessing), verbose=0))
