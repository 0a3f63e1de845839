"""Fits what the Config asks for: an ensemble where it names members, else one classifier."""

import rich.console

from tfcovid.experiment.classifiers.asked import Asked, Fitted
from tfcovid.experiment.classifiers.ensemble import fit_ensemble
from tfcovid.experiment.classifiers.single import fit_single
from tfcovid.training.run_record import RunFolder


def fit_classifier(asked: Asked, folder: RunFolder, console: rich.console.Console) -> Fitted:
    """Fits a classifier into a folder, which then holds the best model.

    Args:
      asked: to what and how.
      folder: made already.
      console: for progress.
    """
    fit = fit_ensemble if asked.config.model.ensemble else fit_single
    return fit(asked, folder, console)
