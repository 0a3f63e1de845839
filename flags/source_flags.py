"""Flags of the data sets: where they lie and what their folders do not say themselves."""

from absl import flags as absl_flags

from flags import choices
from flags.config import SourceConfig

_DEFAULTS = SourceConfig()

DATA = absl_flags.DEFINE_enum_class(
    "data",
    None,
    choices.Data,
    "Kind of data set. Not given: recognised from --data_dir, or the embedded synthetic "
    "sample where there is no --data_dir.",
)
DATA_DIR = absl_flags.DEFINE_string(
    "data_dir", None, "Folder of the data set. Not given: the embedded synthetic sample."
)
EXTRA_DATA_DIR = absl_flags.DEFINE_list(
    "extra_data_dir",
    [],
    "Further data sets that are merged into it, each FOLDER or KIND:FOLDER, separated by commas.",
)
PATIENTS = absl_flags.DEFINE_string(
    "patients",
    None,
    "CSV that maps images to patients (columns image or filename, patient_id or patientid), "
    "where the data set itself does not.",
)
TABLE = absl_flags.DEFINE_string(
    "table", None, "CSV that lists the images of --data=csv (default: the only one in the folder)."
)
COLUMNS = absl_flags.DEFINE_list(
    "columns",
    [],
    "What the table of --data=csv calls our columns, OURS:THEIRS, such as "
    "path:file,finding:diagnosis,patient_id:pid.",
)
LABEL_NAMES = absl_flags.DEFINE_list(
    "label_names",
    [],
    "What labels or class folders mean, THEIRS:FINDING, such as covid_pos:COVID-19,nad:Normal.",
)
PATIENT_KEY = absl_flags.DEFINE_string(
    "patient_key",
    None,
    "File with the key that DICOM patient ids are hashed with; it stays with you (default: made at "
    "first use in your configuration folder).",
)
LATERAL_VIEWS = absl_flags.DEFINE_enum_class(
    "lateral_views",
    _DEFAULTS.lateral_views,
    choices.LateralViews,
    "Images known to be lateral views are listed in rejected.csv (set_aside) or stay (keep).",
)
