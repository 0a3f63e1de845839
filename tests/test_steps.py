"""The command that draws the steps, as a user types it."""

import pytest
from PIL import Image

from tests.conftest import run_entry
from tests.data.images import encode
from tests.data.lung_crop.slices import ct_slice


def test_readable_files_are_drawn_and_the_others_named_with_exit_code_1(tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(encode(ct_slice()[..., 0], "PNG"))
    bad.write_text("no image")
    out = tmp_path / "new" / "out"
    done = run_entry(
        "steps", bad, good, "--preprocessing=lung_crop", f"--output_dir={out}", check=False
    )
    assert done.returncode == 1
    assert done.stdout == f"{good}: {out / 'good.png.steps.png'}\n"
    said = done.stderr.splitlines()
    assert said[0].startswith(f"{bad}: not an image") and len(said) == 2
    assert said[1] == "error: 1 of 2 images could not be drawn"
    with Image.open(out / "good.png.steps.png") as picture:
        assert min(picture.size) > 300


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["x.png"], "--output_dir"),
        (["--output_dir=never"], "no image was named"),
        (["--output_dir=never", "--image_size=3", "x.png"], "--image_size=3"),
        (["--output_dir=never", "--view=lungs_only", "x.png"], "--view: steps does not read it"),
    ],
)
def test_steps_says_what_it_lacks(arguments, expected, tmp_path):
    done = run_entry("steps", *arguments, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert expected in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "never").exists()
