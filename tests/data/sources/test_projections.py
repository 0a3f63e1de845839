import pandas as pd

from tfcovid.data.sources.projections import is_lateral
from tfcovid.data.sources.reading import TEXT


def test_only_views_known_to_be_lateral_are_lateral():
    views = pd.Series(["L", "lateral", " LL ", "PA", "AP Supine", None], dtype=TEXT)
    assert is_lateral(views).tolist() == [True, True, True, False, False, False]
