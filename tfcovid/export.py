"""Exports a finished run: `python -m tfcovid.export --workdir=RUN --format=litert,onnx`.

RUN/exports gets the trained classifier in each format, every file beside a contract that says what
goes in and comes out. A file is run over the validation images first, beside the network that was
scored; one that says something else is refused, and the command ends with exit code 1.
"""

import os
import pathlib
from collections.abc import Sequence

from flags import export_flags, parse, run_flags
from flags.export_config import formats_from
from tfcovid.entry import run_command
from tfcovid.startup import import_tensorflow

export_flags.adopt_key_flags()


def export(argv: Sequence[str]) -> int:
    """Exports the run that the command line names; returns the exit code."""
    parse.refuse_stray_arguments(argv)
    export_flags.refuse_unused()
    formats = formats_from(export_flags.FORMAT.value)
    # What the converters log line by line; what they cannot convert they raise.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow takes seconds to import: not before the flags are known to be right.
    import_tensorflow()
    from tfcovid.experiment.exporting.run import export_run

    return export_run(pathlib.Path(str(run_flags.WORKDIR.value)).expanduser(), formats)


if __name__ == "__main__":
    run_command(export)
