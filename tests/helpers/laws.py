"""The law of reducers: any chunking into whole samples and any tree of merges give the same result.

``hold(reducer, seed)`` draws a capture, a chunking, orders and a tree, and compares the result with `interp.measure` on
the whole capture.
"""

from itertools import pairwise

import numpy as np

import interp
from interp.measurement.reduce import make_dependency, unit_coords


def small(seed, samples=12, units=5, quantity="f"):
    """Return a capture of short samples; many values lie on bin edges, since they are rounded; one unit is constant."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 30, samples)
    n = int(lengths.sum())
    inputs = generator.choice(["t", "s", "ou"], n)
    outputs = np.where(generator.random(n) < 0.6, "ծ", generator.choice(["_", "ու", "թ"], n))
    values = np.round(np.tanh(generator.normal(size=(n, units))), 2).astype(np.float32)
    values[:, 0] = 0.25
    names = [interp.plotting.format_unit_name("lstm", quantity, index, 0, "forward") for index in range(units)]
    columns = {"module": "lstm", "layer": 0, "direction": "forward", "quantity": quantity}
    coords = {key: [value] * units for key, value in columns.items()} | {"unit": names, "index": range(units)}
    sample = np.repeat(np.arange(samples), lengths)
    step = np.concatenate([np.arange(length) for length in lengths])
    tokens = {"sample": sample, "step": step, "source": sample // 3, "input": inputs, "output": outputs}
    return interp.make_dataset(values, coords, tokens, {"model": "small", "seed": seed})


def parts_of(acts, draw):
    """Return the samples in random order as random chunks, of which some may be empty."""
    samples = draw.permutation(np.unique(acts["sample"].values))
    bounds = np.sort(np.append(draw.integers(0, samples.size + 1, draw.integers(0, 6)), [0, samples.size]))
    groups = [samples[a:b] for a, b in pairwise(bounds)]
    rows = [[np.flatnonzero(acts["sample"].values == sample) for sample in group] for group in groups]
    return [acts.isel(token=np.concatenate([[], *row]).astype(int)) for row in rows]


def hold(reducer, seed, acts=None):
    """Assert the law for a reducer on one random capture, chunking and tree of merges.

    Each state gets one or several chunks, and one state gets none; then two random states are merged until one is left.
    """
    draw = np.random.default_rng(seed)
    acts = small(seed) if acts is None else acts
    required = {name: make_dependency(reducer, name) for name in reducer.depends_on}
    inputs = {name.replace("-", "_"): interp.measure(one, acts) for name, one in required.items()}
    states = []
    for chunk in parts_of(acts, draw):
        is_new = bool(draw.integers(2)) or not states
        state = reducer.init_state(unit_coords(acts), **inputs) if is_new else states.pop(draw.integers(len(states)))
        states.append(reducer.update(state, chunk))
    states.append(reducer.init_state(unit_coords(acts), **inputs))
    while len(states) > 1:
        a, b = (states.pop(draw.integers(len(states))) for _ in range(2))
        states.append(reducer.merge(a, b))
    result = reducer.finalize(states[0])
    result = result.assign_coords(unit_coords(acts).coords) if "unit" in result.dims else result
    alike(reducer.postprocess(result), interp.measure(reducer, acts))


def alike(actual, expected):
    """Assert that two results agree: counts and labels exactly, floats to 1e-12 relative."""
    assert set(actual.data_vars) == set(expected.data_vars)
    for name, variable in actual.variables.items():
        if variable.dtype.kind == "f":
            np.testing.assert_allclose(variable.values, expected[name].values, rtol=1e-12, atol=1e-14, err_msg=name)
        else:
            np.testing.assert_array_equal(variable.values, expected[name].values, err_msg=name)
