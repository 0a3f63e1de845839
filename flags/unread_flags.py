"""A flag that a command does not read is refused, not ignored."""

from collections.abc import Sequence

from absl import flags as absl_flags

from flags import parse

# Modules that a command imports for one of their flags. By name: to import them here would make
# every command take them.
_SHARED = (
    "flags.beam_flags",
    "flags.distribution_flags",
    "flags.output_flags",
    "flags.port_flags",
)


def refuse_unread(
    command: str, used: Sequence[absl_flags.FlagHolder], flag_values: absl_flags.FlagValues
) -> None:
    """Raises ValueError, one line, if a flag is given that the command does not read.

    Args:
      command: its name, for the message.
      used: the flags it reads.
      flag_values: flags after parsing.
    """
    names = [holder.name for holder in used]
    for module in (*(one.__name__ for one in parse.FLAG_MODULES), *_SHARED):
        for flag in flag_values.get_flags_for_module(module):
            if flag.present and flag.name not in names:
                listed = ", ".join(f"--{name}" for name in names)
                raise ValueError(f"--{flag.name}: {command} does not read it; it reads {listed}")
