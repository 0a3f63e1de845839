"""`tfcovid.train` until its first step: one process of `benchmarks.start`.

    python -m benchmarks.start_process FLAGS

Prints what `tfcovid.train` prints and a line when the first batch of a training is done, and ends;
the callbacks' own first turn is not waited for.
"""

import os
import runpy

from tfcovid import startup

FIRST_STEP = "first step done"

_import_tensorflow = startup.import_tensorflow


def _end_after_a_step() -> None:
    _import_tensorflow()
    import keras

    def on_train_batch_end(self, batch, logs=None):
        # The step's values are asked for, so that it is over and not only begun.
        print(FIRST_STEP, {name: float(value) for name, value in (logs or {}).items()}, flush=True)
        os._exit(0)

    keras.callbacks.CallbackList.on_train_batch_end = on_train_batch_end


if __name__ == "__main__":
    startup.import_tensorflow = _end_after_a_step
    runpy.run_module("tfcovid.train", run_name="__main__", alter_sys=True)
