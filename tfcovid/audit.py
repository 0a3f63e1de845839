"""What is wrong with data, before anyone trains on it: `python -m tfcovid.audit --data_dir=DIR`.

Writes WORKDIR/audit.html, a page to read in two minutes, and WORKDIR/audit.json.
"""

from collections.abc import Sequence

from flags import audit_flags, parse
from tfcovid.entry import run_command
from tfcovid.startup import import_tensorflow

audit_flags.adopt_key_flags()


def audit(argv: Sequence[str]) -> None:
    """Audits the data that the command line names."""
    parse.refuse_stray_arguments(argv)
    audit_flags.refuse_unused()
    config = parse.config_from_flags()
    # TensorFlow takes seconds to import: not before the flags are known to be right.
    import_tensorflow()
    from tfcovid.experiment.auditing import audit_data

    audit_data(config)


if __name__ == "__main__":
    run_command(audit)
