"""Hypothesis strategies for command lines and valid configs."""

import dataclasses
import math
import pathlib
from typing import Any

from hypothesis import strategies as st

from flags import choices, config

_PATHS = st.from_regex(r"[a-zA-Z0-9_.]+( [a-zA-Z0-9_.]+)?(/[a-zA-Z0-9_]+){0,2}", fullmatch=True)


def _paths() -> st.SearchStrategy[pathlib.Path]:
    return _PATHS.map(pathlib.Path)


def _numbers(kind: type, name: str) -> st.SearchStrategy[Any]:
    """Returns the numbers that a field of a config dataclass accepts."""
    (field,) = [field for field in dataclasses.fields(kind) if field.name == name]
    interval = field.metadata["interval"]
    high = 1000 if math.isinf(interval.high) else interval.high
    if field.type is int:
        return st.integers(int(interval.low), int(high)).filter(lambda value: value in interval)
    return st.floats(interval.low, high).filter(lambda value: value in interval)


def _ranged(kind: type, *names: str) -> dict[str, st.SearchStrategy[Any]]:
    return {name: _numbers(kind, name) for name in names}


@st.composite
def source_configs(draw: st.DrawFn) -> config.SourceConfig:
    if draw(st.booleans()):
        return config.SourceConfig(data=choices.Data.SYNTHETIC)
    extra = st.lists(_PATHS | _PATHS.map(lambda text: f"coronahack:{text}"), max_size=2)
    return config.SourceConfig(
        data=draw(st.sampled_from([None, choices.Data.CORONAHACK])),
        data_dir=draw(_paths()),
        extra_data_dir=tuple(draw(extra)),
        patients=draw(st.none() | _paths()),
        table=draw(st.none() | _paths()),
        patient_key=draw(st.none() | _paths()),
        columns=draw(st.sampled_from([(), ("path:file", "finding:a b")])),
        label_names=draw(st.sampled_from([(), ("nad:Normal",)])),
        lateral_views=draw(st.sampled_from(choices.LateralViews)),
    )


@st.composite
def data_configs(draw: st.DrawFn) -> config.DataConfig:
    folds = draw(st.integers(2, 20))
    split = draw(st.sampled_from(choices.Split))
    view = draw(st.sampled_from(choices.View))
    chains = choices.Preprocessing if view is choices.View.FULL else ["plain"]
    return config.DataConfig(
        task=draw(st.sampled_from(choices.Task)),
        manifest=draw(st.none() | _paths()),
        split=split,
        held_out_source="ieee8023" if split is choices.Split.LEAVE_ONE_SOURCE_OUT else None,
        copies=draw(st.sampled_from(choices.Copies)),
        folds=folds,
        fold=draw(st.none() | st.integers(0, folds - 1)),
        test_fraction=draw(st.floats(0.01, 0.49)),
        validation_fraction=draw(st.floats(0.01, 0.49)),
        preprocessing=choices.Preprocessing(draw(st.sampled_from(sorted(chains)))),
        view=view,
        cache=draw(st.sampled_from(choices.Cache)),
        on_bad_image=draw(st.sampled_from(choices.OnBadImage)),
        **draw(
            st.fixed_dictionaries(
                _ranged(
                    config.DataConfig,
                    "image_size",
                    "cache_budget_mib",
                    "max_set_aside",
                    "max_pixels",
                    "num_parallel_calls",
                )
            )
        ),
    )


@st.composite
def decision_configs(draw: st.DrawFn, task: choices.Task) -> config.DecisionConfig:
    if task.has_findings:
        return draw(_decisions_of_findings())
    operating_class = draw(st.sampled_from([None, "COVID-19", "Lung opacity"]))
    points = set(choices.OperatingPoint)
    if operating_class is None and task.num_classes != 2:
        points = {
            choices.OperatingPoint.AUTO,
            choices.OperatingPoint.ARGMAX,
            choices.OperatingPoint.BALANCED,
        }
    return config.DecisionConfig(
        calibration=draw(st.sampled_from(choices.Calibration)),
        operating_point=draw(st.sampled_from(sorted(points))),
        operating_value=draw(_numbers(config.DecisionConfig, "operating_value")),
        operating_class=operating_class,
        prevalence=draw(st.none() | st.floats(0.001, 0.999)),
    )


@st.composite
def _decisions_of_findings(draw: st.DrawFn) -> config.DecisionConfig:
    without = {choices.OperatingPoint.ARGMAX, choices.OperatingPoint.BALANCED}
    return config.DecisionConfig(
        calibration=draw(st.sampled_from(choices.Calibration)),
        operating_point=draw(st.sampled_from(sorted(set(choices.OperatingPoint) - without))),
        operating_value=draw(_numbers(config.DecisionConfig, "operating_value")),
    )


