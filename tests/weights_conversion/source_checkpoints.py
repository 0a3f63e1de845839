"""Checkpoints as people have them, made from torchvision networks with random weights.

The renaming here is written from the sources that named the tensors so, and shares nothing with
the tables and networks under test.
"""

import re

import torch

from tests.models.torch_parity import random_torch_network

PREFIXES = (
    "",
    "module.",
    "model.",
    "backbone.",
    "net.",
    "densenet121.",
    "resnet50.",
    "module.densenet121.",
    "module.model.net.backbone.",
)

CONTAINERS = {
    "plain": lambda state: state,
    "state_dict": lambda state: {"epoch": 7, "arch": "x", "state_dict": state, "best": 0.84},
    "model": lambda state: {"model": state, "optimizer": {"state": {}, "param_groups": []}},
    "nested": lambda state: {"model": {"state_dict": state}, "lr": 0.1},
}


def network(name, *, outputs=14, channels=3, seed=1):
    """Returns a torchvision network in inference mode with another head or first convolution."""
    net = random_torch_network(name, seed=seed)
    torch.manual_seed(seed + 1)
    if name.startswith("resnet"):
        net.fc = torch.nn.Linear(net.fc.in_features, outputs)
        if channels != 3:
            net.conv1 = torch.nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    elif name == "densenet121":
        net.classifier = torch.nn.Linear(net.classifier.in_features, outputs)
        if channels != 3:
            conv = torch.nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
            net.features.conv0 = conv
    elif name == "inception_v3":
        net.fc = torch.nn.Linear(2048, outputs)
    elif name in ("vgg19", "alexnet"):
        net.classifier[6] = torch.nn.Linear(4096, outputs)
    elif name == "squeezenet":
        net.classifier[1] = torch.nn.Conv2d(512, outputs, 1)
    else:
        net.classifier[1] = torch.nn.Linear(1280, outputs)
        if channels != 3:
            net.features[0][0] = torch.nn.Conv2d(channels, 32, 3, stride=2, padding=1, bias=False)
    return net.eval()


def renamed(state, rename):
    """Returns the state dict under other names, counters kept."""
    return {rename(name): tensor for name, tensor in state.items()}


def with_prefix(state, prefix):
    """Returns the state dict behind a wrapper's prefix."""
    return renamed(state, lambda name: prefix + name)


def without_counters(state):
    """Returns the state dict as PyTorch wrote it before 0.4.1."""
    return {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")}


def densenet_2017(name):
    """torchvision before 0.2: `self.add_module('norm.1', …)`; CheXNet's head is a Sequential."""
    name = re.sub(r"(denselayer\d+\.)(norm|relu|conv)([12])\.", r"\1\2.\3.", name)
    return re.sub(r"^classifier\.", "classifier.0.", name)


def mobilenet_flat(name):
    """torchvision before 0.6: a block is one Sequential with its activations in it."""
    match = re.match(r"features\.(\d+)\.conv\.(.*)", name)
    if not match:
        return name
    block, rest = int(match[1]), match[2]
    pairs = (
        [("0.0", "0"), ("0.1", "1"), ("1", "3"), ("2", "4")]
        if block == 1
        else [("0.0", "0"), ("0.1", "1"), ("1.0", "3"), ("1.1", "4"), ("2", "6"), ("3", "7")]
    )
    for new, old in pairs:
        if rest.startswith(f"{new}."):
            return f"features.{block}.conv.{old}.{rest[len(new) + 1 :]}"
    raise AssertionError(name)


def mobilenet_timm(name):
    """timm's mobilenetv2_100: an EfficientNet of blocks."""
    name = name.replace("features.0.0.", "conv_stem.").replace("features.0.1.", "bn1.")
    name = name.replace("features.18.0.", "conv_head.").replace("features.18.1.", "bn2.")
    name = name.replace("classifier.1.", "classifier.")
    match = re.match(r"features\.(\d+)\.conv\.(.*)", name)
    if not match:
        return name
    blocks = [(s, r) for s, count in enumerate((1, 2, 3, 4, 3, 3, 1)) for r in range(count)]
    (stage, index), rest = blocks[int(match[1]) - 1], match[2]
    pairs = (
        [("0.0", "conv_dw"), ("0.1", "bn1"), ("1", "conv_pw"), ("2", "bn2")]
        if stage == 0
        else [
            *(("0.0", "conv_pw"), ("0.1", "bn1"), ("1.0", "conv_dw"), ("1.1", "bn2")),
            *(("2", "conv_pwl"), ("3", "bn3")),
        ]
    )
    for new, timm in pairs:
        if rest.startswith(f"{new}."):
            return f"blocks.{stage}.{index}.{timm}.{rest[len(new) + 1 :]}"
    raise AssertionError(name)


def resnet_sequential(name):
    """`self.features = Sequential(*list(resnet.children())[:-1])` and a `self.fc` of its own."""
    children = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
    child, _, rest = name.partition(".")
    return name if child == "fc" else f"features.{children.index(child)}.{rest}"


def resnet_transformers(name):
    """transformers' ResNetForImageClassification."""
    name = re.sub(r"^conv1\.", "resnet.embedder.embedder.convolution.", name)
    name = re.sub(r"^bn1\.", "resnet.embedder.embedder.normalization.", name)
    name = re.sub(r"^fc\.", "classifier.1.", name)
    name = re.sub(
        r"^layer(\d)\.(\d+)\.",
        lambda m: f"resnet.encoder.stages.{int(m[1]) - 1}.layers.{m[2]}.",
        name,
    )
    name = name.replace("downsample.0.", "shortcut.convolution.")
    name = name.replace("downsample.1.", "shortcut.normalization.")
    name = re.sub(r"\.conv(\d)\.", lambda m: f".layer.{int(m[1]) - 1}.convolution.", name)
    return re.sub(r"\.bn(\d)\.", lambda m: f".layer.{int(m[1]) - 1}.normalization.", name)


def as_named(name):
    return name


# (torchvision network, how it is renamed), a row for every naming that we know.
SPELLINGS = {
    "resnet18": ("resnet18", as_named),
    "resnet34": ("resnet34", as_named),
    "resnet50": ("resnet50", as_named),
    "resnet101": ("resnet101", as_named),
    "resnet18, Sequential": ("resnet18", resnet_sequential),
    "resnet50, Sequential": ("resnet50", resnet_sequential),
    "resnet18, transformers": ("resnet18", resnet_transformers),
    "resnet50, transformers": ("resnet50", resnet_transformers),
    "densenet121": ("densenet121", as_named),
    "densenet121, 2017": ("densenet121", densenet_2017),
    "mobilenet_v2": ("mobilenet_v2", as_named),
    "mobilenet_v2, flat": ("mobilenet_v2", mobilenet_flat),
    "mobilenet_v2, timm": ("mobilenet_v2", mobilenet_timm),
    "vgg19": ("vgg19", as_named),
    "inception_v3": ("inception_v3", as_named),
    "alexnet": ("alexnet", as_named),
    "squeezenet": ("squeezenet", as_named),
}

# Their heads are more than a linear layer, and are left out.
HEAD_DROPPED = ("vgg19", "alexnet", "squeezenet")
