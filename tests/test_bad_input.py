"""Each mistake: one clear line, a non-zero exit, nothing half written."""

import shutil

import pandas as pd
import pytest

from tests.conftest import SMALL, run_entry, train_here

TABLE = "Chest_xray_Corona_Metadata.csv"
IMAGES = "Coronahack-Chest-XRay-Dataset/Coronahack-Chest-XRay-Dataset"


@pytest.fixture
def data(small_data, tmp_path):
    """A copy of the small data set, to be damaged."""
    return shutil.copytree(small_data, tmp_path / "data")


def edit_table(data, change):
    table = pd.read_csv(data / TABLE, dtype=str, keep_default_na=False)
    change(table).to_csv(data / TABLE, index=False)


def first_image(data):
    return sorted((data / IMAGES / "train").iterdir())[0]


def drop_column(data):
    edit_table(data, lambda table: table.drop(columns="Label"))


def unknown_label(data):
    def change(table):
        table.loc[3, "Label"] = "Pneumonia"  # the published spelling is Pnemonia
        return table

    edit_table(data, change)


def image_that_is_text(data):
    first_image(data).write_text("not an image")


def image_cut_off(data):
    path = first_image(data)
    path.write_bytes(path.read_bytes()[:-200])


def empty_image(data):
    first_image(data).write_bytes(b"")


def no_covid19(data):
    edit_table(data, lambda table: table[table["Label_2_Virus_category"] != "COVID-19"])


def most_images_missing(data):
    for path in sorted((data / IMAGES / "train").iterdir())[::3]:
        path.unlink()


def table_that_is_no_text(data):
    (data / TABLE).write_bytes(bytes(range(256)))


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (drop_column, "Label"),
        (unknown_label, "Pneumonia"),
        (image_that_is_text, "not an image"),
        (image_cut_off, "--on_bad_image=set_aside"),
        (empty_image, "empty file"),
        (no_covid19, "no image of COVID-19"),
        (most_images_missing, "--max_set_aside"),
        (table_that_is_no_text, "UTF-8"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_mistake_in_the_data_is_one_clear_line_and_leaves_nothing(data, tmp_path, damage, expected):
    damage(data)
    workdir = tmp_path / "run"
    with pytest.raises(ValueError, match=expected) as raised:
        train_here(f"--data_dir={data}", f"--workdir={workdir}", *SMALL)
    assert "\n" not in str(raised.value).strip()
    assert not workdir.exists()


@pytest.mark.parametrize("damage", [image_that_is_text, image_cut_off, empty_image])
def test_bad_image_is_listed_with_its_reason_when_set_aside(data, tmp_path, damage):
    damaged = first_image(data).name
    damage(data)
    workdir = tmp_path / "run"
    shown = train_here(
        f"--data_dir={data}",
        f"--workdir={workdir}",
        "--on_bad_image=set_aside",
        *SMALL,
        "--epochs=1",
    )
    rejected = pd.read_csv(workdir / "rejected.csv").set_index("image")
    assert rejected.loc[damaged, "reason"]
    assert damaged not in set(pd.read_csv(workdir / "manifest.csv")["image"])
    assert damaged in shown


def test_missing_files_are_named_and_listed(data, tmp_path):
    missing = first_image(data)
    missing.unlink()
    workdir = tmp_path / "run"
    shown = train_here(f"--data_dir={data}", f"--workdir={workdir}", *SMALL, "--epochs=1")
    assert missing.name in shown
    rejected = pd.read_csv(workdir / "rejected.csv").set_index("image")
    assert rejected.loc[missing.name, "reason"] == "missing file"


def test_workdir_that_holds_a_run_is_refused_and_untouched(finished_run, small_data):
    before = {path: path.stat().st_mtime_ns for path in finished_run.rglob("*")}
    with pytest.raises(ValueError, match="expected a new or empty folder"):
        train_here(f"--data_dir={small_data}", f"--workdir={finished_run}", *SMALL)
    assert {path: path.stat().st_mtime_ns for path in finished_run.rglob("*")} == before


def test_official_split_without_covid19_in_test_is_refused(small_data, tmp_path):
    with pytest.raises(ValueError, match="--split=patient"):
        train_here(
            f"--data_dir={small_data}", f"--workdir={tmp_path / 'run'}", "--split=official", *SMALL
        )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--data_dir=no/such/folder"], "--data_dir=no/such/folder"),
        (["--task=triage"], "task"),
        (["--loss=ce", "--focal_gamma=3"], "--focal_gamma"),
        (["stray"], "stray"),
        (["--no_such_flag=1"], "no_such_flag"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_command_line_ends_at_once_with_one_line(tmp_path, arguments, expected):
    done = run_entry("train", *arguments, f"--workdir={tmp_path / 'run'}", check=False)
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: ")
    assert expected in done.stderr
    assert not (tmp_path / "run").exists()


def test_mistake_in_the_data_ends_the_command_with_one_line_and_code_1(data, tmp_path):
    unknown_label(data)
    done = run_entry(
        "train", f"--data_dir={data}", f"--workdir={tmp_path / 'run'}", *SMALL, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: ")
    assert not (tmp_path / "run").exists()
