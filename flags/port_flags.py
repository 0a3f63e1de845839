"""The flag that says where a process is reached, for all commands that wait for others."""

from absl import flags as absl_flags

# Makes absl look past this module, to the entry, when the key flags are declared.
absl_flags.disclaim_key_flags()

SERVE_PORT = 8501
FEED_PORT = 5050

PORT = absl_flags.DEFINE_integer(
    "port",
    None,
    f"The port, {SERVE_PORT} for serve and {FEED_PORT} for feed unless it is given; 0 takes a free "
    "one and prints it.",
    lower_bound=0,
    upper_bound=65535,
)
