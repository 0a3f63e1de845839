"""What config.json and its like beside a checkpoint say, in timm's and in transformers' form."""

import dataclasses
import json
import pathlib

_MOST_BYTES = 1 << 20

# timm's and transformers' names of the networks we have; other names are other networks, though
# their tensors may be called and shaped alike.
_ARCHITECTURES = {
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50",
    "resnet101": "resnet101",
    "densenet121": "densenet121",
    "mobilenetv2_100": "mobilenet_v2",
    "vgg19": "vgg19",
    "inception_v3": "inception_v3",
}


# Arguments of timm's that leave the network what its name says.
_HARMLESS = {"in_chans", "num_classes", "drop_rate", "drop_path_rate", "pretrained"}


@dataclasses.dataclass(frozen=True)
class PublishedSettings:
    """The published settings; None where the file says nothing.

    Attributes:
      architecture: our name of the network.
      mean: subtracted per channel from values in 0..1.
      std: divided by per channel.
      image_size: side of the training image, px.
      class_names: names of the outputs, in order.
    """

    architecture: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    image_size: int | None = None
    class_names: tuple[str, ...] | None = None


def read_settings(checkpoint: pathlib.Path) -> PublishedSettings:
    """Returns what config.json beside the checkpoint says, all None without one of known form.

    Raises:
      ValueError: if it says that the network is one whose tensors are called like those of a
        network we have, but that computes something else.
    """
    fields = _read_json(checkpoint.with_name("config.json"))
    if fields.get("model_type") == "resnet":
        return _transformers(fields, _read_json(checkpoint.with_name("preprocessor_config.json")))
    if isinstance(fields.get("architecture"), str):
        return _timm(fields)
    return PublishedSettings()


def _read_json(path):
    """Returns the object in a small JSON file, {} where there is none."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return {}
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _timm(fields):
    name = fields["architecture"]
    arguments = fields.get("model_args")
    odd = sorted(set(arguments) - _HARMLESS) if isinstance(arguments, dict) else []
    if odd:
        raise ValueError(
            f"is {name} with {', '.join(odd)} changed, by the config.json beside it: expected the "
            "network as it is by default, because such a one computes something else"
        )
    if name not in _ARCHITECTURES:
        raise ValueError(
            f"is {name} by the config.json beside it: expected one of "
            f"{', '.join(_ARCHITECTURES)}; a network of another name computes something else"
        )
    trained = fields.get("pretrained_cfg")
    trained = trained if isinstance(trained, dict) else fields
    size = trained.get("input_size")
    return PublishedSettings(
        architecture=_ARCHITECTURES[name],
        mean=_numbers(trained.get("mean")),
        std=_numbers(trained.get("std")),
        image_size=size[-1] if isinstance(size, list) and isinstance(size[-1], int) else None,
        class_names=_names(fields.get("label_names")),
    )


def _transformers(fields, preprocessor):
    moved = fields.get("downsample_in_bottleneck") or fields.get("downsample_in_first_stage")
    if moved or fields.get("hidden_act", "relu") != "relu":
        raise ValueError(
            "has a stride elsewhere (ResNet v1, or in the first stage) or another activation, by "
            "the config.json beside it: expected v1.5 with ReLU, as torchvision has it"
        )
    return PublishedSettings(
        mean=_numbers(preprocessor.get("image_mean")),
        std=_numbers(preprocessor.get("image_std")),
        class_names=_names(_in_order(fields.get("id2label"))),
    )


def _in_order(labels):
    """Returns the labels by their index; JSON's keys are texts, and "10" sorts before "2"."""
    if not isinstance(labels, dict) or set(labels) != {str(n) for n in range(len(labels))}:
        return None
    return [labels[str(index)] for index in range(len(labels))]


def _numbers(values):
    fits = isinstance(values, list) and all(isinstance(v, int | float) for v in values)
    return tuple(float(value) for value in values) if fits and values else None


def _names(values):
    fits = isinstance(values, list) and all(isinstance(value, str) for value in values)
    return tuple(values) if fits and len(set(values)) == len(values) else None
