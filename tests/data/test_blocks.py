import numpy as np
import pandas as pd
import pytest

from tfcovid.data.blocks import (
    Block,
    columns_of,
    is_single_label,
    label_matrix,
    label_texts,
)

FINDINGS = Block("findings", ("Mass", "Edema", "Hernia"), exclusive=False)
CLASSES = Block("diagnosis", ("Normal", "COVID-19"), exclusive=True)

TEXTS = {
    "Normal; No Finding": [1, 0, 0, 0, 0],
    "COVID-19; ?": [0, 1, -1, -1, -1],
    "?; Mass|Hernia": [-1, -1, 1, 0, 1],
    "Normal; Edema|?": [1, 0, -1, 1, -1],
}


def test_label_texts_and_matrix_are_each_other_s_inverse():
    rng = np.random.default_rng(0)
    texts = pd.Series(rng.choice(list(TEXTS), 50), dtype="str")
    matrix = label_matrix(texts, (CLASSES, FINDINGS))
    assert matrix.dtype == np.int8
    assert matrix.tolist() == [TEXTS[text] for text in texts]
    assert label_texts(matrix, (CLASSES, FINDINGS)).tolist() == texts.tolist()


def test_one_block_has_no_separator():
    assert label_matrix(pd.Series(["COVID-19", "Normal"]), (CLASSES,)).tolist() == [[0, 1], [1, 0]]
    found = label_texts(np.array([[0, 0, 0], [1, 1, 0]]), (FINDINGS,))
    assert found.tolist() == ["No Finding", "Mass|Edema"]


def test_an_image_of_which_nothing_is_known_has_no_label():
    assert label_texts(np.full((1, 5), -1), (CLASSES, FINDINGS)).isna().all()


def test_absent_beside_unknown_has_no_text_and_is_refused():
    with pytest.raises(ValueError, match=r"findings: expected all findings of an image known"):
        label_texts(np.array([[1, 0, -1]]), (FINDINGS,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Normal", "expected diagnosis and findings, divided by '; '"),
        ("Normal; Fracture", "expected of findings Mass, Edema, Hernia. Received: Fracture"),
        ("Virus; Mass", "expected of diagnosis Normal, COVID-19. Received: Virus"),
        ("No Finding; Mass", "expected of diagnosis"),
        ("Normal; Mass|Mass", "expected of findings"),
    ],
)
def test_a_label_of_another_task_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        label_matrix(pd.Series([text]), (CLASSES, FINDINGS))


def test_columns_follow_the_blocks():
    assert columns_of((CLASSES, FINDINGS)) == [slice(0, 2), slice(2, 5)]
    assert is_single_label((CLASSES,))
    assert not is_single_label((FINDINGS,)) and not is_single_label((CLASSES, FINDINGS))
