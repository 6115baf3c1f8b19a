"""Serialised pass states: blocks of units that are read one by one, without the arrays that all shards share."""

import pickle
import threading
from collections.abc import Mapping
from functools import reduce

import numpy as np
import pytest
import xarray as xr
from helpers.laws import alike
from helpers.tiny import Tiny, some_batches

import interp
from interp import Reducer
from interp.activations import sharding as shards
from interp.distributed import pass_state as work
from interp.distributed.executors import Broadcast
from interp.distributed.pass_state import PassState
from interp.measurement.reduce import plan_passes
from interp.measurement.reduce import reduce as measured
from interp.registry import active_registry

OPTIONS = {"min_tokens": 3, "min_sources": 1}


@pytest.fixture
def source(monkeypatch):
    monkeypatch.setattr(shards, "MIN_SHARD_SAMPLES", 5)
    return interp.stream(Tiny().eval(), some_batches()[:6], progress=False)


def last_pass(source):
    """Return the last pass of hellinger."""
    reducer = active_registry().get("probe", "hellinger")(**OPTIONS)
    *before, last = plan_passes(reducer, source)
    results = {}
    for steps in before:
        results |= {key: measured(step.reducer, source) for key, step in steps.items()}
    return PassState(last, results)


class AccessLog(Mapping):
    """State that logs array accesses and returns copies."""

    def __init__(self, record):
        self.record, self.accessed = record, []

    def __getitem__(self, name):
        self.accessed.append(name)
        return self.record[name].copy()

    def __iter__(self):
        return iter(self.record)

    def __len__(self):
        return len(self.record)


@pytest.mark.parametrize("wide", [2, 3, 1024])
def test_blocks_of_units_give_the_whole_result(wide, source, monkeypatch):
    monkeypatch.setattr(work, "MAX_BLOCK_UNITS_IN_MEMORY", wide)
    counting = last_pass(source)
    states = [dict(counting.reduce_shard(source.load(shard))) for shard in source.shards()]
    assert len(states) > 2
    units = next(iter(source)).sizes["unit"]
    assert work.n_blocks(states[0]) == -(-units // wide)
    total = reduce(lambda a, b: dict(counting.merge(AccessLog(a), AccessLog(b))), states)
    results, tally = counting.finish(total)
    (result,) = results.values()
    expected = interp.measure("hellinger", source, **OPTIONS)
    alike(result, expected)
    assert tally.attrs() == {name: expected.attrs[name] for name in ("n_tokens", "n_sources")}


def test_merging_reads_one_block_at_a_time(source, monkeypatch):
    monkeypatch.setattr(work, "MAX_BLOCK_UNITS_IN_MEMORY", 2)
    counting = last_pass(source)
    a, b = (
        AccessLog(dict(counting.reduce_shard(source.load(shard))))
        for shard, _ in zip(source.shards(), "ab", strict=False)
    )
    merged = []
    for name, _ in counting.merge(a, b):
        if name.endswith("/own/counts"):
            merged.append(name)
            for record in (a, b):
                assert [one for one in record.accessed if one.endswith("/own/counts")] == merged
    assert len(merged) == work.n_blocks(a) > 1


def test_shared_arrays_are_stored_as_references(source):
    counting = last_pass(source)
    state = dict(counting.reduce_shard(source.load(next(source.shards()))))
    shared = {name.rpartition("/")[2]: array.tolist() for name, array in state.items() if "/needed/" in name}
    assert {"key", "place", "line_of", "group", "shuffled", "plan", "edge"} <= set(shared)
    results = list(counting.results.values())
    assert all(results[int(number)][name].size for number, name in shared.values())
    own = {name.rpartition("/")[2] for name in state if "/own/" in name}
    assert {"counts", "null", "seen"} <= own


def test_empty_shards_change_nothing(source):
    counting = last_pass(source)
    one, none = (dict(counting.reduce_shard(part)) for part in (source.load(next(source.shards())), []))
    for a, b in ((one, none), (none, one)):
        merged = dict(counting.merge(AccessLog(a), AccessLog(b)))
        assert list(merged) == list(one)
        for name, array in merged.items():
            np.testing.assert_array_equal(array, one[name])
    with pytest.raises(interp.SchemaError, match="no chunk"):
        counting.finish(dict(counting.merge(none, none)))


def test_states_are_recognised_in_another_process(source, tmp_path):
    """The repr of a function in ``where=`` contains an address, which differs between processes."""
    first, second = ({"where": {"input": lambda values: values == "a"}} for _ in range(2))
    expected = interp.measure("hellinger", source, **OPTIONS, **first)
    for options in (first, second):
        alike(interp.measure("hellinger", source, checkpoint_dir=tmp_path / "states", **OPTIONS, **options), expected)


def test_chunks_with_different_units_are_rejected(source, monkeypatch):
    monkeypatch.setattr("interp.measurement.reduce.MAX_CHUNK_VALUES", 1)
    counting = last_pass(source)
    chunk = next(iter(source))
    for other in (chunk.isel(unit=slice(1, None)), chunk.isel(unit=[0, *range(chunk.sizes["unit"])])):
        with pytest.raises(interp.SchemaError, match="units differ between parts"):
            dict(counting.reduce_shard([chunk, other]))


class ModifyingReducer(Reducer):
    """Modifies a required result."""

    name = "modifying"
    depends_on = ("range",)
    per_unit = True

    def init_state(self, units, **needed):
        needed["range"]["minimum"].values[:] = 0
        return {}

    def update(self, state, chunk):
        return state

    def merge(self, a, b):
        return a

    def finalize(self, state):
        return xr.Dataset()


def test_required_results_are_read_only(source, tmp_path):
    for options in ({}, {"checkpoint_dir": tmp_path / "states"}):
        with pytest.raises(ValueError, match="read-only"):
            interp.measure(ModifyingReducer(), source, **options)


def test_results_of_earlier_passes_are_writable(source, tmp_path):
    for options in ({}, {"checkpoint_dir": tmp_path / "states"}):
        result = interp.measure("hellinger", source, **OPTIONS, **options)
        for variable in result.data_vars.values():
            variable[...] = 0


@pytest.mark.parametrize("read_only", [True, False])
def test_threads_share_read_only_arrays(read_only):
    value = {"a": np.arange(1000.0), "b": "ծ", "c": np.zeros((3, 0))}
    shipped = Broadcast.from_value(value, read_only=read_only)
    copies = pickle.loads(pickle.dumps(shipped, protocol=5)), pickle.loads(pickle.dumps(shipped, protocol=4))
    assert {one.digest() for one in copies} == {shipped.digest()}
    for one in (shipped, *copies):
        values = [one.value()]
        thread = threading.Thread(target=lambda one=one, values=values: values.append(one.value()))
        thread.start()
        thread.join()
        first, second = values
        assert first is one.value() is not second
        np.testing.assert_array_equal(first["a"], value["a"])
        assert np.shares_memory(first["a"], second["a"]) == read_only
        assert first["a"].flags.writeable != read_only
