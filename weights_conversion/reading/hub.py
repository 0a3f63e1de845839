"""Gets a checkpoint from the Hugging Face hub: hf://owner/name, hf://owner/name@revision/file."""

import contextlib
import dataclasses
import pathlib
import socket
import urllib.parse
import urllib.request

from weights_conversion.reading.content import INSTALL

SCHEME = "hf://"
_FILES = ("model.safetensors", "pytorch_model.bin")
"""Where timm and transformers keep the weights; the first that is there is taken."""
_SETTINGS = ("config.json", "preprocessor_config.json")
_TIMEOUT_S = 10


@dataclasses.dataclass(frozen=True)
class Address:
    """A file on the hub.

    Attributes:
      repository: "owner/name".
      revision: branch, tag or commit, or None for the newest.
      file: name of the file, or None for the one that holds the weights.
    """

    repository: str
    revision: str | None
    file: str | None


def parse_address(text: str) -> Address:
    """Returns what hf://owner/name[@revision][/file] names.

    Raises:
      ValueError: if the text is not of that form.
    """
    parts = text.removeprefix(SCHEME).split("/", 2)
    if not text.startswith(SCHEME) or len(parts) < 2 or not all(parts):
        raise ValueError("expected hf://owner/name or hf://owner/name@revision/file")
    name, at, revision = parts[1].partition("@")
    if not name or (at and not revision):
        raise ValueError("expected hf://owner/name@revision, with a name and a revision")
    return Address(f"{parts[0]}/{name}", revision or None, parts[2] if len(parts) == 3 else None)


def download(text: str) -> pathlib.Path:
    """Returns the checkpoint's file, its settings beside it where the repository has them.

    What was downloaded once is taken from the hub's own cache, also without a network.

    Args:
      text: hf://owner/name, with @revision and /file where wanted.

    Raises:
      ValueError: if the address is wrong, huggingface_hub is not installed, or the hub does not
        give the file; the message says what to do.
    """
    address = parse_address(text)
    try:
        from huggingface_hub import errors
        from huggingface_hub.utils import logging
    except ImportError as error:
        raise ValueError(f"needs huggingface_hub: {INSTALL}") from error

    logging.set_verbosity_error()

    def get(file):
        return _get(address, file)

    wanted = (address.file,) if address.file else _FILES
    for file in wanted:
        try:
            path = get(file)
        except errors.LocalEntryNotFoundError as error:
            raise ValueError(
                "no network, or the hub does not answer, and the file is not in the hub's cache; "
                "get it on a machine with a network and name the file here"
            ) from error
        except errors.EntryNotFoundError:
            continue
        except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
            raise ValueError(
                "the hub has no such repository or revision, or it is not public: check the "
                "spelling, or log in with `hf auth login`"
            ) from error
        except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
            raise ValueError(
                f"the hub did not give {file} ({' '.join(str(error).split())[:160]})"
            ) from error
        _get_settings(get, path, errors)
        return path
    raise ValueError(f"the repository has no {' or '.join(wanted)}; name the file behind /")


def _get(address, file):
    """Returns a file from the hub's cache, else from the hub."""
    from huggingface_hub import constants, errors, hf_hub_download

    place = {"repo_id": address.repository, "filename": file, "revision": address.revision}
    try:
        return pathlib.Path(hf_hub_download(**place, local_files_only=True))
    except errors.LocalEntryNotFoundError:
        # The library would try for half a minute.
        if not _answers(constants.ENDPOINT):
            raise
    return pathlib.Path(hf_hub_download(**place, etag_timeout=_TIMEOUT_S))


def _answers(endpoint):
    """Whether somebody listens at the hub's address; behind a proxy that cannot be known."""
    if urllib.request.getproxies():
        return True
    url = urllib.parse.urlsplit(endpoint)
    try:
        port = url.port or (443 if url.scheme == "https" else 80)
        socket.create_connection((url.hostname, port), timeout=_TIMEOUT_S).close()
    except OSError:
        return False
    return True


def _get_settings(get, path, errors):
    """Downloads the settings beside the weights; a repository may do without."""
    for settings in _SETTINGS:
        if not path.with_name(settings).exists():
            with contextlib.suppress(errors.EntryNotFoundError, errors.HfHubHTTPError, OSError):
                get(settings)
