"""A made-up run for the tests of the report: realistic figures, consistent with one another."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix, roc_auc_score

from tests.report.audit_examples import picture
from tfcovid.experiment.error_analysis import analyse, pictured
from tfcovid.metrics.calibration import (
    expected_calibration_error,
    reliability_bins,
    reliability_of_class,
)
from tfcovid.report.pages import png_address

CLASSES = ("Normal", "Pneumonia", "COVID-19")
SIZES = (150, 231, 21)
EVIL_FOLDER = "<b>"
METHOD = "percentile bootstrap over patients"


def predictions(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels int [n] and probs float [n, 3] of a good, slightly too sure model."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(SIZES)), SIZES)
    logits = rng.normal(size=(len(labels), len(SIZES)))
    logits[np.arange(len(labels)), labels] += 2.6
    probs = np.exp(1.3 * logits)
    return labels, probs / probs.sum(axis=1, keepdims=True)


def interval(at: float, half: float, n_patients: int, **more: Any) -> dict[str, Any]:
    low, high = max(0.0, at - half), min(1.0, at + half)
    return {
        "low": low,
        "high": high,
        "level": 0.95,
        "method": METHOD,
        "n_patients": n_patients,
    } | more


def metrics() -> dict[str, Any]:
    """Returns the content of a metrics.json, the interval of COVID-19 on few patients."""
    labels, probs = predictions()
    matrix = confusion_matrix(labels, probs.argmax(axis=1))
    recalls = matrix.diagonal() / matrix.sum(axis=1)
    precisions = matrix.diagonal() / matrix.sum(axis=0)
    per_class, intervals = {}, {}
    for i, name in enumerate(CLASSES):
        few = {"few_groups": True} if name == "COVID-19" else {}
        others = labels != i
        per_class[name] = {
            "precision": float(precisions[i]),
            "recall": float(recalls[i]),
            "specificity": float(1 - matrix[:, i][np.arange(3) != i].sum() / others.sum()),
            "f1": float(2 / (1 / precisions[i] + 1 / recalls[i])),
            "auroc": float(roc_auc_score(labels == i, probs[:, i])),
            "auprc": 0.876,
            "n_images": SIZES[i],
            "n_patients": SIZES[i] // 3,
        }
        for key in ("precision", "recall", "specificity", "f1", "auroc"):
            at = per_class[name][key]
            intervals[f"per_class.{name}.{key}"] = interval(at, 0.04, SIZES[i] // 3, **few)
    whole = {
        "accuracy": float(matrix.trace() / matrix.sum()),
        "balanced_accuracy": float(recalls.mean()),
        "macro_f1": float(np.mean([c["f1"] for c in per_class.values()])),
        "mcc": 0.8412,
        "cohen_kappa": 0.8397,
        "brier": 0.1263,
    }
    intervals |= {key: interval(value, 0.035, 134) for key, value in whole.items()}
    return {
        "task": "multiclass",
        "classes": list(CLASSES),
        "split": "test",
        "view": "full",
        "n_images": sum(SIZES),
        "n_patients": 134,
        **whole,
        "ece": 0.0312,
        "per_class": per_class,
        "confusion_matrix": matrix.tolist(),
        "intervals": intervals,
        "calibration": {
            "class": "COVID-19",
            "before": bins(probs**2 / (probs**2).sum(axis=1, keepdims=True), labels),
            "after": bins(probs, labels),
        },
        "controls": {
            "histogram": control("the gray-level histogram, no shape at all", 0.36),
            "border_only": control("the border around the lungs", 0.42),
            "thumbnail_32": control("a 32x32 thumbnail through a linear model", 0.67),
        },
        "sources_told_apart": {
            "source_classifier": {
                "model": "a probe of the network's own features",
                "sources": ["ieee8023", "kermany"],
                "chance": 0.5,
                "balanced_accuracy": 0.93,
                "interval": interval(0.93, 0.04, 134),
            }
        },
        "inside_sources": {"ieee8023": inside(0.62)},
        "heat": heat(),
        "notes": [
            "CLASS EQUALS SOURCE: 21 of 21 COVID-19 images come from ieee8023, and 0 of 381 others "
            "do. A score on COVID-19 is partly a score at telling the sources apart.",
            "COVID-19: only 7 patients in the test split; an interval from so few is itself "
            "uncertain",
        ],
        **errors(labels, probs),
    }


def heat() -> dict[str, Any]:
    """Returns the entry of heat maps, the last class without an interval."""
    shares = dict(zip(CLASSES, (0.44, 0.71, None), strict=True))
    return {
        "method": "layer_cam",
        "box": {"top": 0.12, "bottom": 0.88, "left": 0.1, "right": 0.9},
        "box_share_of_image": 0.608,
        "per_class": {
            name: {"share": share, "n_images": 20, "n_patients": 12, "without_heat": 3}
            for name, share in shares.items()
        },
        "intervals": {
            name: interval(share, 0.05, 12) for name, share in shares.items() if share is not None
        },
    }


def errors(labels: np.ndarray, probs: np.ndarray) -> dict[str, Any]:
    """Returns what error_analysis makes of made-up sexes and ages, in a manifest of its own."""
    n = len(labels)
    frame = pd.DataFrame(
        {
            "image": [f"image{i}.png" for i in range(n)],
            "path": [f"test/{EVIL_FOLDER}/image{i}.png" for i in range(n)],
            "group_id": [f"p{i // 3}" for i in range(n)],
            "source": "ieee8023",
            "sex": [("F", "M", None)[i % 3] for i in range(n)],
            "age": np.linspace(1, 90, n),
            "view": "PA",
        }
    )
    return analyse(frame, labels, probs, probs.argmax(axis=1), CLASSES, seed=0)


def bins(probs: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Returns made-up figures of calibration and true bins of the reliability diagram."""
    ece = expected_calibration_error(probs, labels)
    bins = reliability_bins(probs, labels)
    return {
        "log_loss": 0.2345,
        "brier": 0.1263,
        "ece": ece,
        "reliability": bins,
        "reliability_of_class": reliability_of_class(probs[:, 2], labels == 2),
    }


