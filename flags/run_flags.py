"""Flags of the run as a whole."""

from absl import flags as absl_flags

from flags import choices
from flags.config import RunConfig

_DEFAULTS = RunConfig()

SEED = absl_flags.DEFINE_integer(
    "seed", _DEFAULTS.seed, "Seed of the split, the initial weights, the order and augmentation."
)
WORKDIR = absl_flags.DEFINE_string(
    "workdir",
    None,
    "The run's folder: of a command that makes one new or empty (default: "
    "runs/<UTC time>-<task>-<loss>), of one that scores or exports it that of a finished run.",
)
CONTROLS = absl_flags.DEFINE_enum_class(
    "controls",
    _DEFAULTS.controls,
    choices.Controls,
    "Shortcut controls scored beside the network: features (linear probes of the histogram, the "
    "border, a thumbnail, and of the network's own features with the lungs painted over), full "
    "(networks trained on the painted images and on the sources as well, which takes up to four "
    "times as long), or none.",
)
HEAT_MAP = absl_flags.DEFINE_enum_class(
    "heat_map",
    _DEFAULTS.heat_map,
    choices.HeatMap,
    "How heat maps are drawn, from the map before the last down-sampling: layer_cam; hires_cam and "
    "grad_cam, which put heat where a network sees nothing more often; or none.",
)
SYSTEM = absl_flags.DEFINE_string(
    "system",
    None,
    "A published method by name: --flagfile=flags/presets/systems/NAME.cfg placed first, so "
    "that every other flag overrides it.",
)
