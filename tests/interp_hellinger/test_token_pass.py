"""The pass over labels: the same layout for any chunks and order of merges."""

import numpy as np
import pytest
import xarray as xr

import interp
from interp_hellinger.token_pass import TokenPass

OPTIONS = {"min_tokens": 50, "min_sources": 20, "n_permutations": 10, "strata": ("predicted",)}


def units_of(acts):
    return acts.drop_vars([name for name, values in acts.variables.items() if values.dims != ("unit",)])


def test_chunks_and_merges_give_the_same_layout(drawn_acts):
    reducer = TokenPass(**OPTIONS)
    units = units_of(drawn_acts)
    whole = reducer.finalize(reducer.update(reducer.init_state(units), drawn_acts))
    cuts = [interp.select(drawn_acts, sample=slice(low, low + 40)) for low in range(0, 200, 40)]
    states = [reducer.update(reducer.init_state(units), cut) for cut in cuts]
    merged = states[3]
    for index in (1, 4, 0, 2):
        merged = reducer.merge(merged, states[index])
    xr.testing.assert_identical(reducer.finalize(merged), whole)


def test_duplicate_steps_are_an_error(drawn_acts):
    reducer = TokenPass(**OPTIONS)
    twice = drawn_acts.assign_coords(step=("token", np.zeros(drawn_acts.sizes["token"], np.int32)))
    with pytest.raises(interp.SchemaError, match="same step"):
        reducer.finalize(reducer.update(reducer.init_state(units_of(drawn_acts)), twice))


def test_where_without_tokens_is_an_error(drawn_acts):
    reducer = TokenPass(where={"input": "?"}, **OPTIONS)
    with pytest.raises(interp.OptionError, match="matches no token"):
        reducer.finalize(reducer.update(reducer.init_state(units_of(drawn_acts)), drawn_acts))
