"""Counting in shards is counting: for every registered reducer, in any number of shards, after any interruption."""

import pickle
from inspect import signature

import numpy as np
import pytest
from laws import alike, small
from tiny import Failing, Tiny, some_batches

import interp
from interp import OptionError, Reducer
from interp.capturing import shards as captured_shards
from interp.registry import registry
from interp.scaling import records, reduction
from interp.scaling import shards as stored_shards
from interp.scaling.engines import Here
from interp.scaling.trees import Tree

TABLE = registry().table("probe")
REDUCERS = sorted(name for name, entry in TABLE.items() if isinstance(entry.value, type))
ACTS = small(3, samples=23)


@pytest.fixture(autouse=True)
def few_tokens(monkeypatch):
    """Shards of so few tokens that there are several."""
    monkeypatch.setattr(stored_shards, "TOKENS", 60)
    monkeypatch.setattr(captured_shards, "SAMPLES", 5)


def able(name):
    """Whether a reducer runs on made-up activations as it is; `contributions` wants a network."""
    made_up = set(TABLE[name].value.requires) <= set(ACTS.coords)
    return issubclass(TABLE[name].value, Reducer) and made_up and name != "contributions"


@pytest.mark.parametrize("name", [name for name in REDUCERS if able(name)])
def test_every_reducer_counts_the_same_in_shards_and_again_from_the_records(name, tmp_path):
    few = {key: 1 for key in ("minimum", "minimum_sources") if key in signature(TABLE[name].value).parameters}
    wanted = interp.measure(name, ACTS, **few)
    found = interp.measure(name, ACTS, states=tmp_path / "states", **few)
    alike(found, wanted)
    assert found.attrs == wanted.attrs
    assert sum(1 for _ in stored_shards.Rows(ACTS).shards()) > 4
    alike(interp.measure(name, ACTS, states=tmp_path / "states", **few), wanted)


BATCHES = some_batches()[:6]


def streamed(**options):
    return interp.stream(Tiny().eval(), BATCHES, progress=False, **options)


@pytest.mark.parametrize("basis", ["units", "rotated"])
@pytest.mark.parametrize("where", [None, {"input": "a"}])
def test_a_stream_in_shards_has_the_same_tokens_and_the_same_results(basis, where, tmp_path):
    source = streamed(where=where)
    parts = [list(source.of(shard)) for shard in source.shards()]
    assert [int(part[0].sample[0]) for part in parts] == [0, 7, 14] or where
    whole, together = list(source), [chunk for part in parts for chunk in part]
    for name in ("sample", "step", "source", "input", "activation"):
        one, two = (np.concatenate([chunk[name].values for chunk in chunks]) for chunks in (whole, together))
        np.testing.assert_array_equal(one, two, err_msg=name)
    wanted = interp.measure("hellinger", source, minimum=3, minimum_sources=1, basis=basis)
    found = interp.measure("hellinger", source, minimum=3, minimum_sources=1, basis=basis, states=tmp_path / "states")
    alike(found, wanted)
    assert found.attrs == wanted.attrs


def test_sent_elsewhere_a_stream_leaves_its_batches_behind():
    sent = pickle.loads(pickle.dumps(streamed()))
    assert list(sent) == []
    shard = next(iter(streamed().shards()))
    assert [chunk.sizes["token"] for chunk in sent.of(shard)] == [sum(batch.lengths) for batch in BATCHES[:2]]


def test_after_an_interruption_at_any_call_nothing_recorded_is_done_again(tmp_path):
    reducer = TABLE["hellinger"].value(minimum=1, minimum_sources=1)
    wanted = interp.measure(reducer, ACTS)
    total = Failing(None)
    reduction.reduce_in_shards(reducer, ACTS, total, tmp_path / "whole", list)
    everything = len(total.calls)
    assert everything > 20
    for last in range(everything):
        folder, first, second = tmp_path / f"{last}", Failing(last), Failing(None)
        with pytest.raises(KeyboardInterrupt):
            reduction.reduce_in_shards(reducer, ACTS, first, folder, list)
        alike(reduction.reduce_in_shards(reducer, ACTS, second, folder, list), wanted)
        assert len(first.calls) + len(second.calls) == everything
        assert not set(first.calls) & set(second.calls)
        left = [path.name for path in folder.rglob("*.npz")]
        assert len(left) == len(list(folder.glob("[0-9]"))), "one record a pass is left"


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:100], lambda data: b"", "flip"])
def test_a_record_that_is_damaged_is_counted_anew(damage, tmp_path):
    wanted = interp.measure("moments", ACTS, states=tmp_path / "states")
    (record,) = (tmp_path / "states").rglob("*.npz")
    data = bytearray(record.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    record.write_bytes(bytes(data) if damage == "flip" else damage(bytes(data)))
    (record.parent / "x.1.partial").write_bytes(b"half a record")
    alike(interp.measure("moments", ACTS, states=tmp_path / "states"), wanted)
    assert [path.name for path in record.parent.iterdir()] == [record.name]


def test_records_of_another_call_are_refused_and_left(tmp_path):
    interp.measure("moments", ACTS, states=tmp_path / "states")
    for name, acts in (("range", ACTS), ("moments", small(4))):
        with pytest.raises(OptionError, match="holds what another call has counted; they differ in"):
            interp.measure(name, acts, states=tmp_path / "states")
    (tmp_path / "mine").mkdir()
    with pytest.raises(OptionError, match="mine holds what another call"):
        interp.measure("moments", ACTS, states=tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []


def test_what_cannot_be_cut_says_so(tmp_path):
    plain = next(name for name in TABLE if name not in REDUCERS)
    with pytest.raises(OptionError, match=r"can't take client= or states=.*Reducers take streams"):
        interp.measure(plain, ACTS, states=tmp_path / "a")
    with pytest.raises(OptionError, match="A list_iterator can't be cut in shards"):
        interp.measure("moments", iter([ACTS]), states=tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", range(1, 20))
def test_a_tree_merges_neighbours_in_their_order_whatever_is_known(count):
    def merged(known):
        tree = Tree(Here(), lambda a, b, shards: f"({a}{b})")
        covered = {number for start, stop in known for number in range(start, stop)}
        calls = ((n, lambda n=n: chr(97 + n)) for n in range(count) if n not in covered)
        assert sum(tree.run(calls, known)) == count - len(covered)
        return tree.total()

    whole = merged({})
    assert whole.replace("(", "").replace(")", "") == "".join(chr(97 + n) for n in range(count))
    assert merged({(0, 1): "a"}) == whole
    if count >= 4:
        assert merged({(2, 4): "(cd)"}) == whole
        assert merged({(0, count): whole}) == whole


def test_a_record_comes_back_as_it_was(tmp_path):
    record = {"a/ծ": np.array(["ու", "t"]), "b": np.arange(3.0), "c": np.array(3)}
    records.write(record.items(), tmp_path / "r.npz")
    back = records.read(tmp_path / "r.npz")
    assert {name: (held.dtype, held.tolist()) for name, held in back.items()} == {
        name: (held.dtype, held.tolist()) for name, held in record.items()
    }
