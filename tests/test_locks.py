"""The locks say what the requirements allow, each release by hash, and nothing of any machine."""

import importlib.util
import json
import pathlib
import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).parents[1]
LOCKS = {
    "cpu": "requirements.txt",
    "cuda": "requirements-cuda.txt",
    "conversion": "requirements-conversion.txt",
    "dev": "requirements-dev.txt",
}
# Pinned by version alone; docs/security.md says why.
UNHASHED = {"torch", "torchvision"}


def script(name):
    spec = importlib.util.spec_from_file_location(f"locks_{name}", ROOT / "locks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def asked(file):
    """Every requirement of a file and of those that it includes."""
    for line in (ROOT / file).read_text().splitlines():
        if line.startswith("-r "):
            yield from asked(line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            yield Requirement(line)


def blocks(text):
    """Each release of a lock as its requirement and its hashes."""
    for block in text.replace("\\\n", " ").splitlines():
        spec, *hashes = re.split(r"\s+--hash=", block)
        yield Requirement(spec), hashes


def disagreements(requirements, text):
    """What of the requirements a lock does not hold within the range."""
    locked = {}
    for release, _ in blocks(text):
        versions = locked.setdefault(canonicalize_name(release.name), [])
        versions.append(str(release.specifier).removeprefix("=="))
    return [
        str(one)
        for one in requirements
        if one.name not in UNHASHED
        and not all(map(one.specifier.contains, locked.get(canonicalize_name(one.name), ["0"])))
    ]


@pytest.mark.parametrize(("lock", "file"), LOCKS.items())
def test_a_lock_holds_each_requirement_within_its_range(lock, file):
    text = (ROOT / "locks" / f"{lock}.txt").read_text()
    assert not disagreements(asked(file), text)
    assert disagreements([Requirement("keras>=99")], text) == ["keras>=99"]
    assert disagreements([Requirement("no-such-package>=1")], text)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_releases_with_hashes_and_nothing_else(lock):
    text = (ROOT / "locks" / f"{lock}.txt").read_text()
    for release, hashes in blocks(text):
        assert re.fullmatch(r"==[^,*]+", str(release.specifier)), release
        assert hashes and release.url is None, release
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", one) for one in hashes), release
    assert not re.search(r"://|--(?!hash=sha256:)\w|#|@|^\s*/", text, re.MULTILINE)
    assert not UNHASHED & {release.name for release, _ in blocks(text)}


@pytest.mark.parametrize("lock", ("cpu", "conversion", "cuda"))
def test_environments_that_share_a_folder_share_their_releases(lock):
    dev, ours = (
        {(one.name, str(one.specifier)) for one, _ in blocks((ROOT / "locks" / file).read_text())}
        for file in ("dev.txt", f"{lock}.txt")
    )
    names = {name for name, _ in dev}
    assert ours & dev
    assert not {one for one in ours - dev if one[0] in names}


def test_pytorch_is_pinned_to_one_release_where_it_has_no_hash():
    pinned = {one.name: str(one.specifier) for one in asked("requirements-dev.txt")}
    assert all(re.fullmatch(r"==[\d.]+", pinned[name]) for name in UNHASHED)


def test_the_bill_of_materials_is_that_of_the_locks():
    sbom = script("sbom")
    written = sbom.OUTPUT.read_text()
    assert written == sbom.bill(sbom.releases()), "run `make sbom`"
    named = [(one["name"], one["version"]) for one in json.loads(written)["components"]]
    locked = {
        (release.name, str(release.specifier).removeprefix("=="))
        for lock in LOCKS
        for release, _ in blocks((ROOT / "locks" / f"{lock}.txt").read_text())
    }
    assert len(named) == len(set(named))
    hashes = {
        one["content"]
        for part in json.loads(written)["components"]
        for one in part.get("hashes", ())
    }
    assert hashes == {
        digest.strip().removeprefix("sha256:")
        for lock in LOCKS
        for _, digests in blocks((ROOT / "locks" / f"{lock}.txt").read_text())
        for digest in digests
    }
    assert {one for one in named if one[0] not in UNHASHED} == locked
    assert {one[0] for one in named} >= UNHASHED
    assert len(written) < 1_000_000


def test_an_audit_that_got_no_answer_is_no_clean_bill():
    verdict = script("audit").verdict
    clean = {"name": "a", "version": "1", "vulns": []}
    flaw = {**clean, "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
    assert verdict(["a==1"], [clean]) == (0, ["No vulnerability is known of 1 releases."])
    assert verdict(["a==1"], [flaw])[0] == 1
    code, lines = verdict(["a==1", "b==1"], [clean, {"name": "b", "skip_reason": "not found"}])
    assert code == 2 and "NOT AUDITED: 1 of 2" in lines[-1]
    assert verdict(["a==1"], [])[0] == 2
