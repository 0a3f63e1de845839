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
        view=draw(st.sampled_from(choices.View)),
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
def configs(draw: st.DrawFn) -> config.Config:
    """Valid configs that use every field."""
    data = draw(data_configs())
    files = _PATHS.map(lambda text: pathlib.Path(text + ".weights.h5"))
    weights = draw(st.none() | st.sampled_from(choices.PublishedWeights) | files)
    backbones = set(choices.Backbone)
    if isinstance(weights, choices.PublishedWeights):
        backbones = {backbone for backbone in backbones if backbone.is_published}
    backbones = {b for b in backbones if b.smallest_image_px <= data.image_size}
    batch_norms = set(choices.BatchNorm) - (
        {choices.BatchNorm.FROZEN} if weights is None else set()
    )
    full = data.view is choices.View.FULL
    full = full and not data.task.has_findings
    controls = [c for c in choices.Controls if full or c is not choices.Controls.FULL]
    epochs = draw(st.integers(1, 50))
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
        model=config.ModelConfig(
            backbone=draw(st.sampled_from(sorted(backbones))),
            weights=weights,
            batch_norm=draw(st.sampled_from(sorted(batch_norms))),
            dropout=draw(_numbers(config.ModelConfig, "dropout")),
        ),
        loss=draw(loss_configs(data.task)),
        training=config.TrainingConfig(
            head_epochs=0 if weights is None else draw(st.integers(0, 9)),
            epochs=epochs,
            schedule=draw(st.sampled_from(choices.Schedule)),
            warmup_epochs=draw(st.integers(0, epochs)),
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
