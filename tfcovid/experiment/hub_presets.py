"""ImageNet weights of the vision transformers: KerasHub's own presets, as our weights files."""

import hashlib
import pathlib

import keras
import numpy as np

from tfcovid.models.backbones import build_backbone
from tfcovid.models.input_contract import InputContract
from tfcovid.models.vit import import_keras_hub
from tfcovid.models.weights_file import save_backbone_weights

PRESETS = {"vit_base16": "vit_base_patch16_224_imagenet"}
"""What KerasHub calls the ImageNet weights of an architecture. ViT-B/16: trained on ImageNet-21k,
then on ImageNet at 224 px, on RGB in -1..1."""

API = "https://api.kaggle.com"
REACH_TIMEOUT_S = 20
BY_HAND = "or name a weights file in --weights"


def fetch_preset(architecture: str) -> pathlib.Path:
    """Returns the folder of a preset, downloaded by Kaggle's client where it is not there yet.

    Args:
      architecture: a key of PRESETS.

    Raises:
      ValueError: if KerasHub is not installed, or Kaggle does not answer or give it.
    """
    hub = import_keras_hub(architecture)
    import kagglehub  # KerasHub needs it, too.

    preset = PRESETS[architecture]
    handle = hub.models.ViTBackbone.presets[preset]["kaggle_handle"].removeprefix("kaggle://")
    _refuse_unreachable(preset)
    try:
        return pathlib.Path(kagglehub.model_download(handle))
    except Exception as error:
        # The client raises bare ones, for a setting or a file of credentials that it cannot read.
        raise ValueError(
            f"--weights=imagenet: Kaggle does not give {preset} ({type(error).__name__}: {error}): "
            f"check the network and ~/.kaggle/kaggle.json, {BY_HAND}"
        ) from error


def convert_preset(folder: pathlib.Path, output: pathlib.Path, *, architecture: str) -> None:
    """Writes a preset as a weights file with its contract, once both networks agree.

    Args:
      folder: what KerasHub saved: config.json, model.weights.h5.
      output: X.weights.h5; X.contract.json goes beside it.
      architecture: a key of `backbones.BACKBONES`, one of the transformers.

    Raises:
      ValueError: if it is no such preset, its network is another one, or the two disagree.
    """
    hub = import_keras_hub(architecture)
    try:
        source = hub.models.ViTBackbone.from_preset(str(folder), dtype="float32")
        sha256 = hashlib.sha256((folder / "model.weights.h5").read_bytes()).hexdigest()
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"--weights=imagenet: {folder} is no preset of KerasHub's ViTBackbone ({error}), "
            f"{BY_HAND}"
        ) from error
    image_size, _, channels = source.image_shape
    ours = _in_float32(architecture, image_size, channels)
    shapes = [[tuple(v.shape) for v in network.variables] for network in (source, ours)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"--weights=imagenet: {folder} is not a {architecture}, {BY_HAND}")
    ours.set_weights(source.get_weights())
    images = np.random.default_rng(0).normal(size=(2, image_size, image_size, channels))
    theirs, mine = (np.asarray(network(images.astype(np.float32))) for network in (source, ours))
    difference = float(np.linalg.norm(mine - theirs) / np.linalg.norm(theirs))
    if not difference <= 1e-5:  # also where it is NaN
        raise ValueError(
            f"--weights=imagenet: the network of {folder} and {architecture} differ by "
            f"{difference:.1e}, {BY_HAND}"
        )
    contract = InputContract(
        architecture=architecture,
        channels=channels,
        low=0.0,
        high=1.0,
        mean=(0.5,) * channels,
        std=(0.5,) * channels,
        image_size=image_size,
        head_outputs=0,
        class_names=(),
        source_sha256=sha256,
        proof={"source": f"KerasHub {hub.__version__}", "relative_difference": difference},
    )
    save_backbone_weights(ours, output, contract)


def _in_float32(architecture, image_size, channels):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        return build_backbone(architecture, image_size=image_size, channels=channels)
    finally:
        keras.config.set_dtype_policy(policy)


def _refuse_unreachable(preset: str) -> None:
    """Raises ValueError where Kaggle does not answer: its client would wait without an end."""
    import requests  # Comes with kagglehub.

    try:
        requests.head(API, timeout=REACH_TIMEOUT_S)
    except OSError as error:
        raise ValueError(
            f"--weights=imagenet: {API} does not answer for {preset} ({type(error).__name__}): "
            f"check the network and its proxy, {BY_HAND}"
        ) from error
