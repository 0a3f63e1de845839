"""The network that a run kept, as it is scored: in float32."""

import pathlib
import zipfile

import keras

from tfcovid.models.classifier import as_float32

# What Keras raises on a file that is cut short or has changed bytes: it calls a part of an archive
# "File not found", and the rest comes from zip, JSON and HDF5.
_DAMAGE = (
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
)


def load_best_model(path: pathlib.Path) -> keras.Model:
    """Returns a model file's classifier, computing in float32.

    Args:
      path: such as RUN/checkpoints/model.keras.

    Raises:
      ValueError: if the file is not there, or damaged.
    """
    if not path.is_file():
        raise ValueError(f"{path}: expected the model of a finished run, found none")
    try:
        model = keras.models.load_model(path, compile=False)
    except _DAMAGE as error:
        raise ValueError(
            f"{path}: this model cannot be loaded, the file is damaged or incomplete; train again, "
            "or copy it once more from where the run was made"
        ) from error
    return as_float32(model)
