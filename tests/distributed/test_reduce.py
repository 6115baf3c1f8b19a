"""Sharded reduction: every registered reducer gives the same result in any number of shards, after any interruption."""

import pickle
from inspect import signature

import numpy as np
import pytest
from helpers.laws import alike, small
from helpers.tiny import Failing, Tiny, some_batches

import interp
from interp import OptionError, Reducer
from interp.activations import sharding as captured_shards
from interp.distributed import reduce as reduction
from interp.distributed import state_files as records
from interp.distributed.executors import LocalExecutor
from interp.distributed.reduce import TreeReducer
from interp.measurement import sharding as stored_shards
from interp.registry import active_registry

TABLE = active_registry().table("probe")
REDUCERS = sorted(name for name, entry in TABLE.items() if isinstance(entry.value, type))
ACTS = small(3, samples=23)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Make shards so small that there are several."""
    monkeypatch.setattr(stored_shards, "TOKENS_PER_SHARD", 60)
    monkeypatch.setattr(captured_shards, "MIN_SHARD_SAMPLES", 5)


def runs_on_synthetic_activations(name):
    """Return whether a reducer runs on synthetic activations; `contributions` needs a network."""
    has_labels = set(TABLE[name].value.requires) <= set(ACTS.coords)
    return issubclass(TABLE[name].value, Reducer) and has_labels and name != "contributions"


@pytest.mark.parametrize("name", [name for name in REDUCERS if runs_on_synthetic_activations(name)])
def test_reducers_give_the_same_result_in_shards_and_from_states(name, tmp_path):
    options = {key: 1 for key in ("min_tokens", "min_sources") if key in signature(TABLE[name].value).parameters}
    expected = interp.measure(name, ACTS, **options)
    actual = interp.measure(name, ACTS, checkpoint_dir=tmp_path / "states", **options)
    alike(actual, expected)
    assert actual.attrs == expected.attrs
    assert sum(1 for _ in stored_shards.DatasetShards(ACTS).shards()) > 4
    alike(interp.measure(name, ACTS, checkpoint_dir=tmp_path / "states", **options), expected)


BATCHES = some_batches()[:6]


def streamed(**options):
    return interp.stream(Tiny().eval(), BATCHES, progress=False, **options)


@pytest.mark.parametrize("basis", ["units", "rotated"])
@pytest.mark.parametrize("where", [None, {"input": "a"}])
def test_sharded_streams_have_the_same_tokens_and_results(basis, where, tmp_path):
    source = streamed(where=where)
    parts = [list(source.load(shard)) for shard in source.shards()]
    assert [int(part[0].sample[0]) for part in parts] == [0, 7, 14] or where
    whole, sharded = list(source), [chunk for part in parts for chunk in part]
    for name in ("sample", "step", "source", "input", "activation"):
        one, two = (np.concatenate([chunk[name].values for chunk in chunks]) for chunks in (whole, sharded))
        np.testing.assert_array_equal(one, two, err_msg=name)
    expected = interp.measure("hellinger", source, min_tokens=3, min_sources=1, basis=basis)
    actual = interp.measure(
        "hellinger", source, min_tokens=3, min_sources=1, basis=basis, checkpoint_dir=tmp_path / "states"
    )
    alike(actual, expected)
    assert actual.attrs == expected.attrs


def test_pickled_streams_contain_no_batches():
    copy = pickle.loads(pickle.dumps(streamed()))
    assert list(copy) == []
    shard = next(iter(streamed().shards()))
    assert [chunk.sizes["token"] for chunk in copy.load(shard)] == [sum(batch.lengths) for batch in BATCHES[:2]]


def test_interrupted_reductions_resume_without_repeating_calls(tmp_path):
    reducer = TABLE["hellinger"].value(min_tokens=1, min_sources=1)
    expected = interp.measure(reducer, ACTS)
    complete = Failing(None)
    reduction.reduce_in_shards(reducer, ACTS, complete, tmp_path / "whole", list)
    n_calls = len(complete.calls)
    assert n_calls > 20
    for last in range(n_calls):
        folder, first, second = tmp_path / f"{last}", Failing(last), Failing(None)
        with pytest.raises(KeyboardInterrupt):
            reduction.reduce_in_shards(reducer, ACTS, first, folder, list)
        alike(reduction.reduce_in_shards(reducer, ACTS, second, folder, list), expected)
        assert len(first.calls) + len(second.calls) == n_calls
        assert not set(first.calls) & set(second.calls)
        files = [path.name for path in folder.rglob("*.npz")]
        assert len(files) == len(list(folder.glob("[0-9]"))), "one state file per pass is left"


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:100], lambda data: b"", "flip"])
def test_damaged_states_are_recomputed(damage, tmp_path):
    expected = interp.measure("moments", ACTS, checkpoint_dir=tmp_path / "states")
    (record,) = (tmp_path / "states").rglob("*.npz")
    data = bytearray(record.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    record.write_bytes(bytes(data) if damage == "flip" else damage(bytes(data)))
    (record.parent / "x.1.partial").write_bytes(b"half a state")
    alike(interp.measure("moments", ACTS, checkpoint_dir=tmp_path / "states"), expected)
    assert [path.name for path in record.parent.iterdir()] == [record.name]


def test_states_of_another_call_are_rejected_and_kept(tmp_path):
    interp.measure("moments", ACTS, checkpoint_dir=tmp_path / "states")
    for name, acts in (("range", ACTS), ("moments", small(4))):
        with pytest.raises(OptionError, match=r"holds the states of a different call\. Differences: "):
            interp.measure(name, acts, checkpoint_dir=tmp_path / "states")
    (tmp_path / "mine").mkdir()
    with pytest.raises(OptionError, match="mine holds the states of a different call"):
        interp.measure("moments", ACTS, checkpoint_dir=tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []


def test_sources_that_cannot_be_split_are_rejected(tmp_path):
    plain = next(name for name in TABLE if name not in REDUCERS)
    with pytest.raises(OptionError, match=r"can't take client= or checkpoint_dir=.*Reducers take streams"):
        interp.measure(plain, ACTS, checkpoint_dir=tmp_path / "a")
    with pytest.raises(OptionError, match="A list_iterator can't be split into shards"):
        interp.measure("moments", iter([ACTS]), checkpoint_dir=tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", range(1, 20))
def test_tree_merges_neighbours_in_order(count):
    def merge_all(finished):
        tree = TreeReducer(LocalExecutor(), lambda a, b, shards: f"({a}{b})")
        covered = {number for start, stop in finished for number in range(start, stop)}
        calls = ((n, lambda n=n: chr(97 + n)) for n in range(count) if n not in covered)
        assert sum(tree.run(calls, finished)) == count - len(covered)
        return tree.total()

    expected = merge_all({})
    assert expected.replace("(", "").replace(")", "") == "".join(chr(97 + n) for n in range(count))
    assert merge_all({(0, 1): "a"}) == expected
    if count >= 4:
        assert merge_all({(2, 4): "(cd)"}) == expected
        assert merge_all({(0, count): expected}) == expected


def test_states_round_trip(tmp_path):
    record = {"a/ծ": np.array(["ու", "t"]), "b": np.arange(3.0), "c": np.array(3)}
    records.write_state(record.items(), tmp_path / "r.npz")
    reopened = records.read_state(tmp_path / "r.npz")
    assert {name: (array.dtype, array.tolist()) for name, array in reopened.items()} == {
        name: (array.dtype, array.tolist()) for name, array in record.items()
    }
