import subprocess
import sys

from benchmarks.start_process import FIRST_STEP
from tests.conftest import ROOT, SMALL


def test_a_training_ends_with_its_first_step_after_the_lines_that_the_stages_end_with(
    small_data, tmp_path
):
    words = [sys.executable, "-m", "benchmarks.start_process", *SMALL, f"--data_dir={small_data}"]
    done = subprocess.run(
        [*words, f"--workdir={tmp_path / 'run'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    beginnings = ("data:", "images:", "model:", FIRST_STEP)
    lines = [line for line in done.stdout.splitlines() if line.startswith(beginnings)]
    assert [line.startswith(name) for line, name in zip(lines, beginnings, strict=True)] == [
        True
    ] * 4
    assert not (tmp_path / "run" / "saved_model").exists()
