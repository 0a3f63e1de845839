"""What is kept of the patient in a DICOM file: a keyed hash, the sex and the age, never a name."""

import contextlib
import hashlib
import hmac
import os
import pathlib
import re
import secrets
import tempfile
from collections.abc import Mapping

KEY_BYTES = 32
MIN_KEY_BYTES = 16
# 64 bits: two of a million patients share an id once in forty million data sets.
ID_HEX_DIGITS = 16
OLDEST_YEARS = 130
UNITS_IN_A_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}
# A shorter part of a name stands in many a path by chance.
MIN_NAME_LETTERS, MIN_ID_LETTERS = 3, 4


def default_key_path(environ: Mapping[str, str] = os.environ) -> pathlib.Path:
    """Returns where the site's key lies: `tfcovid/patient.key` in XDG_CONFIG_HOME or ~/.config."""
    base = environ.get("XDG_CONFIG_HOME")
    folder = pathlib.Path(base) if base else pathlib.Path.home() / ".config"
    return folder / "tfcovid" / "patient.key"


def site_key(path: pathlib.Path | None) -> bytes:
    """Returns the key that patient ids are hashed with; it is made where the default has none.

    A key that was named and is not there is an error: a new one would give every patient another
    id than the last time.

    Args:
      path: the key file, or None for the default one.

    Raises:
      ValueError: if the file cannot be read or made, or holds fewer than 16 bytes.
    """
    file = path or default_key_path()
    try:
        if path is None and not file.exists():
            _make_key(file)
        key = file.read_bytes()
    except OSError as error:
        raise ValueError(
            f"--patient_key={file}: expected a file with the key for patient ids, cannot open it "
            f"({error.strerror}); make one with: head -c {KEY_BYTES} /dev/urandom > FILE"
        ) from error
    if len(key) < MIN_KEY_BYTES:
        raise ValueError(
            f"--patient_key={file}: expected {MIN_KEY_BYTES} bytes or more, which only chance "
            f"could guess. Received: {len(key)} bytes."
        )
    return key


def keyed_id(patient_id: str, key: bytes) -> str:
    """Returns "dicom:" and 16 hex digits, the same for the same PatientID under the same key.

    Without the key nobody can try out numbers until one fits, as with a plain hash.

    Source: RFC 2104, HMAC, with SHA-256.
    """
    digest = hmac.new(key, patient_id.encode(), hashlib.sha256).hexdigest()
    return f"dicom:{digest[:ID_HEX_DIGITS]}"


def years_of_age(age: str | None) -> float | None:
    """Returns DICOM's age such as "058Y" or "006M" in years, None where it is none."""
    match = re.fullmatch(r"(\d{1,3})([DWMY])", age or "")
    if match is None:
        return None
    years = int(match[1]) / UNITS_IN_A_YEAR[match[2]]
    return years if years <= OLDEST_YEARS else None


def shows_a_name(path: str, name: str | None, patient_id: str | None) -> bool:
    """Returns whether a path holds a part of a patient's name or number, or DICOM's ^ of names.

    Args:
      path: a path or file name.
      name: DICOM's PatientName, such as "Family^Given", spellings divided by "=".
      patient_id: DICOM's PatientID.
    """
    low = path.casefold()
    parts = re.split(r"[\^=\s,.\-_]+", (name or "").casefold())
    number = (patient_id or "").casefold()
    return (
        "^" in low
        or any(len(part) >= MIN_NAME_LETTERS and part in low for part in parts)
        or (len(number) >= MIN_ID_LETTERS and number in low)
    )


def _make_key(path: pathlib.Path) -> None:
    """Writes a new key that only its owner can read; one that another process made meanwhile stays.

    The file appears whole or not at all.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp gives mode 0600.
    handle, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        pathlib.Path(name).unlink()
