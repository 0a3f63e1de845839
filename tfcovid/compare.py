"""Compares systems on one split: `python -m tfcovid.compare --systems=NAME,… --weights_files=…`.

Linear probes on frozen backbones, a cell for each task, loss, imbalance mechanism, system and
setting, in one table with intervals and tests of difference; with --finetune the networks of
chosen cells are trained fully too, and stand beside their probes. With --systems published methods
are trained, each as its preset says. Writes compare.html, compare.csv,
differences.csv, compare.tex and compare.json into WORKDIR. The same command again continues.
"""

from collections.abc import Sequence

from flags import compare_flags, compare_methods, parse
from tfcovid.entry import run_command
from tfcovid.startup import import_tensorflow

compare_flags.adopt_key_flags()


def compare(argv: Sequence[str]) -> None:
    """Runs the comparison that the command line asks for."""
    parse.refuse_stray_arguments(argv)
    compare_flags.refuse_unused()
    config = compare_flags.config_from_flags()
    comparison = compare_flags.comparison_from_flags(config)
    presets = compare_methods.presets_from_flags(config, comparison)
    # TensorFlow takes seconds to import: not before the flags are known to be right.
    import_tensorflow()
    from tfcovid.experiment.comparison.comparing import run_comparison

    run_comparison(config, comparison, presets)


if __name__ == "__main__":
    run_command(compare)
