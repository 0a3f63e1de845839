"""How far the class goes together with source, age, view or sex, counted by patients."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import optimize, stats

UNKNOWN = "unknown"
LEVEL, TABLES = 0.95, 9999
METHOD = "inverted noncentral chi-square"

# The published pneumonia sets are split between children and adults at these ages.
AGE_GROUPS = ((6, "0-5"), (18, "6-17"), (40, "18-39"), (60, "40-59"), (80, "60-79"))
OLDEST = "80+"

# From here on an association is called weak, clear, strong, complete (Cohen 1988 for one degree
# of freedom, and its own word for what as good as replaces the class).
WORDS = ((0.1, "hardly"), (0.3, "weakly"), (0.5, "clearly"), (0.9, "strongly"))
COMPLETE = "almost completely"


@dataclasses.dataclass(frozen=True)
class Association:
    """How far two properties of patients go together.

    Attributes:
      name: what the class is compared with.
      cramers_v: bias-corrected, 0 (independent) to 1 (one tells the other); None where one of
        the two has a single value.
      interval: low, high, level, method; None likewise.
      p_value: of independence; None likewise.
      n_patients: counted.
      sentence: for the reader.
    """

    name: str
    cramers_v: float | None
    interval: dict[str, Any] | None
    p_value: float | None
    n_patients: int
    sentence: str

    def entry(self) -> dict[str, Any]:
        """Returns it ready for audit.json."""
        entry = dataclasses.asdict(self)
        return {"with": entry.pop("name"), **entry}


def class_associations(
    labels: Sequence[str],
    columns: Mapping[str, Sequence[Any]],
    groups: Sequence[Any],
    *,
    seed: int,
) -> list[Association]:
    """Returns how the class goes with each column, strongest first.

    What is missing says nothing of the patient, so the first figure of a column leaves it out.
    But where one class is documented better than another, a model that can guess the source
    can use it: a column with gaps has a second figure, of whether the value is known at all.

    Args:
      labels: class names [n].
      columns: by what they are called, values [n]; None, NaN and "" are missing.
      groups: group ids [n]. A patient counts once, with the commonest pair of class and value.
      seed: of the tables that the p-value compares with.

    Raises:
      ValueError: if the lengths differ.
    """
    found = []
    names, ids = np.asarray(labels, dtype=str), np.asarray(groups)
    for name, column in columns.items():
        if not len(column) == len(names) == len(ids):
            raise ValueError(
                f"{name}: expected as many values as labels and groups. Received: {len(column)} "
                f"values, {len(names)} labels, {len(ids)} groups."
            )
        values = np.array([_text(value) for value in column], dtype=str)
        known = values != UNKNOWN
        found.append(association(name, names[known], values[known], ids[known], seed=seed))
        if known.any() and not known.all():
            whether = np.where(known, "known", UNKNOWN)
            found.append(association(f"{name} known or not", names, whether, ids, seed=seed))
    return sorted(found, key=lambda one: -1 if one.cramers_v is None else -one.cramers_v)


def association(
    name: str, labels: np.ndarray, values: np.ndarray, groups: np.ndarray, *, seed: int
) -> Association:
    """Returns how the class goes with one property, without missing values.

    Args:
      name: what the class is compared with.
      labels: class names [n].
      values: of the property [n].
      groups: group ids [n].
      seed: of the tables that the p-value compares with.
    """
    table = patient_table(labels, values, groups)
    n = int(table.sum())
    if min(table.shape, default=0) < 2:
        return Association(name, None, None, None, n, _nothing_to_compare(name, values, n))
    v, interval, p_value = cramers_v(table), cramers_v_interval(table), independence(table, seed)
    sentence = _sentence(name, v, interval, p_value, n)
    return Association(name, v, interval, p_value, n, sentence)


def patient_table(labels: np.ndarray, values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Returns patients by class and value, int [classes, values]; each patient in one cell.

    Of a patient with several pairs the commonest counts, of equals the alphabetically first:
    shares of a patient would make numbers that the test takes for whole observations.
    """
    if not len(labels):
        return np.zeros((0, 0), int)
    rows, row = np.unique(labels, return_inverse=True)
    columns, column = np.unique(values, return_inverse=True)
    _, group = np.unique(groups, return_inverse=True)
    cells = len(rows) * len(columns)
    pairs, counts = np.unique(group * cells + row * len(columns) + column, return_counts=True)
    order = np.lexsort((pairs, -counts, pairs // cells))
    firsts = np.unique(pairs[order] // cells, return_index=True)[1]
    chosen = pairs[order][firsts] % cells
    table = np.bincount(chosen, minlength=cells).reshape(len(rows), len(columns))
    return table[table.any(axis=1)][:, table.any(axis=0)]


def cramers_v(table: np.ndarray) -> float:
    """Returns Cramér's V, bias-corrected, in [0, 1].

    Args:
      table: counts int [rows, columns], at least two of both, none of them empty.

    Source: Bergsma 2013, Journal of the Korean Statistical Society 42(3).
    """
    n, freedom = table.sum(), _freedom(table)
    corrected = max(0.0, _chi_square(table) / n - freedom / max(n - 1, 1))
    return min(1.0, float(np.sqrt(corrected / _largest(table))))


def cramers_v_interval(table: np.ndarray, level: float = LEVEL) -> dict[str, Any]:
    """Returns low, high, level and method of Cramér's V.

    Args:
      table: as `cramers_v` takes it.
      level: of confidence, in (0, 1).

    Source: Smithson 2003, Confidence Intervals, chapter 4; scaled as the estimate is.
    """
    n, freedom, seen = table.sum(), _freedom(table), _chi_square(table)

    def bound(tail: float) -> float:
        if stats.chi2.cdf(seen, freedom) <= tail:
            return 0.0
        # So far above what was seen, nothing as small is ever seen.
        farthest = 2 * seen + 100 + 20 * np.sqrt(seen)
        centre = optimize.brentq(
            lambda at: stats.ncx2.cdf(seen, freedom, at) - tail, 1e-12, farthest
        )
        return min(1.0, float(np.sqrt(centre / n / _largest(table))))

    estimate = cramers_v(table)
    low, high = bound((1 + level) / 2), bound((1 - level) / 2)
    return {
        "low": min(low, estimate),
        "high": max(high, estimate),
        "level": level,
        "method": METHOD,
    }


def independence(table: np.ndarray, seed: int, tables: int = TABLES) -> float:
    """Returns the p-value of independence among tables with the same margins, in (0, 1].

    Right also where expected counts are small, where the chi-square distribution is not.

    Args:
      table: as `cramers_v` takes it.
      seed: of the tables drawn.
      tables: how many; the p-value is at least 1 / (tables + 1).
    """
    margins = table.sum(axis=1), table.sum(axis=0)
    drawn = stats.random_table(*margins, seed=np.random.default_rng(seed)).rvs(tables)
    expected = stats.contingency.expected_freq(table)
    statistics = (np.square(drawn - expected) / expected).sum(axis=(1, 2))
    # Equal tables may differ in the last digit.
    as_far = statistics >= _chi_square(table) * (1 - 1e-9)
    return float((1 + as_far.sum()) / (1 + tables))


def age_group(age: float | None) -> str | None:
    """Returns the age group of an age in years, None where it is missing."""
    if age is None or np.isnan(age):
        return None
    return next((name for end, name in AGE_GROUPS if age < end), OLDEST)


def _text(value: Any) -> str:
    missing = value is None or value != value or str(value) in ("", "<NA>")
    return UNKNOWN if missing else str(value)


def _chi_square(table: np.ndarray) -> float:
    return float(stats.chi2_contingency(table, correction=False).statistic)


def _freedom(table: np.ndarray) -> int:
    return (table.shape[0] - 1) * (table.shape[1] - 1)


def _largest(table: np.ndarray) -> float:
    """Returns what the corrected chi-square over n reaches at most (Bergsma's r and c)."""
    n = max(int(table.sum()), 2)
    return max(min(side - (side - 1) ** 2 / (n - 1) for side in table.shape) - 1, 1e-12)


def _nothing_to_compare(name: str, values: np.ndarray, n: int) -> str:
    if n == 0:
        return f"Class and {name}: not known for any patient."
    only = np.unique(values)
    if len(only) == 1:
        return (
            f"Class and {name}: {only[0]} for all {n:,} patients, so there is nothing to compare."
        )
    return f"Class and {name}: known for one class only, so there is nothing to compare."


def _sentence(name: str, v: float, interval: Mapping[str, Any], p_value: float, n: int) -> str:
    figures = (
        f"Cramér's V {v:.2f} ({interval['low']:.2f}-{interval['high']:.2f}), {n:,} patients, "
        f"p {_p_words(p_value)}"
    )
    if p_value > 1 - LEVEL:
        return f"Class and {name}: no association shown: {figures}."
    how = next((word for end, word in WORDS if v < end), COMPLETE)
    return f"Class and {name} go together {how}: {figures}."


def _p_words(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"