@st.composite
def loss_configs(draw: st.DrawFn, task: choices.Task) -> config.LossConfig:
    mechanisms = set(choices.Imbalance)
    if task.has_findings:
        mechanisms -= {choices.Imbalance.WEIGHTED_SAMPLING}
    imbalance = draw(st.sampled_from(sorted(mechanisms)))
    numbers: st.SearchStrategy[config.FocalAlpha]
    if task.num_classes is None or task is choices.Task.FINDINGS14_COVID:
        numbers = st.none()  # the data decides how many numbers there are, or they are of two kinds
    elif task.has_findings:
        open_share = st.floats(0, 1, exclude_min=True, exclude_max=True)
        numbers = st.tuples(*[open_share] * task.num_classes)
    elif task.num_classes == 2:
        numbers = st.tuples(st.floats(0, 1, exclude_min=True, exclude_max=True))
    else:
        numbers = st.tuples(*[st.floats(0.01, 50)] * task.num_classes)
    alphas: st.SearchStrategy[config.FocalAlpha] = st.none() | numbers
    if imbalance is choices.Imbalance.NONE:
        alphas |= st.just(config.INVERSE_FREQUENCY)
    return config.LossConfig(
        loss=draw(st.sampled_from(choices.Loss)),
        focal_alpha=draw(alphas),
        imbalance=imbalance,
        **draw(
            st.fixed_dictionaries(
                _ranged(
                    config.LossConfig, "focal_gamma", "label_smoothing", "effective_number_beta"
                )
            )
        ),
    )


@st.composite
def model_configs(draw: st.DrawFn, image_size: int, task: choices.Task) -> config.ModelConfig:
    """Single networks, boosted trees and ensembles that take images of a size."""
    files = _PATHS.map(lambda text: pathlib.Path(text + ".weights.h5"))
    ensemble = draw(st.booleans()) and not task.has_findings
    weights: st.SearchStrategy[Any] = st.none() | st.sampled_from(choices.PublishedWeights)
    start = draw(weights if ensemble else weights | files)
    member_weights = tuple(draw(st.lists(files, max_size=2))) if ensemble else ()
    pretrained = start is not None or bool(member_weights)
    backbones = sorted(
        backbone
        for backbone in choices.Backbone
        if backbone.smallest_image_px <= image_size
        and image_size % backbone.patch_px == 0
        and (backbone.is_published or not isinstance(start, choices.PublishedWeights))
    )
    trees = pretrained and not task.has_findings
    kinds = sorted(choices.Classifier) if trees else [choices.Classifier.LINEAR]
    classifier = st.sampled_from(kinds)
    member = st.builds("{}:{}".format, st.sampled_from(backbones), classifier)
    batch_norms = set(choices.BatchNorm) - (set() if pretrained else {choices.BatchNorm.FROZEN})
    return config.ModelConfig(
        backbone=choices.Backbone.RESNET50 if ensemble else draw(st.sampled_from(backbones)),
        classifier=choices.Classifier.LINEAR if ensemble else draw(classifier),
        members=tuple(draw(st.lists(member, min_size=2, max_size=4))) if ensemble else (),
        combine=draw(st.sampled_from(choices.Combine)) if ensemble else choices.Combine.SOFT_VOTE,
        member_weights=member_weights,
        weights=start,
        batch_norm=draw(st.sampled_from(sorted(batch_norms))),
        dropout=draw(_numbers(config.ModelConfig, "dropout")),
    )


@st.composite
def configs(draw: st.DrawFn) -> config.Config:
    """Valid configs that use every field."""
    data = draw(data_configs())
    model = draw(model_configs(data.image_size, data.task))
    loss = draw(loss_configs(data.task))
    if model.has_trees:
        loss = dataclasses.replace(loss, loss=choices.Loss.CE)
    full = data.view is choices.View.FULL and not data.task.has_findings
    controls = [c for c in choices.Controls if full or c is not choices.Controls.FULL]
    epochs = draw(st.integers(1, 50))
    head_epochs = draw(st.integers(0, 9)) if model.is_pretrained else 0
    return config.Config(
        sources=draw(source_configs()),
        data=data,
        augmentation=config.AugmentationConfig(
            horizontal_flip=draw(st.booleans()),
            **draw(
                st.fixed_dictionaries(
                    _ranged(
                        config.AugmentationConfig,
                        "rotation_degrees",
                        "translation",
                        "zoom",
                        "brightness",
                        "contrast",
                        "move_share",
                    )
                )
            ),
        ),
        model=model,
        loss=loss,
        training=config.TrainingConfig(
            head_epochs=head_epochs,
            epochs=epochs,
            # Where trees decide, --epochs has no part and comes back as its default.
            warmup_epochs=draw(st.integers(0, min(epochs, 10))),
            schedule=draw(st.sampled_from(choices.Schedule)),
            head_augment=draw(st.booleans()) if head_epochs else True,
            precision=draw(st.sampled_from(choices.Precision)),
            **draw(
                st.fixed_dictionaries(
                    _ranged(
                        config.TrainingConfig,
                        "batch_size",
                        "learning_rate",
                        "head_learning_rate",
                        "weight_decay",
                        "patience",
                        "initial_loss_scale",
                    )
                )
            ),
        ),
        decision=draw(decision_configs(data.task)),
        run=config.RunConfig(
            seed=draw(_numbers(config.RunConfig, "seed")),
            workdir=draw(st.none() | _paths()),
            controls=draw(st.sampled_from(controls)),
        ),
    )
