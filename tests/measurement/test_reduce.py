"""The law of reducers: any split into chunks of whole samples and any tree of merges give the same result."""

import numpy as np
import pytest
import xarray as xr
from helpers.laws import alike, hold, small
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import interp
from interp.measurement.reduce import is_contiguous, iter_sample_chunks, sample_bounds
from interp.registry import active_registry

HELLINGER_OPTIONS = {"min_tokens": 5, "min_sources": 1, "bins": 20}
OPTIONS = {
    "hellinger": HELLINGER_OPTIONS,
    "hellinger-tokens": HELLINGER_OPTIONS,
    "hellinger-edges": HELLINGER_OPTIONS,
    "top-contexts": {"sample": 40, "examples": 3, "window": 2},
    "labels": {"labels": ("input", "output")},
}


def reducers():
    """Return the names of all reducers except those that need a model, which have their own tests of the law."""
    table = active_registry().table("probe")
    return sorted(name for name, entry in table.items() if isinstance(entry.value, type) and name != "contributions")


@pytest.mark.parametrize("name", reducers())
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1))
def test_merge_law(name, seed):
    hold(active_registry().get("probe", name)(**OPTIONS.get(name, {})), seed)


def test_the_law_can_be_broken():
    class Last(active_registry().get("probe", "range")):
        def merge(self, a, b):
            return b

    with pytest.raises(AssertionError):
        any(hold(Last(), seed) for seed in range(20))


@pytest.mark.parametrize("name", reducers())
@pytest.mark.parametrize("source", ["stream", "blocks", "dask", "shuffled"])
def test_every_source_gives_the_same(name, source, monkeypatch):
    acts = small(3)
    expected = interp.measure(name, acts, **OPTIONS.get(name, {}))
    if source == "stream":
        activations = Stream(acts)
    elif source == "dask":
        activations = acts.chunk({"token": 17, "unit": 2})
    elif source == "shuffled":
        activations = acts.isel(token=np.random.default_rng(0).permutation(acts.sizes["token"]))
    else:
        activations = acts
        monkeypatch.setattr("interp.measurement.reduce.MAX_BLOCK_UNITS", 2)
        monkeypatch.setattr("interp.measurement.reduce.MAX_CHUNK_VALUES", 60)
    result = interp.measure(name, activations, **OPTIONS.get(name, {}))
    alike(result, expected)
    assert result.attrs == expected.attrs
    assert list(result.variables) == list(expected.variables)


class Stream:
    def __init__(self, acts):
        self.acts, self.passes = acts, 0

    def __iter__(self):
        self.passes += 1
        for sample in np.unique(self.acts["sample"].values):
            yield interp.select(self.acts, sample=int(sample))


def test_a_stream_is_read_once_per_level():
    for estimator, passes in (("raw", 2), ("debiased", 3)):
        stream = Stream(small(0))
        interp.measure("hellinger", stream, estimator=estimator, min_tokens=5, min_sources=1)
        assert stream.passes == passes


def test_chunks_are_whole_samples_of_bounded_size(monkeypatch):
    monkeypatch.setattr("interp.measurement.reduce.MAX_CHUNK_VALUES", 5 * 40)
    acts = small(1)
    chunks = list(iter_sample_chunks(acts, sample_bounds(acts["sample"].values)))
    xr.testing.assert_identical(xr.concat(chunks, "token", data_vars="minimal", coords="minimal"), acts)
    assert max(chunk.sizes["token"] for chunk in chunks) <= 40
    assert len({int(sample) for chunk in chunks for sample in np.unique(chunk["sample"])}) == 12
    assert sum(np.unique(chunk["sample"]).size for chunk in chunks) == 12
    assert np.shares_memory(chunks[1].activation.values, acts.activation.values)


def test_a_sample_larger_than_a_chunk_stays_whole(monkeypatch):
    monkeypatch.setattr("interp.measurement.reduce.MAX_CHUNK_VALUES", 1)
    acts = small(1)
    assert [c.sizes["token"] for c in iter_sample_chunks(acts, sample_bounds(acts["sample"].values))] == np.bincount(
        acts["sample"]
    ).tolist()


def test_together():
    assert is_contiguous(np.array([3, 3, 1, 2]))
    assert not is_contiguous(np.array([3, 1, 3]))
    assert is_contiguous(np.array([], int))
