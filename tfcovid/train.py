"""Trains, scores and exports a classifier: `python -m tfcovid.train --task=multiclass`."""

from collections.abc import Sequence

from flags import distribution_flags, parse, resume_flags
from tfcovid import termination
from tfcovid.entry import run_command
from tfcovid.startup import import_tensorflow

parse.adopt_key_flags()
resume_flags.adopt_key_flags()
distribution_flags.adopt_key_flags()


def train(argv: Sequence[str]) -> None:
    """Runs the experiment that the command line asks for."""
    parse.refuse_stray_arguments(argv)
    config, keeping = parse.config_from_flags(), resume_flags.keeping()
    sharing = distribution_flags.sharing()
    termination.watch()
    # TensorFlow takes seconds to import: not before the flags are known to be right.
    import_tensorflow()
    from tfcovid.experiment.run import run

    run(config, keeping, sharing)


if __name__ == "__main__":
    run_command(train)
