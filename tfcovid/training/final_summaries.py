"""The test split on TensorBoard: figures, pictures, precision-recall curves, hyperparameters."""

import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams_api
from tensorboard.plugins.pr_curve import summary as pr_curve

PR_THRESHOLDS = 201


def write_final_summaries(
    folder: pathlib.Path,
    *,
    scored: Mapping[str, tuple[np.ndarray, np.ndarray]],
    scalars: Mapping[str, float],
    pictures: Mapping[str, np.ndarray],
    hparams: Mapping[str, bool | int | float | str],
) -> None:
    """Writes one event file with what a finished run reached.

    TensorBoard's HPARAMS tab compares the runs below its --logdir by these figures.

    Args:
      folder: RUN/tensorboard/test; made.
      scored: by class or finding, whether an image has it, bool [n], and its calibrated
        probability, float [n].
      scalars: figures by name.
      pictures: uint8 [h, w, 3] by name.
      hparams: what was asked, by flag.
    """
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default(step=0):
        hparams_api.hparams(dict(hparams))
        for name, value in scalars.items():
            tf.summary.scalar(f"test/{name}", value)
        for name, picture in pictures.items():
            tf.summary.image(f"test/{name}", picture[None])
        for name, (has, probs) in scored.items():
            curve = pr_curve.pb(f"test/{name}", has, probs, num_thresholds=PR_THRESHOLDS)
            tf.summary.experimental.write_raw_pb(curve.SerializeToString())
    writer.close()
