"""The namings we know: each with its name table, its source network and the stages both show.

A naming is an architecture in one spelling of its tensors. The prefix that a wrapper puts before
every name (`module.`, `model.backbone.`, …) is not part of it.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial

from weights_conversion.names import alexnet as alexnet_names
from weights_conversion.names import densenet as densenet_names
from weights_conversion.names import inception_v3 as inception_names
from weights_conversion.names import mobilenet_v2 as mobilenet_names
from weights_conversion.names import resnet as resnet_names
from weights_conversion.names import squeezenet as squeezenet_names
from weights_conversion.names import vgg as vgg_names
from weights_conversion.names.table import Table
from weights_conversion.reference import (
    alexnet,
    densenet,
    inception_v3,
    mobilenet_v2,
    resnet,
    squeezenet,
    vgg,
)


@dataclasses.dataclass(frozen=True)
class Naming:
    """An architecture in one spelling.

    Attributes:
      architecture: a key of `tfcovid.models.backbones.BACKBONES`.
      spelling: who names tensors so, for the reader.
      anchor: the first convolution's weight; what stands before it is the prefix.
      table: tensor name -> place in the Keras backbone.
      network: the source network, (ops, images) -> pairs (stage, feature map).
      stages: stage -> Keras layer whose output it is.
    """

    architecture: str
    spelling: str
    anchor: str
    table: Table
    network: Callable
    stages: Mapping[str, str]


ASSUMED = (
    "what no tensor tells is as torchvision has it: ReLU (MobileNetV2: ReLU6), stride on the 3x3 "
    "convolution, symmetric padding, no dilation, no blur, epsilon 1e-5 (Inception: 1e-3), a head "
    "that ends in logits"
)
"""Checkpoints of networks that differ in nothing else look the same; a config.json tells them."""

_RESNETS = {
    "resnet18": ((2, 2, 2, 2), False),
    "resnet34": ((3, 4, 6, 3), False),
    "resnet50": ((3, 4, 6, 3), True),
    "resnet101": ((3, 4, 23, 3), True),
}


def _resnet(architecture, spelling, names, table):
    blocks, bottleneck = _RESNETS[architecture]
    return Naming(
        architecture=architecture,
        spelling=spelling,
        anchor=f"{names.stem[0]}.weight",
        table=table(blocks=blocks, convolutions=3 if bottleneck else 2),
        network=partial(resnet.resnet, names=names, blocks=blocks, bottleneck=bottleneck),
        stages={
            "stem": "maxpool",
            **{f"stage {n}": f"layer{n}_{last - 1}_relu" for n, last in enumerate(blocks, start=1)},
        },
    )


def _densenet121(spelling, dot, table):
    stages = {"stem": "features_pool0"}
    for block, repeats in enumerate((6, 12, 24, 16), start=1):
        stages[f"block {block}"] = f"features_denseblock{block}_denselayer{repeats}_concat"
        if block < 4:
            stages[f"transition {block}"] = f"features_transition{block}_pool"
    return Naming(
        architecture="densenet121",
        spelling=spelling,
        # Both spellings have the same stem: the fit of the whole table decides.
        anchor="features.conv0.weight",
        table=table(),
        network=partial(densenet.densenet121, dot=dot),
        stages={**stages, "last norm": "features_norm5_relu"},
    )


def _mobilenet_v2(spelling, names, table):
    last_layers = ("1_conv_2", "3_add", "6_add", "10_add", "13_add", "16_add", "17_conv_3")
    return Naming(
        architecture="mobilenet_v2",
        spelling=spelling,
        anchor=f"{names.stem[0]}.weight",
        table=table(),
        network=partial(mobilenet_v2.mobilenet_v2, names=names),
        stages={
            "stem": "features_0_2",
            **{f"stage {n}": f"features_{last}" for n, last in enumerate(last_layers, start=1)},
            "last convolution": "features_18_2",
        },
    )


_VGG19 = Naming(
    architecture="vgg19",
    spelling="torchvision, timm",
    anchor="features.0.weight",
    table=vgg_names.torchvision(),
    network=vgg.vgg19,
    stages={f"stage {n}": f"features_{i}" for n, i in enumerate((4, 9, 18, 27, 36), start=1)},
)

_ALEXNET = Naming(
    architecture="alexnet",
    spelling="torchvision",
    anchor="features.0.weight",
    table=alexnet_names.torchvision(),
    network=alexnet.alexnet,
    stages={f"convolution {n}": f"features_{i}" for n, i in enumerate((2, 5, 7, 9, 12), start=1)},
)

_SQUEEZENET = Naming(
    architecture="squeezenet",
    spelling="torchvision, 1.1",
    anchor="features.0.weight",
    table=squeezenet_names.torchvision(),
    network=squeezenet.squeezenet,
    stages={
        "stem": "features_2",
        **{f"fire {i}": f"features_{i}_concat" for i in (3, 4, 6, 7, 9, 10, 11, 12)},
    },
)

_INCEPTION_BLOCKS = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")
_INCEPTION_V3 = Naming(
    architecture="inception_v3",
    spelling="torchvision, timm",
    anchor="Conv2d_1a_3x3.conv.weight",
    table=inception_names.torchvision(),
    network=inception_v3.inception_v3,
    stages={
        "stem": "maxpool2",
        **{f"Mixed_{block}": f"Mixed_{block}_concat" for block in _INCEPTION_BLOCKS},
    },
)

NAMINGS = (
    *(
        _resnet(name, "torchvision, timm", resnet.TorchvisionNames(), resnet_names.torchvision)
        for name in _RESNETS
    ),
    *(
        _resnet(
            name, "torchvision in a Sequential", resnet.SequentialNames(), resnet_names.sequential
        )
        for name in _RESNETS
    ),
    *(
        _resnet(name, "transformers", resnet.TransformersNames(), resnet_names.transformers)
        for name in _RESNETS
    ),
    _densenet121("torchvision, timm, torchxrayvision", "", densenet_names.torchvision),
    _densenet121("torchvision of 2017, CheXNet", ".", densenet_names.torchvision_2017),
    _mobilenet_v2("torchvision", mobilenet_v2.TorchvisionNames(), mobilenet_names.torchvision),
    _mobilenet_v2("the old flat one", mobilenet_v2.FlatNames(), mobilenet_names.flat),
    _mobilenet_v2("timm", mobilenet_v2.TimmNames(), mobilenet_names.timm),
    _VGG19,
    _INCEPTION_V3,
    _ALEXNET,
    _SQUEEZENET,
)

ARCHITECTURES = tuple(dict.fromkeys(naming.architecture for naming in NAMINGS))
