"""How a peer turns one PyTorch checkpoint into a Keras 3 model: right, whole, reloadable, how fast.

    python3.11 -m venv .venv-peers
    .venv-peers/bin/pip install -r benchmarks/requirements-peers.txt
    .venv-peers/bin/python benchmarks/conversion_peers.py --make --folder=runs/peers
    .venv-peers/bin/python benchmarks/conversion_peers.py --peer=keras_hub --network=resnet50 \
        --checkpoint=runs/peers/resnet50.pth --images=runs/peers/images.npy \
        --expected=runs/peers/resnet50_logits.npy

A run measures one peer on one network in a process of its own and prints one
line of JSON; logs go to stderr. The peers need packages that the project does
not, so this script runs in their environment and imports nothing of tfcovid.

Both peers go the way their documentation shows. keras_hub reads a folder in
timm's layout; timm names a ResNet's and a DenseNet's tensors as torchvision
does. onnx2keras reads what `torch.onnx.export` wrote, and what that keeps
depends on how it is called, so there are three recipes:

    exporter_defaults  torch.onnx.export(network, ...): fuses batch norms into convolutions
    whole              the exporter told to keep the batch norms; the network as torchvision has it
    headless           the same without pooling and classifier, which are rebuilt in Keras by hand
"""

import argparse
import concurrent.futures
import functools
import importlib.metadata
import io
import json
import multiprocessing
import os
import tempfile
import time
from pathlib import Path

import numpy as np

NUM_OUTPUTS = 14
IMAGE_SIZE_PX = 224

# torchvision's name, and the one that timm's config.json gives the same network.
TIMM_ARCHITECTURES = {
    "resnet50": "resnet50",
    "resnet18": "resnet18",
    "densenet121": "densenet121",
    "mobilenet_v2": "mobilenetv2_100",
}
DISTRIBUTIONS = {"keras_hub": "keras-hub", "onnx2keras": "onnx2keras"}
NOTES = {
    None: None,
    "exporter_defaults": "torch.onnx.export with its defaults",
    "whole": "torch.onnx.export(dynamo=False, training=PRESERVE), which keeps batch norms",
    "headless": "as 'whole', without pooling and classifier, which are rebuilt in Keras by hand",
}
# What a converter raises on a network that it cannot convert, or Keras on a file it cannot read.
PEER_ERRORS = (
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)


def make(folder):
    """Writes images, and of each network a random checkpoint with the logits it gives."""
    folder.mkdir(parents=True, exist_ok=True)
    images = random_images(np.random.default_rng(0))
    np.save(folder / "images.npy", images)
    for name in TIMM_ARCHITECTURES:
        network, logits = random_network(name, images)
        import_torch().save(network.state_dict(), folder / f"{name}.pth")
        np.save(folder / f"{name}_logits.npy", logits)
        print(f"{name}: logits differ between images by {spread(logits):.1e} of their norm")


def random_images(rng, count=4, blocks=4):
    """Returns images, float32 [count, 224, 224, 3]; white noise alone looks alike once pooled."""
    side = IMAGE_SIZE_PX // blocks
    coarse = rng.normal(size=(count, blocks, blocks, 3)) + rng.normal(size=(count, 1, 1, 3))
    coarse = coarse.repeat(side, axis=1).repeat(side, axis=2)
    return (coarse + 0.3 * rng.normal(size=coarse.shape)).astype(np.float32)


def random_network(name, images, seed=0):
    """Returns a torchvision network in inference mode, and its logits.

    Each convolution is scaled to outputs of unit deviation. Left as PyTorch
    initialises them, the signal dies on the way: MobileNetV2 then gives every
    image the same logits to 1e-7, and agreement would prove nothing.
    """
    torch = import_torch()
    torch.manual_seed(seed)
    network = torchvision_network(name)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)

    def scale(module, _, output):
        deviation = output.std()
        module.weight.div_(deviation)
        return output / deviation

    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    hooks = [convolution.register_forward_hook(scale) for convolution in convolutions]
    inputs = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    with torch.no_grad():
        network(inputs)
        for hook in hooks:
            hook.remove()
        return network, network(inputs).numpy()


