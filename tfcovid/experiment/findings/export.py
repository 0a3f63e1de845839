"""The SavedModel of a run of findings."""

import keras

from flags.config import Config
from tfcovid.data.blocks import BLOCK_SEPARATOR
from tfcovid.data.preprocess import Preprocessing
from tfcovid.data.sources.pathologies import NO_FINDING, SEPARATOR
from tfcovid.experiment.heat import method_of
from tfcovid.experiment.model_assets import model_assets
from tfcovid.metrics.finding_rule import FindingRule
from tfcovid.serving.exported import ExportedFindings, save_exported
from tfcovid.training import run_record


def export(
    config: Config,
    model: keras.Model,
    rule: FindingRule,
    preprocessing: Preprocessing,
    folder: run_record.RunFolder,
) -> None:
    """Writes the SavedModel: bytes in, calibrated probabilities, decision and heat maps out."""
    save_exported(
        ExportedFindings(
            model,
            preprocessing=preprocessing,
            classes=rule.classes,
            factor=rule.factor(),
            offset=rule.offset(),
            thresholds=rule.thresholds,
            num_exclusive=rule.num_exclusive,
            weights=None if rule.diagnosis is None else rule.diagnosis.weights,
            none=NO_FINDING,
            separators=(SEPARATOR, BLOCK_SEPARATOR),
            heat_map=method_of(config, model),
        ),
        folder.saved_model,
        model_assets(folder),
    )
