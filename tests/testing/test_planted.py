"""Planted network and text: each kind of unit has its documented properties, computed from first principles."""

import numpy as np
import pytest
import torch

import interp
from interp.testing.planted import EXPECTATIONS, KINDS

QUERIES = {"s": ("s", "z"), "t": ("t", "d")}


@pytest.fixture(scope="module")
def planted_capture():
    planted = interp.testing.planted_network(0)
    return planted, interp.capture(planted.model, planted.batches, quantities=["h"], verify="all", progress=False)


@pytest.fixture(scope="module")
def columns(planted_capture):
    """Return the values of all planted units and the label (0 or 1) where the input is t."""
    planted, acts = planted_capture
    here = interp.select(acts, input="t", module="lstm")
    values = {kind: [] for kind in KINDS}
    for unit, kind in planted.kinds.items():
        values[kind].append(here.activation.sel(unit=unit).values.astype(float))
    return here, {kind: np.array(units) for kind, units in values.items()}, here.output.values == "d"


def distance(values, label, bins=16):
    """Return the Hellinger distance over bins of equal mass."""
    edges = np.quantile(values, np.arange(1, bins) / bins)
    bin_index = np.searchsorted(edges, values)
    p, q = (np.bincount(bin_index[side], minlength=bins) / side.sum() for side in (label, ~label))
    return np.sqrt(1 - np.sqrt(p * q).sum())


def test_four_units_of_each_kind_and_enough_tokens(planted_capture):
    planted, acts = planted_capture
    numbers = {kind: list(planted.kinds.values()).count(kind) for kind in KINDS}
    assert numbers == {**dict.fromkeys(KINDS, 4), "noise": 36}
    assert list(planted.kinds) == interp.select(acts, module="lstm").unit.values.tolist()
    for letter, symbols in QUERIES.items():
        for symbol in symbols:
            side = interp.select(acts, input=letter, output=symbol)
            assert side.sizes["token"] >= 1000
            assert np.unique(side.source.values).size >= 100
    rest = ~np.isin(acts.input.values, list(QUERIES))
    assert np.array_equal(acts.input.values[rest], acts.output.values[rest])


def test_only_planted_units_have_large_distances(columns):
    _, values, label = columns
    distances = {kind: [distance(unit, label) for unit in units] for kind, units in values.items()}
    for kind in ("detector", "spread", "twin", "silent", "position"):
        assert min(distances[kind]) > 0.3, kind
    for kind in ("xor", "topic", "noise"):
        assert max(distances[kind]) < 0.12, kind


def test_spread_units_differ_only_in_variance(columns):
    _, values, label = columns
    for unit in values["spread"]:
        assert abs(unit[label].mean() - unit[~label].mean()) < 0.05
        assert unit[label].var() > 2 * unit[~label].var()


def test_xor_units_predict_the_label_only_jointly(columns):
    _, values, label = columns
    first, second = np.sign(values["xor"][0]), np.sign(values["xor"][2])
    assert abs(np.corrcoef(first, label)[0, 1]) < 0.06
    assert abs(np.corrcoef(second, label)[0, 1]) < 0.06
    assert np.mean((first != second) == label) > 0.9


def test_position_units_are_uninformative_within_a_half(columns):
    here, values, label = columns
    for half in ("early", "late"):
        within = here.position.values == half
        assert max(distance(unit[within], label[within]) for unit in values["position"]) < 0.15


def test_topic_units_are_constant_in_a_source(columns):
    here, values, _ = columns
    _, source = np.unique(here.source.values, return_inverse=True)
    for unit in values["topic"]:
        mean = np.bincount(source, unit) / np.bincount(source)
        assert np.mean((unit - mean[source]) ** 2) < 0.01 * unit.var()


def test_twin_units_are_copies(columns):
    _, values, _ = columns
    assert np.array_equal(values["twin"][0], values["twin"][1])
    assert np.array_equal(values["twin"][2], values["twin"][3])


def effect(planted, names, seed=0):
    """Return the mean decrease of the log-odds of the correct symbol when units take the values of other samples."""
    units = list(planted.kinds)
    columns, decreases = [units.index(name) for name in names], []
    draw = torch.Generator().manual_seed(seed)
    for batch in planted.batches:
        x, shape = batch.inputs, batch.inputs.shape[:2]
        inputs, outputs = (np.reshape(batch.labels[name], shape) for name in ("input", "output"))
        with torch.no_grad():
            h = planted.model.lstm(x)[0]
            other = h.clone()
            other[..., columns] = h[torch.randperm(len(h), generator=draw)][..., columns]
            logits = [
                planted.model.output(torch.cat([planted.model.hidden(each).clamp(-1, 1), x[..., :24]], -1))
                for each in (h, other)
            ]
        for letter, symbols in QUERIES.items():
            zero, one = (planted.model.symbols["output"].index(symbol) for symbol in symbols)
            here = inputs == letter
            sign = np.where(outputs[here] == symbols[1], 1, -1)
            odds = [(each[..., one] - each[..., zero]).numpy()[here] * sign for each in logits]
            decreases.append((odds[0] - odds[1]).mean())
    return float(np.mean(decreases))


def test_ablation_effects_are_as_expected(planted_capture):
    planted, _ = planted_capture
    units_of = {kind: [name for name, each in planted.kinds.items() if each == kind] for kind in KINDS}
    assert min(effect(planted, [name]) for name in units_of["detector"]) > 0.2
    for kind in ("silent", "spread", "xor", "topic", "position", "noise"):
        assert effect(planted, units_of[kind]) == 0, kind
    alone, together = effect(planted, units_of["twin"][:1]), effect(planted, units_of["twin"][:2])
    assert together > 0.4
    assert alone < together / 5


def test_network_predicts_its_text(planted_capture):
    _, acts = planted_capture
    is_query = np.isin(acts.input.values, list(QUERIES))
    correct = acts.predicted.values == acts.output.values
    assert correct[~is_query].all()
    assert 0.85 < correct[is_query].mean() < 0.95


def test_expectations_cover_every_kind():
    assert {frozenset(expected) for expected in EXPECTATIONS.values()} == {frozenset(KINDS)}
    assert EXPECTATIONS["mutual-information"]["spread"] is True
    assert EXPECTATIONS["auc"]["spread"] is False
    assert EXPECTATIONS["hellinger"]["position"] == "given"
    assert EXPECTATIONS["ablation"]["twin"] == "together"
    with pytest.raises(TypeError):
        EXPECTATIONS["auc"]["noise"] = True


def test_seeds():
    def first(planted):
        return next(iter(planted.batches)).inputs

    one, same, other = (interp.testing.planted_network(seed, sources=20) for seed in (3, 3, 4))
    assert torch.equal(first(one), first(same))
    assert torch.equal(first(one), first(one))
    assert not torch.equal(first(one)[:1, :9], first(other)[:1, :9])
    weights = (planted.model.state_dict() for planted in (one, other))
    assert all(torch.equal(*pair) for pair in zip(*(state.values() for state in weights), strict=True))