def import_torch():
    import torch

    return torch


@functools.cache  # they last as long as the library object does
def operator_stubs():
    """Defines what torchvision's wheel for CUDA needs to import beside a CPU build of PyTorch."""
    library = import_torch().library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def torchvision_network(name):
    """Returns the network in inference mode."""
    try:
        import torchvision
    except RuntimeError:
        operator_stubs()
        import torchvision
    return getattr(torchvision.models, name)(weights=None, num_classes=NUM_OUTPUTS).eval()


def write_timm_folder(checkpoint, architecture, folder):
    """Writes config.json and model.safetensors, as timm publishes a network."""
    import safetensors.torch

    state_dict = import_torch().load(checkpoint, weights_only=True)
    safetensors.torch.save_file(state_dict, Path(folder) / "model.safetensors")
    config = {"architecture": architecture, "num_classes": NUM_OUTPUTS}
    (Path(folder) / "config.json").write_text(json.dumps(config))


def keras_hub_converter(folder):
    """Imports what is needed and returns the conversion, ready to be timed."""
    import keras_hub

    return lambda: keras_hub.models.ImageClassifier.from_preset(str(folder), preprocessor=None)


def onnx2keras_converter(name, checkpoint, recipe):
    """Imports what is needed, reads the checkpoint and returns the conversion, to be timed."""
    import keras
    import onnx
    import onnx2keras

    torch = import_torch()
    torchvision_network(name)  # its import is not part of the conversion
    export(torch.nn.Conv2d(3, 3, 1), recipe)  # the exporter imports most of itself when called
    state_dict = torch.load(checkpoint, weights_only=True)

    def convert():
        network = torchvision_network(name)
        network.load_state_dict(state_dict)
        if recipe == "headless":
            network, head = split_head(name, network)
        graph = onnx.load_model_from_string(export(network, recipe))
        model = onnx2keras.onnx_to_keras(graph, ["images"], verbose=False, change_ordering=True)
        return with_head(keras, model, head) if recipe == "headless" else model

    return convert


