"""Asks the advisory service about the releases that locks/ names: `make audit-deps`.

pip-audit runs in an environment of its own. It ends well where the service knows none of the
packages, which is what a mirror of the index without advisories looks like; here that is a failure.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import venv

ROOT = pathlib.Path(__file__).parents[1]
TOOLS = ROOT / ".venv-audit"
PIN = re.compile(r"^[A-Za-z0-9._-]+==[^\s;]+", re.MULTILINE)


def pins() -> list[str]:
    """Returns NAME==VERSION of every release of every lock, and of PyTorch's packages."""
    files = [*ROOT.glob("locks/*.txt"), ROOT / "requirements-conversion.txt"]
    files.append(ROOT / "requirements-dev.txt")
    return sorted({pin for file in files for pin in PIN.findall(file.read_text())})


def audited(asked: list[str]) -> tuple[list[dict], str]:
    """Returns what pip-audit says of each release, and its messages."""
    if not (TOOLS / "bin" / "pip-audit").exists():
        venv.create(TOOLS, with_pip=True)
        pip = [TOOLS / "bin" / "python", "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "pip-audit==2.10.1"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        # A file may not name two releases of one package: they are asked about in turns.
        turns: list[dict[str, str]] = []
        for pin in asked:
            name = pin.partition("==")[0]
            turn = next((turn for turn in turns if name not in turn), None)
            if turn is None:
                turns.append(turn := {})
            turn[name] = pin
        answers, messages = [], ""
        for turn in turns:
            file = pathlib.Path(folder) / "pins.txt"
            file.write_text("\n".join(turn.values()) + "\n")
            command = [TOOLS / "bin" / "pip-audit", "--no-deps", "--disable-pip", "--format=json"]
            done = subprocess.run(
                [*command, f"--requirement={file}"], capture_output=True, text=True, check=False
            )
            messages += done.stderr
            answers += json.loads(done.stdout)["dependencies"] if done.stdout.strip() else []
    return answers, messages


def verdict(asked: list[str], answers: list[dict]) -> tuple[int, list[str]]:
    """Returns the exit code and the lines to print.

    Args:
      asked: NAME==VERSION of each release.
      answers: of pip-audit's JSON: name, and vulns or skip_reason.
    """
    known = [answer for answer in answers if "skip_reason" not in answer]
    lines = [
        f"{answer['name']} {answer['version']}: {flaw['id']}, mended in "
        f"{', '.join(flaw['fix_versions']) or 'no release'}"
        for answer in known
        for flaw in answer["vulns"]
    ]
    if len(known) < len(asked):
        lines.append(
            f"error: NOT AUDITED: {len(asked) - len(known)} of {len(asked)} releases, which the "
            "advisory service did not answer for; expected an answer for each, so run this where "
            "the service can be reached"
        )
        return 2, lines
    if lines:
        return 1, [
            *lines,
            f"error: {len(lines)} known vulnerabilities; `make lock` takes newer releases",
        ]
    return 0, [f"No vulnerability is known of {len(asked)} releases."]


def main() -> int:
    """Prints what is known; returns the exit code."""
    asked = pins()
    answers, messages = audited(asked)
    code, lines = verdict(asked, answers)
    if not answers:
        lines = [*messages.strip().splitlines()[-1:], *lines]
    print(*lines, sep="\n", file=sys.stderr if code else sys.stdout)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
