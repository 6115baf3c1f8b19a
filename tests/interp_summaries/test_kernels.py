"""Compiled loops that keep the extremes of units, against sorting."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from interp_summaries.kernels import insert_extreme, merge_extremes
from interp_summaries.top_contexts import EMPTY_KEY, EMPTY_SOURCE

TOKENS = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 4)), max_size=30)


def extremes(tokens, first_key=0, size=4):
    places = np.full(size, -np.inf), np.full(size, EMPTY_KEY, np.uint64), np.full(size, EMPTY_SOURCE, np.int64)
    for key, (value, source) in enumerate(tokens, first_key):
        insert_extreme(np.float64(value), np.uint64(key), np.int64(source), *places)
    return places


def expected(tokens):
    best = {}
    for key, (value, source) in enumerate(tokens):
        best[source] = min(best.get(source, (np.inf, 0)), (-value, key))
    return sorted(best.values())[:4]


@settings(deadline=None)
@given(TOKENS, st.integers(0, 30))
def test_extremes_hold_the_best_token_of_each_source(tokens, cut):
    values, keys, sources = extremes(tokens)
    n = np.count_nonzero(keys != EMPTY_KEY)
    assert list(zip(-values[:n], keys[:n].tolist(), strict=True)) == expected(tokens)
    assert [tokens[key][1] for key in keys[:n].tolist()] == sources[:n].tolist()
    halves = [[array[None] for array in extremes(part, at)] for part, at in ((tokens[:cut], 0), (tokens[cut:], cut))]
    merge_extremes(*halves[0], *halves[1])
    assert halves[0][1][0].tolist() == keys.tolist()


def test_nan_is_never_inserted():
    places = extremes([(0, 1)])
    insert_extreme(np.nan, np.uint64(9), np.int64(2), *places)
    assert np.count_nonzero(places[1] != EMPTY_KEY) == 1