def export(network, recipe):
    """Returns the network in inference mode as a serialised ONNX model with the input `images`."""
    torch = import_torch()
    options = {}
    if recipe != "exporter_defaults":
        preserve = torch.onnx.TrainingMode.PRESERVE
        options = {"dynamo": False, "training": preserve, "do_constant_folding": False}
    example = torch.zeros(1, 3, IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    file = io.BytesIO()
    torch.onnx.export(network.eval(), (example,), file, input_names=["images"], **options)
    return file.getvalue()


def split_head(name, network):
    """Returns the network up to its last feature map, and its linear classifier."""
    nn = import_torch().nn
    if name.startswith("resnet"):
        return nn.Sequential(*list(network.children())[:-2]), network.fc
    if name.startswith("densenet"):
        return nn.Sequential(network.features, nn.ReLU()), network.classifier
    return network.features, network.classifier[1]


def with_head(keras, backbone, linear):
    features = keras.layers.GlobalAveragePooling2D()(backbone.outputs[0])
    dense = keras.layers.Dense(linear.out_features)
    model = keras.Model(backbone.inputs[0], dense(features))
    dense.set_weights([linear.weight.detach().numpy().T, linear.bias.detach().numpy()])
    return model


def measure(args, started_s):
    """Returns the record of one peer on one network."""
    recipe = args.recipe if args.peer == "onnx2keras" else None
    record = {
        "peer": args.peer,
        "network": args.network,
        "supported": False,
        "error": None,
        "relative_difference": None,
        "expected_spread": None,
        "batch_norms_kept": None,
        "reloads_in_safe_mode": None,
        "reload_error": None,
        "seconds_convert": None,
        "seconds_total": None,
        "version": importlib.metadata.version(DISTRIBUTIONS[args.peer]),
        "recipe": recipe,
        "note": NOTES[recipe],
    }
    with tempfile.TemporaryDirectory() as folder:
        begin_s = time.perf_counter()
        if args.peer == "keras_hub":
            # In a process of its own, so that PyTorch's import is not on this peer's clock.
            architecture = TIMM_ARCHITECTURES[args.network]
            in_fresh_process(write_timm_folder, args.checkpoint, architecture, folder)
        preparation_s = time.perf_counter() - begin_s
        try:
            if args.peer == "keras_hub":
                convert = keras_hub_converter(folder)
            else:
                convert = onnx2keras_converter(args.network, args.checkpoint, recipe)
            begin_s = time.perf_counter()
            model = convert()
        except PEER_ERRORS as error:
            return record | {"error": one_line(error)}
        end_s = time.perf_counter()
        record["supported"] = True
        record["seconds_convert"] = round(end_s - begin_s, 3)
        record["seconds_total"] = round(end_s - started_s - preparation_s, 3)
        expected = np.load(args.expected)
        logits = model.predict(np.load(args.images), verbose=0)
        record["relative_difference"] = relative_difference(logits, expected)
        record["expected_spread"] = spread(expected)
        record["batch_norms_kept"] = count_batch_norms(model)
        return record | reload_record(model, logits, args.images, Path(folder) / "model.keras")


def count_batch_norms(model):
    import keras

    layers = model._flatten_layers()  # `layers` does not look into nested models
    return sum(isinstance(layer, keras.layers.BatchNormalization) for layer in layers)


def reload_record(model, logits, images, path):
    try:
        model.save(path)
        reloaded = in_fresh_process(predict_reloaded, path, images)
    except PEER_ERRORS as error:
        return {"reloads_in_safe_mode": False, "reload_error": one_line(error)}
    difference = relative_difference(reloaded, logits)
    if difference > 1e-6:
        error = f"reloaded outputs differ by {difference:.1e}"
        return {"reloads_in_safe_mode": False, "reload_error": error}
    return {"reloads_in_safe_mode": True}


def predict_reloaded(path, images):
    import keras

    return keras.saving.load_model(path).predict(np.load(images), verbose=0)


def in_fresh_process(function, *args):
    """Returns what a function of this module returns in a new interpreter; re-raises its error."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        return executor.submit(function, *args).result()


def relative_difference(actual, expected):
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))


def spread(logits):
    """Returns the part of the logits' norm that the image decides: errors are small beside it."""
    return relative_difference(logits.mean(axis=0, keepdims=True), logits)


def one_line(error):
    """Returns type and message; Keras nests messages, and the innermost says what went wrong."""
    message = str(error).rpartition("Exception encountered: ")[2]
    return f"{type(error).__name__}: {' '.join(message.split())}"


def process_start_s():
    """Returns when this process began, on the clock of `time.perf_counter` (Linux only)."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.perf_counter() - age_s


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--make", action="store_true", help="write checkpoints, images, logits")
    parser.add_argument("--folder", type=Path, help="where --make writes")
    parser.add_argument("--peer", choices=DISTRIBUTIONS)
    parser.add_argument("--network", choices=TIMM_ARCHITECTURES)
    parser.add_argument("--recipe", choices=[name for name in NOTES if name], default="whole")
    parser.add_argument("--checkpoint", type=Path, help="a torchvision state_dict, torch.save")
    parser.add_argument("--images", type=Path, help="float32 [batch, 224, 224, 3], normalised")
    parser.add_argument("--expected", type=Path, help="the logits PyTorch gives, [batch, 14]")
    args = parser.parse_args()
    needed = ["folder"] if args.make else ["peer", "network", "checkpoint", "images", "expected"]
    missing = [f"--{name}" for name in needed if getattr(args, name) is None]
    if missing:
        parser.error(f"missing {', '.join(missing)}")
    return args


def main():
    started_s = process_start_s()
    args = parse_args()
    if args.make:
        make(args.folder)
        return
    # On a GPU, TensorFloat-32 would drown the differences that are measured here.
    os.environ |= {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stdout = os.dup(1)
    os.dup2(2, 1)  # the peers print to stdout, which is for the record
    record = measure(args, started_s)
    os.write(stdout, (json.dumps(record) + "\n").encode())


if __name__ == "__main__":
    main()
