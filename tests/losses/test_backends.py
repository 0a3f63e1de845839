"""The same losses and gradients on another backend of Keras, in a process of its own."""

import os
import pathlib
import subprocess
import sys

import numpy as np

from tests.losses import oracle
from tests.losses.blocks_process import figures

GAMMAS = (0.0, 0.5, 2.0)


def test_pytorch_backend_matches_oracle_far_out(tmp_path):
    rng = np.random.default_rng(8)
    given = {
        "gammas": GAMMAS,
        "sigmoid_logits": rng.uniform(-100, 100, (200, 2)).astype(np.float32),
        "sigmoid_labels": rng.integers(0, 2, (200, 2)),
        "softmax_logits": rng.uniform(-100, 100, (200, 4)).astype(np.float32),
        "softmax_labels": rng.integers(0, 4, 200),
    }
    np.savez(tmp_path / "in.npz", **given)
    done = subprocess.run(
        [sys.executable, "-m", "tests.losses.torch_process", "in.npz", "out.npz"],
        cwd=tmp_path,
        env=os.environ
        | {"KERAS_BACKEND": "torch", "PYTHONPATH": str(pathlib.Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "out.npz")
    one_hot = np.eye(4)[given["softmax_labels"]]
    for row, gamma in enumerate(GAMMAS):
        for form, expected in (
            (
                "sigmoid",
                oracle.sigmoid(given["sigmoid_labels"], given["sigmoid_logits"], gamma=gamma),
            ),
            ("softmax", oracle.softmax(one_hot, given["softmax_logits"], gamma=gamma)),
        ):
            for what, values in zip(("value", "gradient"), expected[:2], strict=True):
                ours = found[f"{form}_{what}_{row}"]
                held = np.abs(values) > 2.0**-126
                np.testing.assert_allclose(ours[held], values[held], rtol=2e-5)
                assert np.isfinite(ours).all()


def test_two_heads_and_their_metrics_are_the_same_on_pytorch(tmp_path):
    rng = np.random.default_rng(9)
    classes = np.eye(3, dtype=np.int32)[rng.integers(0, 3, 80)]
    classes[::4] = -1
    findings = rng.integers(-1, 2, (80, 4)).astype(np.int32)
    labels = np.hstack([classes, findings])
    logits = rng.normal(0, 3, labels.shape).astype(np.float32)
    np.savez(tmp_path / "in.npz", labels=labels, logits=logits)
    done = subprocess.run(
        [sys.executable, "-m", "tests.losses.blocks_process", "in.npz", "out.npz"],
        cwd=tmp_path,
        env=os.environ
        | {"KERAS_BACKEND": "torch", "PYTHONPATH": str(pathlib.Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "out.npz")
    for name, expected in zip(found.files, figures(labels, logits), strict=True):
        np.testing.assert_allclose(found[name], expected, rtol=2e-5, atol=1e-7)
