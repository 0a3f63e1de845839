"""Converts a PyTorch checkpoint into Keras weights.

`python -m weights_conversion --checkpoint=FILE --output=X.weights.h5`

Proven equal, or refused: then one line on stderr, exit code 1, no weights file, and the lists of
both sides in X.report.json and X.report.html.
"""

import shlex
import sys
from collections.abc import Sequence

from flags import choices, conversion_flags, parse
from tfcovid.entry import run_command
from tfcovid.startup import import_tensorflow

conversion_flags.adopt_key_flags()


def main(argv: Sequence[str]) -> None:
    """Converts the checkpoint that the command line names."""
    parse.refuse_stray_arguments(argv)
    conversion_flags.refuse_unused()
    checkpoint, output = conversion_flags.checkpoint(), conversion_flags.output_path()
    pixel_range = conversion_flags.pixel_range()
    mean, std = conversion_flags.numbers("mean"), conversion_flags.numbers("std")
    # TensorFlow takes seconds to import: not before the flags are known to be right.
    import_tensorflow()
    from tfcovid.console import open_console
    from weights_conversion.command import run
    from weights_conversion.expected_input import Told, named_classes
    from weights_conversion.plan import Wishes

    architecture = conversion_flags.ARCHITECTURE.value
    head, channels = conversion_flags.HEAD.value, conversion_flags.CHANNELS.value
    run(
        checkpoint,
        output,
        Wishes(
            architecture=None if architecture is choices.SourceArchitecture.AUTO else architecture,
            head=None if head is None else head.value,
            leave_out=tuple(conversion_flags.LEAVE_OUT.value),
            channels=int(channels) if channels else None,
            told=Told(
                pixel_range=pixel_range,
                mean=mean,
                std=std,
                image_size=conversion_flags.TRAINED_SIZE.value,
                class_names=named_classes(conversion_flags.CLASS_NAMES.value),
            ),
        ),
        command=shlex.join(["python", "-m", "weights_conversion", *sys.argv[1:]]),
        console=open_console(),
    )


if __name__ == "__main__":
    run_command(main)