def at_prevalence() -> dict[str, Any]:
    """Returns the entry of metrics.json that --prevalence adds."""
    return {
        "class": "COVID-19",
        "prevalence": 0.05,
        "ppv": 0.412,
        "npv": 0.9957,
        "intervals": {"ppv": interval(0.412, 0.1, 134), "npv": interval(0.9957, 0.003, 134)},
    }


def control(sees: str, reached: float) -> dict[str, Any]:
    above = float(balanced_accuracy()) - reached
    return {
        "sees": sees,
        "model": "probe",
        "lungs": "thumbnail" in sees,
        "balanced_accuracy": reached,
        "interval": interval(reached, 0.05, 134),
        "of_class": {
            "class": "COVID-19",
            "precision": 0.2,
            "recall": 0.5,
            "f1": 0.29,
            "intervals": {"recall": interval(0.5, 0.3, 7)},
        },
        "above": {"difference": above, "low": above - 0.06, "high": above + 0.06, "level": 0.95},
    }


def balanced_accuracy() -> float:
    """Returns that of the predictions."""
    labels, probs = predictions()
    matrix = confusion_matrix(labels, probs.argmax(axis=1))
    return float((matrix.diagonal() / matrix.sum(axis=1)).mean())


def inside(auroc: float) -> dict[str, Any]:
    """Returns an entry of inside_sources."""
    figures = {"auroc": auroc, "recall": 0.71, "specificity": 0.64}
    return {
        "class": "COVID-19",
        "n_images": 21,
        "n_patients": 7,
        "n_other_images": 12,
        "n_other_patients": 10,
        **figures,
        "intervals": {key: interval(value, 0.1, 7) for key, value in figures.items()},
    }


def point(value, threshold, sensitivity, specificity, precision) -> dict[str, Any]:
    return {
        "value": value,
        "threshold": threshold,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "precision": precision,
    }


def history() -> list[dict[str, Any]]:
    """Returns 4 epochs of the head and 14 of fine-tuning."""
    records: list[dict[str, Any]] = []
    for phase, epochs, start in (("1_head", 4, 1.1), ("2_fine_tuning", 14, 0.7)):
        for i in range(epochs):
            loss = start * 0.86**i
            records.append(
                {
                    "phase": phase,
                    "epoch": i + 1,
                    "loss": 0.4 * loss,
                    "accuracy": 1 - 0.42 * loss,
                    "macro_log_loss": loss,
                    "val_loss": 0.42 * loss + 0.05 + 0.0008 * i**2,
                    "val_accuracy": 0.95 - 0.4 * loss,
                    "val_macro_log_loss": loss + 0.1 + 0.003 * i**2,
                }
            )
    return records


