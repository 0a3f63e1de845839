"""Writes locks/sbom.cdx.json, the software bill of materials of the locks: `make sbom`.

Nothing in it changes but with the locks: no time, no serial number, no address. cyclonedx-py writes
the index's address into every component, and a description of 10 KB into some; hence by hand.

Source: CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/
"""

import json
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
OUTPUT = ROOT / "locks" / "sbom.cdx.json"
LOCKS = ("cpu", "cuda", "conversion", "dev")
RELEASE = re.compile(r"^([a-z0-9._-]+)==([^\s;]+)(.*)", re.MULTILINE)
SHA256 = re.compile(r"--hash=sha256:([0-9a-f]{64})")
# Pinned by version in the requirements alone.
UNHASHED = re.compile(r"^(torch(?:vision)?)==(\S+)()", re.MULTILINE)


def releases(root: pathlib.Path = ROOT) -> dict[tuple[str, str], dict[str, set[str]]]:
    """Returns by name and version the locks that a release stands in, and its files' SHA-256."""
    found: dict[tuple[str, str], dict[str, set[str]]] = {}
    sources = [(lock, root / "locks" / f"{lock}.txt", RELEASE) for lock in LOCKS]
    sources += [
        (lock, root / f"requirements-{lock}.txt", UNHASHED) for lock in ("conversion", "dev")
    ]
    for lock, file, pattern in sources:
        for name, version, rest in pattern.findall(file.read_text().replace("\\\n", " ")):
            known = found.setdefault((name, version), {"locks": set(), "hashes": set()})
            known["locks"].add(lock)
            known["hashes"].update(SHA256.findall(rest))
    return found


def component(name: str, version: str, known: dict[str, set[str]]) -> dict:
    """Returns a release as a component of CycloneDX."""
    url = f"pkg:pypi/{name}@{version}"
    described = {
        "type": "library",
        "bom-ref": url,
        "name": name,
        "version": version,
        "purl": url,
        "properties": [{"name": "tfcovid:lock", "value": lock} for lock in sorted(known["locks"])],
    }
    if known["hashes"]:
        described["hashes"] = [
            {"alg": "SHA-256", "content": one} for one in sorted(known["hashes"])
        ]
    return described


def bill(found: dict[tuple[str, str], dict[str, set[str]]]) -> str:
    """Returns the bill of materials as JSON, a component a line."""
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}
    head["metadata"] = {
        "component": {"type": "application", "bom-ref": "tfcovid", "name": "tfcovid"}
    }
    lines = [
        json.dumps(component(*key, known), separators=(",", ":"))
        for key, known in sorted(found.items())
    ]
    return json.dumps(head)[:-1] + ', "components": [\n' + ",\n".join(lines) + "\n]}\n"


if __name__ == "__main__":
    OUTPUT.write_text(bill(releases()), encoding="utf-8")
    print(f"wrote locks/{OUTPUT.name}")
