import json

import pytest

from tests.conftest import run_entry


@pytest.fixture(scope="module")
def audited(small_data, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("audit") / "out"
    done = run_entry("audit", f"--data_dir={small_data}", f"--workdir={workdir}")
    return workdir, done.stdout


def test_the_audit_of_a_clean_sample_raises_no_alarm(audited):
    workdir, shown = audited
    found = json.loads((workdir / "audit.json").read_text())
    assert not [shortcut["sentence"] for shortcut in found["shortcuts"] if shortcut["beats_chance"]]
    assert found["leaks"] == []
    assert "SHORTCUT" not in shown
    assert str(workdir / "audit.html") in shown


def test_the_page_stands_alone(audited):
    page = (audited[0] / "audit.html").read_text()
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_flag_that_the_audit_does_not_read_is_refused():
    done = run_entry("audit", "--epochs=3", check=False)
    assert done.returncode == 1
    assert "--epochs: audit does not read it" in done.stderr
