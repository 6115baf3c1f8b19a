"""The law of reducers: any cut into chunks of whole samples, and any tree of merges, give one result.

``hold(reducer, seed)`` draws a capture, a cut, orders and a tree, and compares with `interp.measure` on the whole.
"""

from itertools import pairwise

import numpy as np

import interp
from interp.reducers import _needed, unit_coords


def small(seed, samples=12, units=5, quantity="f"):
    """Return a capture of short samples: rounded values, so that many stand on edges, and one constant unit."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(1, 30, samples)
    n = int(lengths.sum())
    inputs = draw.choice(["t", "s", "ou"], n)
    outputs = np.where(draw.random(n) < 0.6, "ծ", draw.choice(["_", "ու", "թ"], n))
    values = np.round(np.tanh(draw.normal(size=(n, units))), 2).astype(np.float32)
    values[:, 0] = 0.25
    names = [interp.unit_name("lstm", quantity, index, 0, "forward") for index in range(units)]
    columns = {"module": "lstm", "layer": 0, "direction": "forward", "quantity": quantity}
    coords = {key: [value] * units for key, value in columns.items()} | {"unit": names, "index": range(units)}
    sample = np.repeat(np.arange(samples), lengths)
    step = np.concatenate([np.arange(length) for length in lengths])
    tokens = {"sample": sample, "step": step, "source": sample // 3, "input": inputs, "output": outputs}
    return interp.dataset(values, coords, tokens, {"model": "small", "seed": seed})


def parts_of(acts, draw):
    """Return the samples in random order, in random chunks, some of them empty."""
    samples = draw.permutation(np.unique(acts["sample"].values))
    bounds = np.sort(np.append(draw.integers(0, samples.size + 1, draw.integers(0, 6)), [0, samples.size]))
    groups = [samples[a:b] for a, b in pairwise(bounds)]
    rows = [[np.flatnonzero(acts["sample"].values == one) for one in group] for group in groups]
    return [acts.isel(token=np.concatenate([[], *row]).astype(int)) for row in rows]


def hold(reducer, seed, acts=None):
    """Hold the law for a reducer, with its options set, on one draw of everything.

    States take one chunk or several; some take none; then two at random become one, until one is left.
    """
    draw = np.random.default_rng(seed)
    acts = small(seed) if acts is None else acts
    needed = {need.replace("-", "_"): interp.measure(_needed(reducer, need), acts) for need in reducer.needs}
    states = []
    for chunk in parts_of(acts, draw):
        fresh = bool(draw.integers(2)) or not states
        state = reducer.start(unit_coords(acts), **needed) if fresh else states.pop(draw.integers(len(states)))
        states.append(reducer.update(state, chunk))
    states.append(reducer.start(unit_coords(acts), **needed))
    while len(states) > 1:
        a, b = (states.pop(draw.integers(len(states))) for _ in range(2))
        states.append(reducer.merge(a, b))
    found = reducer.finish(states[0])
    found = found.assign_coords(unit_coords(acts).coords) if "unit" in found.dims else found
    alike(reducer.conclude(found), interp.measure(reducer, acts))


def alike(found, wanted):
    """Hold two results against each other: counts and labels to the bit, floats to 1e-12 relative."""
    assert set(found.data_vars) == set(wanted.data_vars)
    for name, held in found.variables.items():
        if held.dtype.kind == "f":
            np.testing.assert_allclose(held.values, wanted[name].values, rtol=1e-12, atol=1e-14, err_msg=name)
        else:
            np.testing.assert_array_equal(held.values, wanted[name].values, err_msg=name)
