"""Commands that measure tfcovid, alone and beside its peers."""

from tfcovid.startup import use_onednn

# As every command of tfcovid does, before TensorFlow is imported.
use_onednn()
