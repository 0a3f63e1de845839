"""Gets a published data set into a folder, through its publisher's own client."""

import os
import pathlib
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


def fetch_coronahack(folder: str | os.PathLike[str]) -> bool:
    """Downloads CoronaHack from Kaggle into a folder, whole or not at all.

    Args:
      folder: made where it is not there.

    Returns:
      Whether anything was downloaded: not where the data set lies there already.

    Raises:
      ValueError: if kagglehub is not installed, there is no network, Kaggle refuses the
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
    errors = kagglehub.exceptions
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with whole_file(folder) as beside:
            # Forced: a download that was killed leaves its part there.
            kagglehub.dataset_download(CORONAHACK, output_dir=str(beside), force_download=True)
            if not coronahack.recognise(beside):
                raise ValueError(
                    f"--fetch=coronahack: expected {coronahack.METADATA_NAME} in what Kaggle sent, "
                    f"it is not there: {BY_HAND}."
                )
    except (errors.UnauthenticatedError, errors.CredentialError) as error:
        raise ValueError(_no_credentials(error)) from error
    except (errors.KaggleApiHTTPError, errors.BackendError) as error:
        if _status(error) in REFUSED:
            raise ValueError(_no_credentials(error)) from error
        raise ValueError(
            f"--fetch=coronahack: Kaggle answers: {error}; try later, {BY_HAND}."
        ) from error
    except errors.DataCorruptionError as error:
        raise ValueError(
            f"--fetch=coronahack: the download is damaged ({error}); run it again, {BY_HAND}."
        ) from error
    except OSError as error:
        # requests' own errors are OSErrors, those of the disk too.
        raise ValueError(
            f"--fetch=coronahack: cannot download ({type(error).__name__}: {error}): check the "
            f"network and the room in {folder}, {BY_HAND}."
        ) from error
    return True


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
