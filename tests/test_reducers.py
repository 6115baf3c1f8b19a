"""The law of reducers: any cut into chunks of whole samples and any tree of merges give one result."""

from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import interp
from interp.reducers import _needed, cut, sample_bounds, together, unit_coords
from interp.registry import registry

FEW = {"minimum": 5, "minimum_sources": 1, "bins": 20}
OPTIONS = {"hellinger": FEW, "hellinger-tokens": FEW, "hellinger-edges": FEW}


def reducers():
    return sorted(name for name, owned in registry().table("probe").items() if isinstance(owned.value, type))


def small(seed, samples=12, units=5):
    """Return a capture of short samples: rounded values, so that many stand on edges, and one constant unit."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(1, 30, samples)
    n = int(lengths.sum())
    inputs = draw.choice(["t", "s", "ou"], n)
    outputs = np.where(draw.random(n) < 0.6, "ծ", draw.choice(["_", "ու", "թ"], n))
    values = np.round(np.tanh(draw.normal(size=(n, units))), 2).astype(np.float32)
    values[:, 0] = 0.25
    names = [interp.unit_name("lstm", "h", index, 0, "forward") for index in range(units)]
    columns = {"module": "lstm", "layer": 0, "direction": "forward", "quantity": "h"}
    coords = {key: [value] * units for key, value in columns.items()} | {"unit": names, "index": range(units)}
    sample = np.repeat(np.arange(samples), lengths)
    step = np.concatenate([np.arange(length) for length in lengths])
    tokens = {"sample": sample, "step": step, "source": sample // 3, "input": inputs, "output": outputs}
    return interp.dataset(values, coords, tokens, {"model": "small", "seed": seed})


def parts_of(acts, draw):
    """Return the samples in random order, in random chunks."""
    samples = draw.permutation(np.unique(acts["sample"].values))
    bounds = np.unique(np.append(draw.integers(0, samples.size + 1, draw.integers(0, 6)), [0, samples.size]))
    groups = [samples[a:b] for a, b in pairwise(bounds)]
    rows = [np.concatenate([np.flatnonzero(acts["sample"].values == one) for one in group]) for group in groups]
    return [acts.isel(token=row) for row in rows]


@pytest.mark.parametrize("name", reducers())
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1))
def test_merge_law(name, seed):
    draw = np.random.default_rng(seed)
    acts = small(seed)
    reducer = registry().get("probe", name)(**OPTIONS.get(name, {}))
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
    alike(reducer.conclude(reducer.finish(states[0])), interp.measure(reducer, acts))


def alike(found, wanted):
    for name, held in found.variables.items():
        if held.dtype.kind == "f":
            np.testing.assert_allclose(held.values, wanted[name].values, rtol=1e-12, atol=1e-14, err_msg=name)
        else:
            np.testing.assert_array_equal(held.values, wanted[name].values, err_msg=name)


@pytest.mark.parametrize("name", reducers())
@pytest.mark.parametrize("source", ["stream", "blocks", "dask", "shuffled"])
def test_every_source_gives_the_same(name, source, monkeypatch):
    acts = small(3)
    whole = interp.measure(name, acts, **OPTIONS.get(name, {}))
    if source == "stream":
        given = Stream(acts)
    elif source == "dask":
        given = acts.chunk({"token": 17, "unit": 2})
    elif source == "shuffled":
        given = acts.isel(token=np.random.default_rng(0).permutation(acts.sizes["token"]))
    else:
        given = acts
        monkeypatch.setattr("interp.reducers.BLOCK", 2)
        monkeypatch.setattr("interp.reducers.CHUNK", 60)
    found = interp.measure(name, given, **OPTIONS.get(name, {}))
    alike(found, whole)
    assert found.attrs == whole.attrs
    assert list(found.variables) == list(whole.variables)


class Stream:
    def __init__(self, acts):
        self.acts, self.passes = acts, 0

    def __iter__(self):
        self.passes += 1
        for sample in np.unique(self.acts["sample"].values):
            yield interp.pick(self.acts, sample=int(sample))


def test_a_stream_is_read_once_a_level():
    for mode, passes in (("article", 2), ("honest", 3)):
        stream = Stream(small(0))
        interp.measure("hellinger", stream, mode=mode, minimum=5, minimum_sources=1)
        assert stream.passes == passes


def test_chunks_are_whole_samples_of_bounded_size(monkeypatch):
    monkeypatch.setattr("interp.reducers.CHUNK", 5 * 40)
    acts = small(1)
    chunks = list(cut(acts, sample_bounds(acts["sample"].values)))
    xr.testing.assert_identical(xr.concat(chunks, "token", data_vars="minimal", coords="minimal"), acts)
    assert max(chunk.sizes["token"] for chunk in chunks) <= 40
    assert len({int(one) for chunk in chunks for one in np.unique(chunk["sample"])}) == 12
    assert sum(np.unique(chunk["sample"]).size for chunk in chunks) == 12
    assert np.shares_memory(chunks[1].activation.values, acts.activation.values)


def test_a_sample_larger_than_a_chunk_stays_whole(monkeypatch):
    monkeypatch.setattr("interp.reducers.CHUNK", 1)
    acts = small(1)
    assert [c.sizes["token"] for c in cut(acts, sample_bounds(acts["sample"].values))] == np.bincount(
        acts["sample"]
    ).tolist()


def test_together():
    assert together(np.array([3, 3, 1, 2]))
    assert not together(np.array([3, 1, 3]))
    assert together(np.array([], int))
