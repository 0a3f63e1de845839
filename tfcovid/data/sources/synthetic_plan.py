"""Who the patients of the drawn data set are, and what their films are called.

The finding decides the name's pattern, as in the original, and that COVID-19 is never in TEST.
Everything else (sex, age, view, number of films) is drawn without knowing it.
"""

import dataclasses
import enum

import numpy as np

# Shares of the patients. A fifth of the smallest class must leave 30 patients in a test split.
_SHARES = {"Normal": 0.255, "Bacterial": 0.39, "Viral": 0.269, "COVID-19": 0.086}
_NAME_PATTERNS = {"Normal": "IM", "Bacterial": "bacteria", "Viral": "virus", "COVID-19": "virus"}
_IMAGES_PER_PATIENT = (0.45, 0.35, 0.15, 0.05)  # chances of 1, 2, 3, 4
_TEST_SHARE = 0.12  # Dataset_type TEST; as in the original it has no COVID-19
FEWEST_PATIENTS = 12  # three of each finding can be split into three parts


class Stream(enum.IntEnum):
    """Streams of random numbers that must not meet.

    Lesions have their own, so that another finding in the same film changes no pixel outside
    the lungs.
    """

    PLAN = 0
    ANATOMY = 1
    FILM = 2
    LESION_SITE = 3
    LESION_GROWTH = 4


@dataclasses.dataclass(frozen=True)
class Patient:
    """One drawn patient."""

    number: int  # counts all patients; says nothing of the finding
    finding: str
    number_in_name: int  # counts the patients of one name pattern
    images: int
    test: bool
    view: str
    sex: str
    age: int


@dataclasses.dataclass(frozen=True)
class Film:
    """One film to be drawn."""

    number: int
    name: str
    patient: Patient

    @property
    def folder(self) -> str:
        """The folder its part lies in, train or test."""
        return "test" if self.patient.test else "train"


def generator(seed: int, stream: Stream, number: int = 0) -> np.random.Generator:
    """Returns the generator of one patient or film in one stream, whatever was drawn before."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, stream, number))))


def plan_patients(patients: int, *, seed: int) -> list[Patient]:
    """Returns who the patients are, in the order of their numbers.

    Args:
      patients: how many, >= 12; the findings' shares are rounded, with three of each at least.
      seed: >= 0.
    """
    rng = generator(seed, Stream.PLAN)
    counts = {finding: max(3, round(share * patients)) for finding, share in _SHARES.items()}
    findings = [finding for finding, count in counts.items() for _ in range(count)]
    rng.shuffle(findings)
    numbers_in_name: dict[str, int] = {}
    plan = []
    for number, finding in enumerate(findings, start=1):
        pattern = _NAME_PATTERNS[finding]
        numbers_in_name[pattern] = numbers_in_name.get(pattern, 0) + 1
        images = 1 + int(rng.choice(len(_IMAGES_PER_PATIENT), p=_IMAGES_PER_PATIENT))
        test = bool(rng.random() < _TEST_SHARE) and finding != "COVID-19"
        view = "PA" if rng.random() < 0.6 else "AP"
        sex = "F" if rng.random() < 0.5 else "M"
        age = int(rng.integers(18, 90))
        in_name = numbers_in_name[pattern]
        plan.append(Patient(number, finding, in_name, images, test, view, sex, age))
    return plan


def plan_films(patients: int, *, seed: int) -> list[Film]:
    """Returns the films of the patients, TRAIN before TEST, named after Kermany's patterns.

    Args:
      patients: how many, >= 12, as in plan_patients.
      seed: >= 0.
    """
    films: list[Film] = []
    films_of_pattern: dict[str, int] = {}
    for patient in sorted(plan_patients(patients, seed=seed), key=lambda one: one.test):
        pattern = _NAME_PATTERNS[patient.finding]
        for image in range(1, patient.images + 1):
            running = films_of_pattern[pattern] = films_of_pattern.get(pattern, 0) + 1
            if pattern == "IM":
                prefix = "NORMAL2-IM" if patient.number_in_name % 2 else "IM"
                name = f"{prefix}-{patient.number_in_name:04d}-{image:04d}.jpeg"
            else:
                name = f"person{patient.number_in_name}_{pattern}_{running}.jpeg"
            films.append(Film(len(films), name, patient))
    return films
