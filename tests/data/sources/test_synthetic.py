"""The drawn data set: layout, determinism, and that only the lungs tell the finding."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from tfcovid.data.sources import synthetic
from tfcovid.data.sources.synthetic import synthetic_folder, write_synthetic

IMAGES = Path("Coronahack-Chest-XRay-Dataset", "Coronahack-Chest-XRay-Dataset")
KERMANY_NAME = (
    r"(NORMAL2-)?IM-\d{4}-\d{4}\.jpeg|person\d+_bacteria_\d+\.jpeg|person\d+_virus_\d+\.jpeg"
)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic") / "sample"
    write_synthetic(folder, seed=3, patients=60)
    return folder


def metadata(folder):
    return pd.read_csv(folder / "Chest_xray_Corona_Metadata.csv")


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def finding_of(table):
    virus = table["Label_2_Virus_category"].fillna(table["Label_1_Virus_category"])
    return virus.fillna(table["Label"])


def test_metadata_has_the_columns_and_spellings_of_the_original(sample):
    table = metadata(sample)
    assert list(table.columns) == [
        "Unnamed: 0",
        "X_ray_image_name",
        "Label",
        "Dataset_type",
        "Label_2_Virus_category",
        "Label_1_Virus_category",
    ]
    assert set(table["Label"]) == {"Normal", "Pnemonia"}
    assert set(table["Label_1_Virus_category"].dropna()) == {"bacteria", "Virus"}
    assert set(table["Label_2_Virus_category"].dropna()) == {"COVID-19"}
    assert list(table["Unnamed: 0"]) == list(range(len(table)))


def test_metadata_lists_exactly_the_files_in_their_parts(sample):
    table = metadata(sample)
    listed = {
        (IMAGES / part.lower() / name).as_posix()
        for part, name in zip(table["Dataset_type"], table["X_ray_image_name"], strict=True)
    }
    assert listed | {"Chest_xray_Corona_Metadata.csv", "patients.csv"} == set(digests(sample))
    assert table["X_ray_image_name"].is_unique


def test_test_part_has_no_covid_and_shares_no_patient_with_train(sample):
    table = metadata(sample).merge(
        pd.read_csv(sample / "patients.csv"), left_on="X_ray_image_name", right_on="image"
    )
    test = table["Dataset_type"] == "TEST"
    assert set(finding_of(table[test])) == {"Normal", "bacteria", "Virus"}
    assert not set(table[test]["patient_id"]) & set(table[~test]["patient_id"])


def test_names_and_format_do_not_give_covid_away(sample):
    table = metadata(sample)
    assert table["X_ray_image_name"].str.fullmatch(KERMANY_NAME).all()
    covid = finding_of(table) == "COVID-19"
    assert table["X_ray_image_name"][covid].str.contains("_virus_").all()
    kinds = set()
    for path in (sample / IMAGES).rglob("*.jpeg"):
        with Image.open(path) as image:
            kinds.add((image.format, image.mode, image.size, str(image.quantization)))
    assert len(kinds) == 1
    assert kinds.pop()[:3] == ("JPEG", "L", (96, 96))


def test_patients_table_agrees_with_the_names(sample):
    patients = pd.read_csv(sample / "patients.csv")
    assert list(patients.columns) == ["image", "patient_id", "view", "sex", "age", "source"]
    assert set(patients["source"]) == {"synthetic"}
    key = patients["image"].str.replace(r"(_\d+|-\d{4})\.jpeg$", "", regex=True)
    assert (patients.groupby("patient_id")["image"].count() <= 4).all()
    assert key.nunique() == patients["patient_id"].nunique()
    pairs = pd.DataFrame({"key": key, "patient": patients["patient_id"]}).drop_duplicates()
    assert pairs["key"].is_unique and pairs["patient"].is_unique
    assert patients.groupby("patient_id")[["sex", "age", "view"]].nunique().eq(1).all(axis=None)


def test_one_seed_gives_identical_files_and_another_seed_other_images(tmp_path):
    for name, seed in (("first", 5), ("second", 5), ("other", 6)):
        write_synthetic(tmp_path / name, seed=seed, patients=12)
    assert digests(tmp_path / "first") == digests(tmp_path / "second")
    assert not set(digests(tmp_path / "first").values()) & set(digests(tmp_path / "other").values())


def test_no_two_images_are_the_same(sample):
    sums = list(digests(sample).values())
    assert len(sums) == len(set(sums))


@pytest.mark.parametrize(
    ("argument", "value"), [("seed", -1), ("image_size", 16), ("patients", 11)]
)
def test_a_number_out_of_range_is_named(tmp_path, argument, value):
    with pytest.raises(ValueError, match=f"{argument} must be at least .* {argument}={value}"):
        write_synthetic(tmp_path / "new", **{argument: value})
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(ValueError, match="needs a new folder"):
        write_synthetic(tmp_path, patients=12)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_interrupted_write_leaves_nothing(tmp_path):
    def interrupt(done, images):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_synthetic(tmp_path / "new", patients=12, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_image(tmp_path):
    seen = []
    write_synthetic(tmp_path / "new", patients=12, progress=lambda *call: seen.append(call))
    images = len(metadata(tmp_path / "new"))
    assert seen == [(done, images) for done in range(1, images + 1)]


def test_synthetic_folder_is_written_once_and_reused(tmp_path):
    calls = []
    options = {"seed": 2, "patients": 12, "progress": lambda *call: calls.append(call)}
    first = synthetic_folder(tmp_path / "cache", **options)
    drawn = len(calls)
    assert synthetic_folder(tmp_path / "cache", **options) == first
    assert len(calls) == drawn == len(metadata(first))
    assert synthetic_folder(tmp_path / "cache", seed=3, patients=12) != first


def test_synthetic_folder_takes_over_what_another_process_finished_first(tmp_path):
    def overtake(done, images):
        if done == images:
            write_synthetic(tmp_path / name, seed=0, patients=12)

    name = f"synthetic-v{synthetic.DRAWING_VERSION}-seed0-12x96px"
    folder = synthetic_folder(tmp_path, seed=0, patients=12, progress=overtake)
    assert folder == tmp_path / name
    assert [path.name for path in tmp_path.iterdir()] == [name]
