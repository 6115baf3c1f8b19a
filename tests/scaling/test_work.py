"""What a pass tells of itself: in columns of units, each read by itself, without what all shards share."""

import pickle
import threading
from collections.abc import Mapping
from functools import reduce

import numpy as np
import pytest
import xarray as xr
from laws import alike
from tiny import Tiny, some_batches

import interp
from interp import Reducer
from interp.capturing import shards
from interp.reducers import planned
from interp.reducers import reduce as measured
from interp.registry import registry
from interp.scaling import work
from interp.scaling.engines import Shipped
from interp.scaling.work import Work

OPTIONS = {"minimum": 3, "minimum_sources": 1}


@pytest.fixture
def source(monkeypatch):
    monkeypatch.setattr(shards, "SAMPLES", 5)
    return interp.stream(Tiny().eval(), some_batches()[:6], progress=False)


def last_pass(source):
    """Return the last of the passes of hellinger."""
    reducer = registry().get("probe", "hellinger")(**OPTIONS)
    *before, last = planned(reducer, source)
    results = {}
    for steps in before:
        results |= {key: measured(step.reducer, source) for key, step in steps.items()}
    return Work(last, results)


class Watched(Mapping):
    """A record that remembers which arrays were asked for, and gives each as a copy."""

    def __init__(self, record):
        self.record, self.asked = record, []

    def __getitem__(self, name):
        self.asked.append(name)
        return self.record[name].copy()

    def __iter__(self):
        return iter(self.record)

    def __len__(self):
        return len(self.record)


@pytest.mark.parametrize("wide", [2, 3, 1024])
def test_columns_of_units_add_up_to_all(wide, source, monkeypatch):
    monkeypatch.setattr(work, "WIDE", wide)
    counting = last_pass(source)
    told = [dict(counting.count(source.of(shard))) for shard in source.shards()]
    assert len(told) > 2
    units = next(iter(source)).sizes["unit"]
    assert work.width(told[0]) == -(-units // wide)
    total = reduce(lambda a, b: dict(counting.merge(Watched(a), Watched(b))), told)
    found, tally = counting.finish(total)
    (result,) = found.values()
    wanted = interp.measure("hellinger", source, **OPTIONS)
    alike(result, wanted)
    assert tally.attrs() == {name: wanted.attrs[name] for name in ("n_tokens", "n_sources")}


def test_a_merge_reads_one_column_after_the_other(source, monkeypatch):
    monkeypatch.setattr(work, "WIDE", 2)
    counting = last_pass(source)
    a, b = (Watched(dict(counting.count(source.of(shard)))) for shard, _ in zip(source.shards(), "ab", strict=False))
    done = []
    for name, _ in counting.merge(a, b):
        if name.endswith("/own/counts"):
            done.append(name)
            for record in (a, b):
                assert [one for one in record.asked if one.endswith("/own/counts")] == done
    assert len(done) == work.width(a) > 1


def test_what_all_shards_share_is_told_by_name(source):
    counting = last_pass(source)
    told = dict(counting.count(source.of(next(source.shards()))))
    shared = {name.rpartition("/")[2]: array.tolist() for name, array in told.items() if "/needed/" in name}
    assert {"key", "place", "line_of", "group", "shuffled", "plan", "edge"} <= set(shared)
    results = list(counting.results.values())
    assert all(results[int(number)][name].size for number, name in shared.values())
    own = {name.rpartition("/")[2] for name in told if "/own/" in name}
    assert {"counts", "null", "seen"} <= own


def test_a_part_without_tokens_changes_nothing(source):
    counting = last_pass(source)
    one, none = (dict(counting.count(part)) for part in (source.of(next(source.shards())), []))
    for a, b in ((one, none), (none, one)):
        merged = dict(counting.merge(Watched(a), Watched(b)))
        assert list(merged) == list(one)
        for name, array in merged.items():
            np.testing.assert_array_equal(array, one[name])
    with pytest.raises(interp.SchemaError, match="no chunk"):
        counting.finish(dict(counting.merge(none, none)))


def test_records_are_those_of_a_call_whatever_its_options_are_called_elsewhere(source, tmp_path):
    """The name of a function in ``where=`` has an address in it, which is another one in another process."""
    first, second = ({"where": {"input": lambda values: values == "a"}} for _ in range(2))
    wanted = interp.measure("hellinger", source, **OPTIONS, **first)
    for options in (first, second):
        alike(interp.measure("hellinger", source, states=tmp_path / "states", **OPTIONS, **options), wanted)


def test_units_that_differ_between_chunks_are_refused(source, monkeypatch):
    monkeypatch.setattr("interp.reducers.CHUNK", 1)
    counting = last_pass(source)
    chunk = next(iter(source))
    for other in (chunk.isel(unit=slice(1, None)), chunk.isel(unit=[0, *range(chunk.sizes["unit"])])):
        with pytest.raises(interp.SchemaError, match="units differ between parts"):
            dict(counting.count([chunk, other]))


class Careless(Reducer):
    """Writes what it needs."""

    name = "careless"
    needs = ("range",)
    unitwise = True

    def start(self, units, **needed):
        needed["range"]["minimum"].values[:] = 0
        return {}

    def update(self, state, chunk):
        return state

    def merge(self, a, b):
        return a

    def finish(self, state):
        return xr.Dataset()


def test_what_a_reducer_needs_cannot_be_written(source, tmp_path):
    for options in ({}, {"states": tmp_path / "states"}):
        with pytest.raises(ValueError, match="read-only"):
            interp.measure(Careless(), source, **options)


def test_a_result_can_be_written_also_where_it_comes_from_an_earlier_pass(source, tmp_path):
    for options in ({}, {"states": tmp_path / "states"}):
        result = interp.measure("hellinger", source, **OPTIONS, **options)
        for held in result.data_vars.values():
            held[...] = 0


@pytest.mark.parametrize("read_only", [True, False])
def test_threads_share_the_arrays_of_what_is_only_read(read_only):
    value = {"a": np.arange(1000.0), "b": "ծ", "c": np.zeros((3, 0))}
    shipped = Shipped.of(value, read_only=read_only)
    again = pickle.loads(pickle.dumps(shipped, protocol=5)), pickle.loads(pickle.dumps(shipped, protocol=4))
    assert {one.digest() for one in again} == {shipped.digest()}
    for one in (shipped, *again):
        made = [one.value()]
        thread = threading.Thread(target=lambda one=one, made=made: made.append(one.value()))
        thread.start()
        thread.join()
        first, second = made
        assert first is one.value() is not second
        np.testing.assert_array_equal(first["a"], value["a"])
        assert np.shares_memory(first["a"], second["a"]) == read_only
        assert first["a"].flags.writeable != read_only
