import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcovid.data.groups import assign_groups, connected_rows

KEYS = st.lists(
    st.tuples(st.sampled_from([None, *"abcdef"]), st.sampled_from("0123456789")),
    min_size=1,
    max_size=20,
)


def _columns(keys):
    patients, digests = zip(*keys, strict=True)
    return pd.Series(patients, dtype="str"), pd.Series(digests, dtype="str")


def _oracle(keys):
    """Merges sets of rows until no two share a value."""
    groups = [{row} for row in range(len(keys))]

    def linked(first, second):
        return any(
            keys[i][1] == keys[j][1] or (keys[i][0] is not None and keys[i][0] == keys[j][0])
            for i in first
            for j in second
        )

    merged = True
    while merged:
        merged = False
        for first in groups:
            for second in groups:
                if first is not second and linked(first, second):
                    first |= second
                    groups.remove(second)
                    merged = True
                    break
            if merged:
                break
    return {frozenset(group) for group in groups}


@given(KEYS)
def test_groups_are_the_connected_components(keys):
    ids = assign_groups(*_columns(keys))
    groups = {frozenset(rows) for rows in ids.groupby(ids).groups.values()}
    assert groups == _oracle(keys)


@given(KEYS, st.randoms(use_true_random=False))
def test_groups_do_not_depend_on_the_order_of_the_rows(keys, random):
    patients, digests = _columns(keys)
    order = random.sample(range(len(keys)), len(keys))
    shuffled = assign_groups(patients.iloc[order], digests.iloc[order])
    pd.testing.assert_series_equal(shuffled.sort_index(), assign_groups(patients, digests))


def test_group_is_named_after_its_first_patient_or_its_bytes():
    ids = assign_groups(
        pd.Series(["kermany:b", "kermany:a", None, None], dtype="str", index=[7, 5, 3, 1]),
        pd.Series(["0" * 64, "0" * 64, "0" * 64, "1" * 64], dtype="str", index=[7, 5, 3, 1]),
    )
    assert ids.to_dict() == {
        7: "kermany:a",
        5: "kermany:a",
        3: "kermany:a",
        1: "sha256:" + "1" * 16,
    }


def test_same_value_in_different_keys_links_nothing():
    first = pd.Series(["x", "y"], dtype="str")
    assert len(np.unique(connected_rows(first, first[::-1].reset_index(drop=True)))) == 2


def test_long_chain_is_one_component():
    left = pd.Series(np.arange(2000) // 2)
    right = pd.Series((np.arange(2000) + 1) // 2)
    assert len(np.unique(connected_rows(left, right))) == 1


def test_missing_digest_is_refused():
    with pytest.raises(ValueError, match="SHA-256 for every image, 1 are missing"):
        assign_groups(pd.Series(["a", "b"]), pd.Series(["0", None], dtype="str"))
