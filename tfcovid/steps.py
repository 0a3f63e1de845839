"""Draws what preprocessing makes of images: `python -m tfcovid.steps --output_dir=DIR FILE…`.

With --preprocessing=lung_crop every step of the chain is a panel. DIR/NAME.steps.png is written for
each file, and a line says so. A file that cannot be drawn gets its line on stderr, and the command
then ends with exit code 1.
"""

import os
import pathlib
import sys
from collections.abc import Sequence

from absl import flags as absl_flags

from flags import steps_flags
from tfcovid.entry import run_command
from tfcovid.printable import printable
from tfcovid.startup import import_tensorflow

steps_flags.adopt_key_flags()
# Flags may also stand behind the files, as a shell's file pattern leaves them.
absl_flags.FLAGS.set_gnu_getopt()


def steps(argv: Sequence[str]) -> int:
    """Draws the files that the command line names; returns the exit code."""
    steps_flags.refuse_unused()
    asked = steps_flags.data_config()
    files = list(dict.fromkeys(argv[1:]))
    if not files:
        raise ValueError("no image was named: expected image files")
    folder = pathlib.Path(str(steps_flags.OUTPUT_DIR.value)).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    # A damaged JPEG has its line here; TensorFlow's own would come between the others.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow takes seconds to import: not before the flags are known to be right.
    import_tensorflow()
    from tfcovid.experiment.step_pictures import draw_files

    failed = 0
    for drawn in draw_files(files, folder, asked):
        print(printable(drawn.line), file=sys.stderr if drawn.failed else sys.stdout, flush=True)
        failed += drawn.failed
    if failed:
        print(f"error: {failed} of {len(files)} images could not be drawn", file=sys.stderr)
    return int(failed > 0)


if __name__ == "__main__":
    run_command(steps)
