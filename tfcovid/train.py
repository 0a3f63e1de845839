"""Trains, scores and exports a classifier: `python -m tfcovid.train --task=multiclass`."""

from collections.abc import Sequence

from flags import parse
from tfcovid.entry import run_command

parse.adopt_key_flags()


def train(argv: Sequence[str]) -> None:
    """Runs the experiment that the command line asks for."""
    parse.refuse_stray_arguments(argv)
    config = parse.config_from_flags()
    # TensorFlow takes seconds to import: not before the flags are known to be right.
    from tfcovid.experiment.run import run

    run(config, flag_lines=parse.flag_file_lines())


if __name__ == "__main__":
    run_command(train)
