"""Decodes a data set once: `python -m tfcovid.prepare --data_dir=DIR --output_dir=RECORDS`.

Writes sharded TFRecords with a manifest and checksums, which training reads with the same result as
the files. A run that was stopped goes on where it was when the same command is given
again.
"""

import os
import pathlib
from collections.abc import Sequence

from flags import beam_flags, parse, prepare_flags, source_flags
from tfcovid.entry import run_command
from tfcovid.startup import import_tensorflow

prepare_flags.adopt_key_flags()


def prepare(argv: Sequence[str]) -> None:
    """Prepares the data set that the command line names."""
    parse.refuse_stray_arguments(argv)
    prepare_flags.refuse_unused()
    if prepare_flags.FETCH.value is not None:
        fetch(folder_of(source_flags.DATA_DIR.value))
    config = parse.config_from_flags()
    # A damaged JPEG has its line in rejected.csv; TensorFlow's own would come between the others.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow takes seconds to import: not before the flags are known to be right.
    import_tensorflow()
    from tfcovid.experiment.preparation import prepare_data_set

    prepare_data_set(
        config,
        output_dir=folder_of(prepare_flags.OUTPUT_DIR.value),
        shards=beam_flags.SHARDS.value or prepare_flags.DEFAULT_SHARDS,
        beam_args=beam_flags.BEAM_ARGS.value,
    )


def folder_of(text: str | None) -> pathlib.Path:
    """Returns the folder that a flag names; that it names one was checked before."""
    return pathlib.Path(text or "").expanduser()


def fetch(folder: pathlib.Path) -> None:
    """Downloads CoronaHack, the one data set that --fetch knows, and says so."""
    from tfcovid.data.fetching import fetch_coronahack

    if fetch_coronahack(folder):
        print(f"fetched: coronahack into {folder}")
    else:
        print(f"fetched: nothing, coronahack lies in {folder} already")


if __name__ == "__main__":
    run_command(prepare)
