"""torchvision networks with random weights, and the same weights in the Keras networks."""

import keras
import numpy as np
import torch

# torchvision's wheel for CUDA imports beside a CPU build of PyTorch once these two exist.
_STUBS = torch.library.Library("torchvision", "DEF")
for _schema in (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
):
    _STUBS.define(_schema)

import torchvision  # noqa: E402  needs the stubs above

_VARIABLE_NAMES = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
    "kernel": "weight",
    "bias": "bias",
}

_TORCHVISION_NAMES = {"squeezenet": "squeezenet1_1"}
_ARGUMENTS = {"inception_v3": {"init_weights": True}}  # else it warns that it may not one day
_SCALING_IMAGE_PX = {"inception_v3": 96}


def random_torch_network(name, *, seed):
    """Returns the torchvision network in inference mode, batch-norm statistics, biases randomised.

    Each convolution is scaled to outputs of unit deviation: as PyTorch initialises them, the signal
    dies on the way, MobileNetV2 gives every image the same features to 1e-7, and agreement on
    them would prove nothing.
    """
    torch.manual_seed(seed)
    build = getattr(torchvision.models, _TORCHVISION_NAMES.get(name, name))
    network = build(weights=None, **_ARGUMENTS.get(name, {})).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
        elif isinstance(module, torch.nn.Conv2d) and module.bias is not None:
            torch.nn.init.uniform_(module.bias, -0.1, 0.1)
    _scale_convolutions(network, _SCALING_IMAGE_PX.get(name, 64))
    return network


def _scale_convolutions(network, side):
    def scale(module, _, output):
        deviation = output.std()
        module.weight.div_(deviation)
        if module.bias is not None:
            module.bias.div_(deviation)
        return output / deviation

    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    hooks = [convolution.register_forward_hook(scale) for convolution in convolutions]
    with torch.no_grad():
        network(coarse_images(4, side))
    for hook in hooks:
        hook.remove()


def coarse_images(count, side):
    """Returns images that still differ once pooled, float32 [count, 3, side, side]."""
    coarse = torch.randn(count, 3, 4, 4) + torch.randn(count, 3, 1, 1)
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")


def copy_weights(network, backbone):
    """Copies by name and returns the PyTorch names that no Keras variable took."""
    state = {name.replace(".", "_"): value.numpy() for name, value in network.state_dict().items()}
    for layer in backbone.layers:
        for variable in layer.variables:
            value = state.pop(f"{layer.name}_{_VARIABLE_NAMES[variable.name]}")
            variable.assign(_to_keras_layout(value, layer))
    return {name for name in state if not name.endswith("num_batches_tracked")}


def torch_feature_map(name, network, images):
    """Returns torchvision's last feature map, float32 [batch, height, width, channels]."""
    x = torch.from_numpy(images.transpose(0, 3, 1, 2))
    with torch.no_grad():
        if name == "inception_v3":
            maps = []
            hook = network.Mixed_7c.register_forward_hook(lambda *call: maps.append(call[-1]))
            network(x)
            hook.remove()
            x = maps[0]
        elif name.startswith("resnet"):
            x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
            x = network.layer4(network.layer3(network.layer2(network.layer1(x))))
        else:
            x = network.features(x)
            x = torch.relu(x) if name == "densenet121" else x
    return x.numpy().transpose(0, 2, 3, 1)


def _to_keras_layout(value, layer):
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return np.transpose(value, (2, 3, 0, 1))
    return np.transpose(value, (2, 3, 1, 0)) if value.ndim == 4 else value
