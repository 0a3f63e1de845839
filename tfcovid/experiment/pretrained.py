"""What backbones start from, by architecture: converted weights, and the input they expect."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping

import keras
import rich.console

from flags import choices
from flags.config import Config
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.weights import find_weights
from tfcovid.models.input_contract import InputContract, contract_path
from tfcovid.models.weights_file import load_backbone_weights, verified_contract


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """A trained backbone that networks of its architecture start from.

    Attributes:
      about: where it is from, for the reader, in one phrase.
      preprocessing: the input it expects.
      load: puts its weights into a backbone of its architecture.
      contract: the file that says so, None where it is a run's.
    """

    about: str
    preprocessing: Preprocessing
    load: Callable[[keras.Model], object]
    contract: pathlib.Path | None = None


Start = Mapping[str, Pretrained]
"""What each architecture starts from; one that is not in it starts from random weights."""


def find_start(config: Config, console: rich.console.Console) -> dict[str, Pretrained]:
    """Returns what the backbones of a run start from.

    Args:
      config: what is asked for.
      console: where a conversion's lines go.

    Raises:
      ValueError: if a file is of an architecture that is not asked for, two are of one, or
        weights are not to be had.
    """
    model = config.model
    found: dict[str, pathlib.Path] = {}
    for path in model.member_weights:
        architecture = verified_contract(path).architecture
        if architecture not in model.backbones or architecture in found:
            raise ValueError(
                f"--member_weights={path} holds {architecture}: expected one file for each "
                f"architecture of --members={','.join(model.members)}"
            )
        found[architecture] = path
    for backbone in model.backbones:
        own = None if backbone in found else find_weights(model.weights, backbone, console)
        if own is None:
            continue
        architecture = verified_contract(own).architecture
        if architecture != backbone:
            raise ValueError(
                f"--weights={own} holds {architecture}, but --backbone={backbone}: expected the "
                "same; change one of them"
            )
        found[backbone.value] = own
    return {architecture: pretrained_of_file(path, config) for architecture, path in found.items()}


def pretrained_of_file(path: pathlib.Path, config: Config) -> Pretrained:
    """Returns the backbone of a converted weights file.

    Args:
      path: X.weights.h5, with X.contract.json beside it.
      config: says what is shown of an image, and at which size.

    Raises:
      ValueError: if file and contract do not belong together, or a transformer's is of another
        image size.
    """
    contract = verified_contract(path)
    size = config.data.image_size
    if choices.Backbone(contract.architecture).patch_px > 1 and size != contract.image_size:
        raise ValueError(
            f"--image_size={size} with {path}: expected {contract.image_size}, for a "
            f"{contract.architecture} has weights for each place of an image of that size"
        )
    about = f"{path} (trained at {contract.image_size} px"
    if contract.head_outputs:
        about += f"; its head of {contract.head_outputs} outputs makes way for a new one"
    return Pretrained(
        about=f"{about})",
        preprocessing=contract_input(contract, config),
        load=lambda backbone: load_backbone_weights(backbone, path),
        contract=contract_path(path),
    )


def contract_input(contract: InputContract, config: Config) -> Preprocessing:
    """Returns the input that a contract asks for, at the size and view that the flags ask for."""
    return Preprocessing(
        image_size=config.data.image_size,
        view=config.data.view.value,
        chain=config.data.preprocessing.value,
        channels=contract.channels,
        low=contract.low,
        high=contract.high,
        mean=contract.mean,
        std=contract.std,
    )
