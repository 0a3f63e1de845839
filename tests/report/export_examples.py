"""The content of parity.json of made-up exports."""

import copy


def speed(p50=2.0):
    return {
        "latency_ms": {"p50": p50, "p99": 3 * p50},
        "images_per_second": 1000 / p50,
        "batch": 16,
        "rounds": 20,
    }


def entry(file, **changes):
    return {
        "file": file,
        "format": file.split("/")[0],
        "precision": "weights and arithmetic float32",
        "largest_difference": 2.4e-7,
        "mean_difference": 3e-8,
        "decisions_changed": [],
        "balanced_accuracy": 0.81,
        "bytes": 94_321,
        "sha256": "a" * 64,
        "speed": speed(),
        "speed_of_network": speed(),
        **changes,
    }


_CONTENT = {
    "task": "multiclass",
    "classes": ["Normal", "Pneumonia", "COVID-19"],
    "intended_use": "Research use only. Not a medical device.",
    "tolerance": 1e-4,
    "images": {"split": "validation", "n_images": 40},
    "network": {
        "sha256": "b" * 64,
        "bytes": 1_234_567,
        "balanced_accuracy": 0.81,
        "speed": speed(5.0),
    },
    "exports": [
        entry("onnx/model.onnx"),
        entry(
            "litert/int8.tflite",
            precision="weights and arithmetic int8",
            largest_difference=0.0312,
            balanced_accuracy=0.79,
            decisions_changed=[
                {"image": "<b>.png", "network": "Normal", "export": "COVID-19"},
                *(
                    {"image": f"{i}.png", "network": "Normal", "export": "Pneumonia"}
                    for i in range(6)
                ),
            ],
            operations={"INT8": ["CONV_2D"], "FLOAT32": ["CAST"]},
            representative=["x.png", "y.png"],
        ),
    ],
    "threads": 2,
    "packages": {"onnx": "1.23.2"},
    "commit": "c0ffee",
    "command": "python -m tfcovid.export --workdir=RUN --format=litert,onnx",
}


def content(*more):
    """Returns a fresh copy, with further entries."""
    found = copy.deepcopy(_CONTENT)
    found["exports"] += more
    return found
