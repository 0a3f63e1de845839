"""Which machines DICOM files name as their maker, and which of these make X-ray films."""

# Computed and digital radiography, and scanned film.
X_RAY = ("CR", "DX", "RG")

# DICOM's own list, the retired ones too. Only these are quoted: other text could be a name.
# Source: DICOM PS3.3, C.7.3.1.1.1.
_LISTED = """
    ANN AR ASMT AU BDUS BI BMD CFM CR CT CTPROTOCOL DG DMS DOC DX ECG EEG EMG EOG EPS ES FID GM HC
    HD IO IOL IVOCT IVUS KER KO LEN LS M3D MG MR NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PA
    PLAN POS PR PT PX REG RESP RF RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN
    RTSTRUCT RWV SEG SM SMR SR SRF STAIN TEXTUREMAP TG US VA XA XAPROTOCOL XC
    AS CD CF CP CS DD DF DM DS EC FA FS LP MA MS OPR ST VF
"""
DEFINED = frozenset(_LISTED.split())


def quotable(modality: str) -> str:
    """Returns a modality as it may be quoted: one that DICOM lists, or that it does not."""
    return f"modality {modality}" if modality in DEFINED else "a modality that DICOM does not list"


def no_radiograph_reason(modality: str) -> str | None:
    """Returns why a file is no X-ray film by the modality it states, or None if it may be one.

    Args:
      modality: as the file has it; "" where it states none, which is taken.
    """
    if not modality or modality in X_RAY:
        return None
    return f"{quotable(modality)}: expected a radiograph ({', '.join(X_RAY[:-1])} or {X_RAY[-1]})"
