"""The weights a backbone starts from: a file that was named, or published ones, converted."""

import dataclasses
import os
import pathlib
import subprocess
import sys

import rich.console

from flags import choices
from tfcovid.console import say
from tfcovid.data.sources.readers import cache_folder
from tfcovid.experiment import hub_presets
from tfcovid.models.input_contract import contract_path
from tfcovid.whole_file import sha256_of

_TORCHVISION = "https://download.pytorch.org/models/"

PROJECT = pathlib.Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Published:
    """Where weights are published.

    Attributes:
      hub: address that weights_conversion takes, "" where no hub has them.
      torch_file: what torchvision's own download is called in PyTorch's cache; its name ends in
        the first eight digits of its SHA-256.
    """

    hub: str
    torch_file: str


IMAGENET = {
    "resnet18": Published("hf://timm/resnet18.tv_in1k", "resnet18-f37072fd.pth"),
    "resnet34": Published("hf://timm/resnet34.tv_in1k", "resnet34-b627a593.pth"),
    "resnet50": Published("hf://timm/resnet50.tv_in1k", "resnet50-0676ba61.pth"),
    "resnet101": Published("hf://timm/resnet101.tv_in1k", "resnet101-63fe2227.pth"),
    "densenet121": Published("hf://timm/densenet121.tv_in1k", "densenet121-a639ec97.pth"),
    "mobilenet_v2": Published("hf://timm/mobilenetv2_100.ra_in1k", "mobilenet_v2-b0353104.pth"),
    "vgg19": Published("hf://timm/vgg19.tv_in1k", "vgg19-dcbb9e9d.pth"),
    "inception_v3": Published("hf://timm/inception_v3.tv_in1k", "inception_v3_google-0cc3c7bd.pth"),
    "alexnet": Published("", "alexnet-owt-7be5be79.pth"),
    "squeezenet": Published("", "squeezenet1_1-b8a52dc0.pth"),
}
"""Those of PyTorch networks; `hub_presets` has the transformers'.

Source: torchvision 0.28.0, the *_Weights.IMAGENET1K_V1 of each; timm's copies of them (its own
training for MobileNetV2)."""


def find_weights(
    asked: choices.PublishedWeights | choices.SystemWeights | pathlib.Path | None,
    backbone: choices.Backbone,
    console: rich.console.Console,
) -> pathlib.Path | None:
    """Returns the weights file that a backbone starts from, None where it starts from no file.

    Published weights are converted once, those of PyTorch in a process of its own, by the command a
    user would type; the result stays in the cache folder.

    Args:
      asked: what it starts from.
      backbone: the architecture.
      console: where the conversion's lines go.

    Raises:
      ValueError: if published weights are neither here nor to be had, or do not convert.
    """
    if not isinstance(asked, choices.PublishedWeights):
        return asked if isinstance(asked, pathlib.Path) else None
    folder = cache_folder() / "weights"
    converted = folder / f"{asked}-{backbone}.weights.h5"
    if not (converted.is_file() and contract_path(converted).is_file()):
        folder.mkdir(parents=True, exist_ok=True)
        if backbone in hub_presets.PRESETS:
            preset = hub_presets.fetch_preset(backbone)
            say(console, f"weights: {asked} from {preset}, converted into {folder}")
            hub_presets.convert_preset(preset, converted, architecture=backbone)
            return converted
        published = IMAGENET[backbone]
        checkpoint = _in_torch_cache(published, console) or _on_hub(published, asked, backbone)
        say(console, f"weights: {asked} from {checkpoint}, converted into {folder}")
        _convert(str(checkpoint), converted, asked, backbone, console)
    return converted


def _on_hub(published, asked, backbone):
    """Returns the address on the hub.

    Raises:
      ValueError: if no hub has the weights; the message says where they are and belong.
    """
    if not published.hub:
        raise ValueError(
            f"--weights={asked}: no hub has those of {backbone}; put torchvision's "
            f"{_TORCHVISION}{published.torch_file} at {_torch_cache() / published.torch_file}"
        )
    return published.hub


def _torch_cache():
    """Returns the folder where torchvision's downloads lie."""
    home = os.environ.get("TORCH_HOME") or pathlib.Path.home() / ".cache" / "torch"
    return pathlib.Path(home) / "hub" / "checkpoints"


def _in_torch_cache(published, console):
    """Returns torchvision's own download where PyTorch's cache has it whole."""
    path = _torch_cache() / published.torch_file
    if not path.is_file():
        return None
    digest = sha256_of(path)
    if digest.startswith(path.stem.rpartition("-")[2]):
        return path
    say(console, f"note: {path} is not used: its SHA-256 {digest[:8]}… is not the one in its name")
    return None


def _convert(checkpoint, output, asked, backbone, console):
    command = (
        *(sys.executable, "-m", "weights_conversion", f"--checkpoint={checkpoint}"),
        *(f"--output={output}", f"--architecture={backbone}", "--head=drop"),
    )
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode and not output.is_file():  # unless another run was faster
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ValueError(
            f"--weights={asked}: {reason.removeprefix('error: ')}; or name a converted "
            "file in --weights"
        )
    for line in done.stdout.splitlines():
        if not line.startswith(("wrote:", "use it:")):
            say(console, f"  {line}")
