"""Fetching gives a whole data set or one line that says what to do; no network is asked."""

import pathlib
import sys
import tarfile
import types
import zipfile

import pytest

from tests.conftest import run_entry
from tfcovid.data.fetching import fetch_coronahack
from tfcovid.data.sources.coronahack import METADATA_NAME


class RefusalError(Exception):
    """Stands for kagglehub's error about an answer of Kaggle."""

    def __init__(self, status):
        super().__init__(f"{status} from kaggle.com\nsecond line")
        self.response = types.SimpleNamespace(status_code=status)


@pytest.fixture
def hub(monkeypatch):
    """A stand-in for kagglehub; a test sets what `download` does with the folder."""
    module, errors = types.ModuleType("kagglehub"), types.ModuleType("kagglehub.exceptions")
    errors.KaggleApiHTTPError = RefusalError
    for name in ("UnauthenticatedError", "CredentialError", "BackendError", "DataCorruptionError"):
        setattr(errors, name, type(name, (Exception,), {}))
    module.exceptions = errors
    module.asked = []

    def dataset_download(handle, *, output_dir, force_download):
        module.asked.append(handle)
        assert force_download
        module.download(output_dir)
        return output_dir

    module.dataset_download = dataset_download
    requests = types.ModuleType("requests")
    requests.head = lambda url, *, timeout: module.reach(url, timeout)
    module.reach = lambda url, timeout: None
    monkeypatch.setitem(sys.modules, "requests", requests)
    monkeypatch.setitem(sys.modules, "kagglehub", module)
    monkeypatch.setitem(sys.modules, "kagglehub.exceptions", errors)
    return module


def write_table(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)
    (folder / METADATA_NAME).write_text("X_ray_image_name\n")


def raising(error):
    def download(folder):
        raise error

    return download


def test_the_data_set_is_fetched_once_into_a_new_folder(hub, tmp_path):
    hub.download = write_table
    folder = tmp_path / "new" / "coronahack"
    assert fetch_coronahack(folder)
    assert (folder / METADATA_NAME).is_file()
    assert [path.name for path in folder.parent.iterdir()] == ["coronahack"]
    assert not fetch_coronahack(folder)
    assert hub.asked == ["praveengovi/coronahack-chest-xraydataset"]


def test_a_folder_with_something_else_is_left_alone(hub, tmp_path):
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(ValueError, match="expected CoronaHack, or an empty folder"):
        fetch_coronahack(tmp_path)
    assert hub.asked == []


def test_what_is_not_the_data_set_is_refused_and_leaves_nothing(hub, tmp_path):
    def download(folder):
        pathlib.Path(folder).mkdir()
        (pathlib.Path(folder) / "other.csv").touch()

    hub.download = download
    with pytest.raises(ValueError, match=f"expected {METADATA_NAME} in what Kaggle sent"):
        fetch_coronahack(tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda errors: errors.UnauthenticatedError("who?"), "KAGGLE_API_TOKEN"),
        (lambda errors: errors.CredentialError("no"), "KAGGLE_API_TOKEN"),
        (lambda errors: RefusalError(401), "KAGGLE_API_TOKEN"),
        (lambda errors: RefusalError(403), "KAGGLE_API_TOKEN"),
        (lambda errors: RefusalError(500), "try later"),
        (lambda errors: errors.BackendError("busy"), "try later"),
        (lambda errors: errors.DataCorruptionError("hash"), "run it again"),
        (lambda errors: zipfile.BadZipFile("File is not a zip file"), "run it again"),
        (lambda errors: tarfile.ReadError("unexpected end"), "run it again"),
        (lambda errors: ConnectionError("no route"), "check the network"),
        (lambda errors: OSError(28, "No space left"), "the room in"),
        # What kagglehub raises for a kaggle.json and a KAGGLE_API_ENVIRONMENT it cannot read.
        (lambda errors: ValueError("Invalid Kaggle credentials file"), r"check ~/\.kaggle"),
        (lambda errors: TypeError("'int' is not iterable"), r"check ~/\.kaggle"),
        (lambda errors: Exception("Unrecognized value"), r"the variables KAGGLE_\*"),
    ],
)
def test_each_failure_is_one_line_that_says_what_to_do(hub, tmp_path, make, expected):
    hub.download = raising(make(hub.exceptions))
    with pytest.raises(ValueError, match=expected) as refused:
        fetch_coronahack(tmp_path / "data")
    assert str(refused.value).startswith("--fetch=coronahack: ")
    assert "kaggle.com/datasets/praveengovi" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ConnectionError("no route"), TimeoutError("silence")])
def test_kaggle_that_does_not_answer_is_not_waited_for(hub, tmp_path, error):
    timeouts = []

    def reach(url, timeout):
        assert url == "https://api.kaggle.com"
        timeouts.append(timeout)
        raise error

    hub.reach = reach
    with pytest.raises(ValueError, match=rf"does not answer \({type(error).__name__}\): check the"):
        fetch_coronahack(tmp_path / "data")
    assert 0 < timeouts[0] <= 60
    assert hub.asked == []
    assert list(tmp_path.iterdir()) == []


def test_without_kagglehub_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(ValueError, match=r"pip install -r requirements-prepare\.txt, or download"):
        fetch_coronahack(tmp_path / "data")


def test_the_command_fetches_nothing_that_is_there(small_data, tmp_path):
    # Ends in the line about the folder for the records: no network is needed to come so far.
    done = run_entry(
        "prepare",
        "--fetch=coronahack",
        f"--data_dir={small_data}",
        f"--output_dir={small_data}",
        "--beam_args=--direct_num_workers=1",
        check=False,
    )
    assert "fetched: nothing, coronahack lies in" in done.stdout
    assert done.returncode == 1
    assert "own folder" in done.stderr or "Apache Beam is needed" in done.stderr
