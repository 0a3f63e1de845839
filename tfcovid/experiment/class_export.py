"""The SavedModel of a run of one class an image."""

import keras

from flags.config import Config
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.heat import method_of
from tfcovid.experiment.model_assets import model_assets
from tfcovid.metrics.decision import DecisionRule
from tfcovid.serving.exported import ExportedClassifier, save_exported
from tfcovid.training import run_record


def export(
    config: Config,
    model: keras.Model,
    rule: DecisionRule,
    preprocessing: Preprocessing,
    folder: run_record.RunFolder,
) -> None:
    """Writes the SavedModel: bytes in, calibrated probabilities, decision and heat maps out."""
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
            heat_map=method_of(config, model),
        ),
        folder.saved_model,
        model_assets(folder),
    )
