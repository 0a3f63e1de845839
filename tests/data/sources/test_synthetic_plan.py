"""The plan of the drawn data set: shares, names and what must not depend on the finding."""

import numpy as np
import pandas as pd
import pytest

from tfcovid.data.sources.synthetic_plan import Stream, generator, plan_films, plan_patients


@pytest.fixture(scope="module")
def patients():
    return pd.DataFrame(vars(patient) for patient in plan_patients(2000, seed=0))


def test_a_fifth_of_the_covid_patients_is_at_least_thirty(patients):
    counts = patients["finding"].value_counts()
    assert counts.sum() == 2000
    assert counts["COVID-19"] // 5 >= 30


def test_images_have_the_shares_of_the_original_with_more_covid(patients):
    images = patients.groupby("finding")["images"].sum()
    share = images / images.sum()
    assert share["COVID-19"] == pytest.approx(0.08, abs=0.015)
    assert share["Normal"] == pytest.approx(0.25, abs=0.03)
    assert share["Bacterial"] == pytest.approx(0.40, abs=0.03)
    assert share["Viral"] == pytest.approx(0.27, abs=0.03)
    assert set(patients["images"]) == {1, 2, 3, 4}


def test_sex_age_view_and_number_do_not_depend_on_the_finding(patients):
    overall = patients["finding"].value_counts(normalize=True)
    for group in (
        patients["sex"] == "F",
        patients["view"] == "AP",
        patients["age"] < 50,
        patients["number"] <= 1000,
        patients["images"] == 1,
    ):
        within = patients[group]["finding"].value_counts(normalize=True)
        error = np.sqrt(overall * (1 - overall) / group.sum())
        assert ((within - overall).abs() < 3.5 * error).all()


def test_covid_is_never_in_the_test_part(patients):
    assert set(patients[patients["test"]]["finding"]) == {"Normal", "Bacterial", "Viral"}


@pytest.mark.parametrize("seed", [0, 1])
def test_viral_and_covid_share_one_numbering(seed):
    films = plan_films(400, seed=seed)
    names = [film.name for film in films if film.patient.finding in ("Viral", "COVID-19")]
    running = [int(name.removesuffix(".jpeg").split("_")[-1]) for name in names]
    assert running == list(range(1, len(names) + 1))


def test_the_smallest_plan_has_three_patients_of_each_finding():
    counts = pd.Series([p.finding for p in plan_patients(12, seed=0)]).value_counts()
    assert counts.min() >= 3 and len(counts) == 4


def test_streams_and_numbers_have_different_random_numbers():
    drawn = {generator(1, stream, number).random() for stream in Stream for number in range(50)}
    assert len(drawn) == 50 * len(Stream)
