"""Agreement of the measures in a report."""

from itertools import combinations

import pandas as pd

from interp_reproduction.claims.agreement import MEASURES


def test_every_two_measures_are_compared_on_every_layer(report):
    table = pd.read_csv(report / "tables/agreement.csv")
    assert set(table["layer"]) == {"hidden", "backward h", "forward h"}
    assert set(zip(table["measure_a"], table["measure_b"], strict=True)) == set(combinations(MEASURES, 2))
    assert table["correlation"].abs().max() <= 1
