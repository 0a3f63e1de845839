"""Writes tensorflow-addons' SigmoidFocalCrossEntropy of stored inputs: a process of its own.

Run as `python tfa_process.py IN.npz OUT.npz` with TF_USE_LEGACY_KERAS=1.
"""

import sys
import types

import numpy as np
import tensorflow as tf
import tf_keras
import tf_keras.src.engine.keras_tensor

# tensorflow-addons asks for a module that Keras 3 no longer has.
alias = types.ModuleType("keras.src.engine")
alias.keras_tensor = tf_keras.src.engine.keras_tensor  # type: ignore[attr-defined]
sys.modules["keras.src.engine"] = alias
sys.modules["keras.src.engine.keras_tensor"] = tf_keras.src.engine.keras_tensor

import tensorflow_addons as tfa  # noqa: E402


def main(inputs, outputs):
    given = np.load(inputs)
    logits = tf.Variable(given["logits"])
    results = {}
    for row, (gamma, alpha) in enumerate(given["hyper_parameters"]):
        loss = tfa.losses.SigmoidFocalCrossEntropy(
            from_logits=True, gamma=float(gamma), alpha=float(alpha), reduction="none"
        )
        with tf.GradientTape() as tape:
            value = loss(given["labels"], logits)
        results[f"value_{row}"] = value.numpy()
        results[f"gradient_{row}"] = tape.gradient(value, logits).numpy()
    np.savez(outputs, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
