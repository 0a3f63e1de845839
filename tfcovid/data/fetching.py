"""Gets a published data set into a folder, through its publisher's own client."""

import os
import pathlib
import tarfile
import zipfile
from typing import Any

from tfcovid.data.sources import coronahack
from tfcovid.whole_file import whole_file

CORONAHACK = "praveengovi/coronahack-chest-xraydataset"
EXTRA = "pip install -r requirements-prepare.txt"
BY_HAND = (
    f"or download https://www.kaggle.com/datasets/{CORONAHACK} in a browser, unpack it and "
    "give that folder as --data_dir, without --fetch"
)
REFUSED = (401, 403)
API = "https://api.kaggle.com"
REACH_TIMEOUT_S = 20


def fetch_coronahack(folder: str | os.PathLike[str]) -> bool:
    """Downloads CoronaHack from Kaggle into a folder, whole or not at all.

    Args:
      folder: made where it is not there.

    Returns:
      Whether anything was downloaded: not where the data set lies there already.

    Raises:
      ValueError: if kagglehub is not installed, Kaggle does not answer or refuses the
        credentials, or what came is not the data set; one line that says what to do.
    """
    folder = pathlib.Path(folder)
    if coronahack.recognise(folder):
        return False
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(
            f"--data_dir={folder}: expected CoronaHack, or an empty folder to fetch it into; name "
            "another folder"
        )
    kagglehub = _import_kagglehub()
    _refuse_unreachable()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(folder) as beside:
        _download(kagglehub, beside)
        if not coronahack.recognise(beside):
            raise ValueError(
                f"--fetch=coronahack: expected {coronahack.METADATA_NAME} in what Kaggle sent, "
                f"it is not there: {BY_HAND}."
            )
    return True


def _refuse_unreachable() -> None:
    """Raises ValueError where Kaggle does not answer: its client would wait without an end."""
    import requests  # Comes with kagglehub.

    try:
        requests.head(API, timeout=REACH_TIMEOUT_S)
    except OSError as error:
        raise ValueError(
            f"--fetch=coronahack: {API} does not answer ({type(error).__name__}): check the "
            f"network and its proxy, {BY_HAND}."
        ) from error


def _download(kagglehub: Any, folder: pathlib.Path) -> None:
    """Downloads into a folder; whatever goes wrong becomes a ValueError that says what to do."""
    errors = kagglehub.exceptions
    try:
        # Forced: a download that was killed leaves its part there.
        kagglehub.dataset_download(CORONAHACK, output_dir=str(folder), force_download=True)
    except (errors.UnauthenticatedError, errors.CredentialError) as error:
        raise ValueError(_no_credentials(error)) from error
    except (errors.KaggleApiHTTPError, errors.BackendError) as error:
        if _status(error) in REFUSED:
            raise ValueError(_no_credentials(error)) from error
        raise ValueError(
            f"--fetch=coronahack: Kaggle answers: {error}; try later, {BY_HAND}."
        ) from error
    except (errors.DataCorruptionError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise ValueError(
            f"--fetch=coronahack: the download is damaged ({error}); run it again, {BY_HAND}."
        ) from error
    except OSError as error:
        # requests' own errors are OSErrors, those of the disk too.
        raise ValueError(
            f"--fetch=coronahack: cannot download ({type(error).__name__}: {error}): check the "
            f"network and the room in {folder.parent}, {BY_HAND}."
        ) from error
    except Exception as error:
        # The client raises bare ones, for a setting or a file of credentials that it cannot read.
        raise ValueError(
            f"--fetch=coronahack: kagglehub fails ({type(error).__name__}: {error}): check "
            f"~/.kaggle/kaggle.json and the variables KAGGLE_*, {BY_HAND}."
        ) from error


def _import_kagglehub() -> Any:
    try:
        import kagglehub
        import kagglehub.exceptions
    except ImportError as error:
        raise ValueError(
            f"--fetch=coronahack needs kagglehub ({error}): {EXTRA}, {BY_HAND}."
        ) from error
    return kagglehub


def _no_credentials(error: Exception) -> str:
    return (
        f"--fetch=coronahack: Kaggle refuses without valid credentials ({error}): make a token on "
        "https://www.kaggle.com/settings and put it into KAGGLE_API_TOKEN or "
        f"~/.kaggle/kaggle.json, {BY_HAND}."
    )


def _status(error: Exception) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if status is not None else getattr(error, "error_code", None)
