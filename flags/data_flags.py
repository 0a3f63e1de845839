"""Flags of the images: what is told apart, how they are divided, how they are read."""

from absl import flags as absl_flags

from flags import choices
from flags.config import DataConfig

FULL_IMAGE_SIZE = 224
"""Side of the network's input in pixels on real data, where it is not given."""

SAMPLE_IMAGE_SIZE = 64
"""The same on the embedded synthetic sample."""

_DEFAULTS = DataConfig()

TASK = absl_flags.DEFINE_enum_class(
    "task",
    _DEFAULTS.task,
    choices.Task,
    "What is told apart: binary (non-COVID-19, COVID-19), multiclass (Normal, Pneumonia, "
    "COVID-19), pneumonia (Normal, Pneumonia), pneumonia_cause (Normal, Bacterial, Viral), "
    "etiology (Normal, Bacterial, Viral, COVID-19), viral (Normal, Viral, COVID-19), "
    "lung_opacity (Normal, Lung opacity, Viral, COVID-19), pneumonia_finding (non-Pneumonia, "
    "Pneumonia, where other findings are non-Pneumonia), findings14 (the 14 findings of "
    "ChestX-ray14, any number of them), findings14_covid (Normal, Pneumonia, COVID-19 and the 14 "
    "findings, from several data sets) or source (which data set an image is "
    "from: a control).",
)
MANIFEST = absl_flags.DEFINE_string(
    "manifest",
    None,
    "A manifest.csv whose split is used instead of making one. Excludes --split, --folds, "
    "--fold, --test_fraction, --validation_fraction and --patients.",
)
SPLIT = absl_flags.DEFINE_enum_class(
    "split",
    None,
    choices.Split,
    "How the images are divided: patient (by patient, stratified; the default), official "
    "(the data set's own test split), kfold (each of --folds is tested by a network trained on the "
    "others, and the predictions are pooled; --fold trains one) or "
    "leave_one_source_out (--held_out_source is the test split).",
)
FOLDS = absl_flags.DEFINE_integer(
    "folds", None, f"Number of folds under --split=kfold (default: {_DEFAULTS.folds})."
)
FOLD = absl_flags.DEFINE_integer(
    "fold",
    None,
    "The one fold that is the test split under --split=kfold, from 0 (default: each in turn).",
)
HELD_OUT_SOURCE = absl_flags.DEFINE_string(
    "held_out_source", None, "The source tested on under --split=leave_one_source_out."
)
TEST_FRACTION = absl_flags.DEFINE_float(
    "test_fraction",
    None,
    "Share of the patients in the test split under --split=patient "
    f"(default: {_DEFAULTS.test_fraction}).",
)
VALIDATION_FRACTION = absl_flags.DEFINE_float(
    "validation_fraction",
    None,
    f"Share of the patients in the validation split (default: {_DEFAULTS.validation_fraction}).",
)
IMAGE_SIZE = absl_flags.DEFINE_integer(
    "image_size",
    None,
    f"Side of the network's square input, pixels (default: {FULL_IMAGE_SIZE}; "
    f"{SAMPLE_IMAGE_SIZE} on the embedded sample, or the smallest that the backbone takes).",
)
PREPROCESSING = absl_flags.DEFINE_enum_class(
    "preprocessing",
    _DEFAULTS.preprocessing,
    choices.Preprocessing,
    "What the network sees of an image: plain (all of it), or lung_crop (contrast stretched, "
    "sharpened, median filtered, and cut to the lungs where they are found; a reconstruction of "
    "Gurpur et al., arXiv 2404.12405).",
)
VIEW = absl_flags.DEFINE_enum_class(
    "view",
    _DEFAULTS.view,
    choices.View,
    "Which part of the image the network sees; all but full are controls.",
)
LUNG_MASKS = absl_flags.DEFINE_string(
    "lung_masks",
    None,
    "Folder with a lung mask for each image, white on black, of the image's name: what --view "
    "paints around in place of a fixed central box.",
)
COPIES = absl_flags.DEFINE_enum_class(
    "copies",
    _DEFAULTS.copies,
    choices.Copies,
    "Copies of one image are found by content, whatever their size, codec or crop, or by their "
    "bytes only.",
)
CACHE = absl_flags.DEFINE_enum_class(
    "cache",
    _DEFAULTS.cache,
    choices.Cache,
    "Where decoded images are kept: in memory, in a copy on disk, in the records of "
    "tfcovid.prepare, which are read in place (records), or nowhere, so that each use decodes its "
    "file again (none). auto takes memory when --cache_budget_mib holds them, else records where "
    "the data are records, else disk.",
)
CACHE_BUDGET_MIB = absl_flags.DEFINE_integer(
    "cache_budget_mib", _DEFAULTS.cache_budget_mib, "Memory for --cache=auto, MiB."
)
ON_BAD_IMAGE = absl_flags.DEFINE_enum_class(
    "on_bad_image",
    _DEFAULTS.on_bad_image,
    choices.OnBadImage,
    "An image that does not decode ends the run (fail) or is listed in rejected.csv and "
    "left out (set_aside).",
)
MAX_SET_ASIDE = absl_flags.DEFINE_float(
    "max_set_aside",
    _DEFAULTS.max_set_aside,
    "Training is refused when more than this share of the images was set aside.",
)
MAX_PIXELS = absl_flags.DEFINE_integer(
    "max_pixels",
    _DEFAULTS.max_pixels,
    "An image with more pixels than this is not decoded (decompression bombs); at most "
    "178956970, twice Pillow's own limit. serve: 25 million unless it is given.",
)
NUM_PARALLEL_CALLS = absl_flags.DEFINE_integer(
    "num_parallel_calls",
    _DEFAULTS.num_parallel_calls,
    "Images decoded and batches augmented at a time; 0 lets tf.data choose. The result is "
    "the same for every value.",
)