def manifest() -> pd.DataFrame:
    """Returns a manifest with 3 images a patient and COVID-19 from a source of its own."""
    rows = [
        {
            "image": f"{label}-{split}-{i}.jpeg",
            "path": f"{split}/{label}-{split}-{i}.jpeg",
            "label": label,
            "split": split,
            "group_id": f"{label}-{split}-{i // 3}",
            "source": "ieee8023" if label == "COVID-19" else "kermany",
            "patient_id": f"{label}-{split}-{i // 3}",
            "sex": pd.NA,
            "age": np.nan,
            "view": pd.NA,
        }
        for label, size in zip(CLASSES, SIZES, strict=True)
        for split, times in (("train", 4), ("validation", 1), ("test", 1))
        for i in range(times * size)
    ]
    return pd.DataFrame(rows)


def rejected() -> pd.DataFrame:
    rows = [
        ("gone.jpeg", "train/gone.jpeg", "missing file"),
        ("<script>alert(1)</script>.png", "train/<script>alert(1)</script>.png", "no image"),
        ("1-s2.0-S0929664620300449-gr2_lrg-c.jpg", None, "the task has no class for ARDS"),
    ]
    return pd.DataFrame(rows, columns=["image", "path", "reason"])


def report_inputs() -> dict[str, Any]:
    """Returns all arguments of write_report but the path."""
    labels, probs = predictions()
    return {
        "metrics": metrics(),
        "history": history(),
        "labels": labels,
        "probs": probs,
        "manifest": manifest(),
        "rejected": rejected(),
        "config": {
            "sources": {"data": "coronahack", "data_dir": "data/coronahack"},
            "data": {
                "task": "multiclass",
                "image_size": 64,
                "split": "patient",
                "manifest": None,
            },
            "model": {
                "backbone": "resnet50",
                "classifier": "linear",
                "members": [],
                "combine": "soft_vote",
                "member_weights": [],
                "weights": None,
            },
            "loss": {"loss": "focal", "focal_gamma": 2.0, "focal_alpha": None},
            "training": {
                "head_epochs": 4,
                "epochs": 14,
                "learning_rate": 0.001,
                "imbalance": "none",
            },
            "run": {"seed": 0, "controls": "features"},
        },
        "environment": {
            "commit": "f3a9c1d2",
            "python": "3.11.2",
            "packages": {"tensorflow": "2.21.0", "keras": "3.15.1"},
            "devices": ["CPU"],
            "precision": "mixed_bfloat16",
            "jit_compile": False,
        },
        "decision": {
            "temperature": 1.37,
            "bias": {"Normal": 0.41, "Pneumonia": 0.62, "COVID-19": -1.03},
            "rule": "largest probability",
            "thresholds": {},
            "weights": None,
            "how": "temperature and a bias a class: lowest log-loss",
            "operating_point": {"asked": "argmax", "chosen": "argmax", "class": "COVID-19"},
            "operating_points": {
                "argmax": point(None, None, 0.81, 0.99, 0.85),
                "youden": point(None, 0.0712, 0.95, 0.93, 0.44),
                "precision": point(0.95, None, None, None, None)
                | {"why": "the highest precision of any threshold is 0.900"},
            },
            "chosen_on": {"split": "validation", "n_images": 402, "n_patients": 134},
        },
        "pictures": {image: picture(size=(48, 48)) for image in pictured(metrics()["errors"])[:3]},
        "heat_pictures": {
            image: picture(size=(32, 32)) for image in pictured(metrics()["errors"])[:2]
        },
        "typical": {
            "Normal": [
                {
                    "picture": png_address(picture(size=(32, 32))),
                    "image": "<i>a",
                    "probability": 0.9,
                }
            ]
        },
        "notes": ["1 of 2,413 listed images are missing: train/gone.jpeg."],
        "command": "python -m tfcovid.train --task=multiclass --data_dir=data/coronahack",
    }
