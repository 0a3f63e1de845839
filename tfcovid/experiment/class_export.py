"""The SavedModel of a run of one class an image."""

import keras

from tfcovid.data.preprocess import Preprocessing
from tfcovid.metrics.decision import DecisionRule
from tfcovid.serving.exported import ExportedClassifier, save_exported
from tfcovid.training import run_record


def export(
    model: keras.Model,
    rule: DecisionRule,
    preprocessing: Preprocessing,
    folder: run_record.RunFolder,
) -> None:
    """Writes the SavedModel: bytes in, calibrated probabilities and decision out."""
    save_exported(
        ExportedClassifier(
            model,
            preprocessing=preprocessing,
            classes=rule.classes,
            factor=rule.scaling.factor(),
            offset=rule.scaling.offset(model.output_shape[-1]),
            positive=rule.positive,
            threshold=rule.threshold,
            weights=rule.weights,
        ),
        folder.saved_model,
    )
