"""Flags of the random changes to training images; 0 turns a change off."""

from absl import flags as absl_flags

from flags.config import AugmentationConfig

_DEFAULTS = AugmentationConfig()

ROTATION_DEGREES = absl_flags.DEFINE_float(
    "rotation_degrees", _DEFAULTS.rotation_degrees, "Largest rotation either way, degrees."
)
TRANSLATION = absl_flags.DEFINE_float(
    "translation", _DEFAULTS.translation, "Largest shift either way, fraction of the side."
)
ZOOM = absl_flags.DEFINE_float("zoom", _DEFAULTS.zoom, "Largest zoom either way, fraction.")
BRIGHTNESS = absl_flags.DEFINE_float(
    "brightness",
    _DEFAULTS.brightness,
    "Largest brightness change either way, fraction of the full range.",
)
CONTRAST = absl_flags.DEFINE_float(
    "contrast", _DEFAULTS.contrast, "Largest contrast change either way, fraction."
)
HORIZONTAL_FLIP = absl_flags.DEFINE_boolean(
    "horizontal_flip",
    _DEFAULTS.horizontal_flip,
    "Mirror half of the images. Off by default: a mirrored chest has its heart on the right.",
)
MOVE_SHARE = absl_flags.DEFINE_float(
    "move_share",
    _DEFAULTS.move_share,
    "Share of the images that are rotated, shifted and zoomed. The others keep their pixels: "
    "interpolation softens what it moves, and the images a network is tested on are sharp.",
)
