import pytest

from tfcovid.data.sources.coronahack_names import guessed_patient, kermany_patient, source_of


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("person447_virus_921_1.jpeg", "virus-447"),
        ("person447_virus_921.jpeg", "virus-447"),
        ("person447_bacteria_1935.jpeg", "bacteria-447"),
        ("IM-0128-0001.jpeg", "IM-128"),
        ("IM-0439-0001-0002.jpeg", "IM-439"),
        ("NORMAL2-IM-0012-0001.jpeg", "NORMAL2-IM-12"),
        ("NORMAL2-IM-0246-0001-0001.jpeg", "NORMAL2-IM-246"),
    ],
)
def test_kermany_patient_is_prefix_and_person_number(name, patient):
    assert kermany_patient(name) == patient
    assert source_of(name) == "kermany"


@pytest.mark.parametrize(
    "name",
    [
        "F051E018-DAD1-4506-AD43-BE4CA29E960B.jpeg",
        "SARS-10.1148rg.242035193-g04mr34g09c-Fig9c-day27.jpeg",
        "my-IM-0128-0001.jpeg",
        "person447_fungus_921.jpeg",
        "IM-0128-0001.jpg",
    ],
)
def test_other_names_are_no_children_of_kermany(name):
    assert kermany_patient(name) is None
    assert source_of(name) == "ieee8023"


@pytest.mark.parametrize(
    ("names", "stem"),
    [
        (["jkms-35-e79-g001-l-a.jpg", "jkms-35-e79-g001-l-c.jpg"], "jkms-35-e79-g001-l"),
        (
            [
                "SARS-10.1148rg.242035193-g04mr34g09c-Fig9c-day27.jpeg",
                "SARS-10.1148rg.242035193-g04mr34g09a-Fig9a-day17.jpeg",
            ],
            "SARS-10.1148rg.242035193-g04mr34g09",
        ),
        (
            [
                "1-s2.0-S1684118220300682-main.pdf-003-b1.png",
                "1-s2.0-S1684118220300682-main.pdf-003-b2.png",
            ],
            "1-s2.0-S1684118220300682-main.pdf-003",
        ),
        (["x-day3-PA.png", "x-day10-L.png", "x-lateral.jpg", "x"], "x"),
    ],
)
def test_guess_joins_days_views_and_panels(names, stem):
    assert {guessed_patient(name) for name in names} == {f"guessed:{stem}"}


@pytest.mark.parametrize(
    "name",
    [
        "5e6dd879fde9502400e58b2f.jpeg",
        "FE9F9A5D-2830-46F9-851B-1FF4534959BE.jpeg",
        "acute-respiratory-distress-syndrome-ards-1.jpg",
        "kjr-21-e24-g003-l.jpg",
    ],
)
def test_guess_leaves_other_stems_whole(name):
    assert guessed_patient(name) == "guessed:" + name.rpartition(".")[0]
