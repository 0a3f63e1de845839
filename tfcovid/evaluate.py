"""Scores a finished run: `python -m tfcovid.evaluate --workdir=RUN [--data_dir=DIR]`.

Without --data_dir the run's own test split is scored again from the image
files with the exported model; with it, every image of another data set. The
decision rule is the run's own and is not chosen anew.
"""

import pathlib
from collections.abc import Sequence

from flags import (
    choices,
    data_flags,
    decision_flags,
    evaluate_flags,
    parse,
    run_flags,
    source_flags,
)
from flags.config import DecisionConfig
from flags.source_config import pairs_of
from tfcovid.entry import run_command
from tfcovid.startup import import_tensorflow

evaluate_flags.adopt_key_flags()


def evaluate(argv: Sequence[str]) -> None:
    """Scores the run that the command line names."""
    parse.refuse_stray_arguments(argv)
    evaluate_flags.refuse_unused()
    if run_flags.WORKDIR.value is None:
        raise ValueError("--workdir: expected the folder of a finished run, found nothing")
    prevalence = DecisionConfig(prevalence=decision_flags.PREVALENCE.value).prevalence
    # TensorFlow takes seconds to import: not before the flags are known to be right.
    import_tensorflow()
    from tfcovid.data.sources.options import SourceOptions
    from tfcovid.experiment.evaluation import evaluate_run
    from tfcovid.experiment.targets import OtherData

    options = SourceOptions(
        patients=optional_path(source_flags.PATIENTS.value),
        table=optional_path(source_flags.TABLE.value),
        columns=pairs_of(source_flags.COLUMNS.value, "columns"),
        patient_key=optional_path(source_flags.PATIENT_KEY.value),
        label_names=pairs_of(source_flags.LABEL_NAMES.value, "label_names"),
    )
    data_dir = optional_path(source_flags.DATA_DIR.value)
    other = None
    if data_dir is not None:
        other = OtherData(
            data_dir,
            kind=source_flags.DATA.value,
            options=options,
            keep_laterals=source_flags.LATERAL_VIEWS.value is choices.LateralViews.KEEP,
            by_content=data_flags.COPIES.value is choices.Copies.CONTENT,
            max_pixels=data_flags.MAX_PIXELS.value,
        )
    evaluate_run(
        pathlib.Path(run_flags.WORKDIR.value),
        other=other,
        on_bad_image=data_flags.ON_BAD_IMAGE.value,
        prevalence=prevalence,
    )


def optional_path(text: str | None) -> pathlib.Path | None:
    """Returns the path, or None where none was given."""
    return None if text is None else pathlib.Path(text).expanduser()


if __name__ == "__main__":
    run_command(evaluate)
