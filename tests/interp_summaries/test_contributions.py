"""Contributions against loops over tokens, against the model's own logits, and from every kind of source."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import alike, hold
from nets import Tagger
from torch import nn

import interp
from interp_summaries.edges import contributions, unshared

WEIGHT = np.array([[2.0, -1.0, 4.0], [0.5, np.nan, 1.5]])
SYMBOLS = ["a", "b", "ու"]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    return Tagger().double().eval()


@pytest.fixture(scope="module")
def acts(model):
    draw = np.random.default_rng(0)
    codes = draw.integers(0, 5, (40, 9))
    labels = {
        "input": [["tsdhk"[code] for code in row] for row in codes],
        "output": [["b" if code == 4 else SYMBOLS[draw.integers(2)] for code in row] for row in codes],
        "source": [number // 2 for number in range(40)],
    }
    batch = interp.Batch(nn.functional.one_hot(torch.tensor(codes), 5).double(), labels=labels)
    return interp.capture(model, batch, dtype="float64", progress=False)


def one_by_one(acts, wiring, lower, upper, a, b, article):
    """The definition, token by token."""
    weight = float(wiring.weight.sel(lower_unit=lower, upper_unit=upper))
    can = sorted(set(acts.output.values[acts.input.values == a]))
    if str(acts.symbol.sel(unit=upper).values) and not article:
        outputs = [
            str(name) for name, symbol in zip(acts.unit.values, acts.symbol.values, strict=True) if symbol in can
        ]
        weight -= np.mean([float(wiring.weight.sel(lower_unit=lower, upper_unit=name)) for name in outputs])
    sides = {True: [], False: []}
    values = acts.activation.sel(unit=lower).values
    for value, given_, becomes in zip(values, acts.input.values, acts.output.values, strict=True):
        if given_ == a:
            sides[becomes == b].append(weight * value)
    return np.mean(sides[True]) - (0 if article else np.mean(sides[False]))


@pytest.mark.parametrize("article", [True, False])
def test_contributions_are_those_of_a_loop(model, acts, article):
    result = interp.measure("contributions", acts, model=model, article=article, minimum=10)
    wiring = interp.wiring(model, acts)
    assert result.contribution.dims == ("lower_unit", "upper_unit", "pair")
    assert result.pair.values.tolist()[:2] == ["d=>a", "d=>b"]
    assert ("k=>b" in result.pair.values) == article  # k has no other output
    draw = np.random.default_rng(1)
    filled = np.argwhere(np.isfinite(result.contribution.values))
    assert len(filled) == (8 * 6 + 6 * 3) * result.sizes["pair"]
    for place in draw.permutation(filled)[:40]:
        cell = result.contribution[tuple(place)]
        pair = (str(cell.pair_input.values), str(cell.pair_output.values))
        wanted = one_by_one(acts, wiring, str(cell.lower_unit.values), str(cell.upper_unit.values), *pair, article)
        assert float(cell) == pytest.approx(wanted, rel=1e-9, abs=1e-13)


def test_contrasts_add_up_to_the_difference_of_logits(model, acts):
    """All that feeds an output: h through hidden, and the input, which is the same on both sides."""
    result = interp.measure("contributions", acts, model=model, pairs=["t=>a"], minimum=10).isel(pair=0)
    among = acts.input.values == "t"
    here = among & (acts.output.values == "a")
    logits = interp.pick(acts, module="output").activation.values
    relative = logits - logits[:, :2].mean(axis=1, keepdims=True)  # t becomes a or b
    gap = relative[here].mean(axis=0) - relative[among & ~here].mean(axis=0)
    upper = result.isel(upper_unit=np.flatnonzero(result.upper_module == "output"))
    np.testing.assert_allclose(upper.contribution.sum("lower_unit"), gap, atol=1e-12)
    assert upper.upper_symbol.values.tolist() == SYMBOLS


def test_counts_stand_beside(model, acts):
    result = interp.measure("contributions", acts, model=model, pairs=["t=>a", "s=>b"], minimum=10)
    assert result.pair.values.tolist() == ["t=>a", "s=>b"]
    here = (acts.input.values == "s") & (acts.output.values == "b")
    other = (acts.input.values == "s") & (acts.output.values != "b")
    cell = result.sel(pair="s=>b")
    assert (int(cell.n_with), int(cell.n_without)) == (here.sum(), other.sum())
    assert int(cell.sources_with) == np.unique(acts.source.values[here]).size
    assert int(cell.sources_without) == np.unique(acts.source.values[other]).size


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_merge_law(model, acts, seed):
    hold(interp_reducer(model, pairs=["t=>a", "s=>b"], minimum=5, article=bool(seed % 2)), seed, acts)


def interp_reducer(model, **options):
    from interp_summaries import Contributions

    return Contributions(model=model, **options)


def test_streams_and_parts_of_a_wiring(model, acts):
    class Stream:
        def __iter__(self):
            return (interp.pick(acts, sample=slice(first, first + 7)) for first in range(0, 40, 7))

    whole = interp.measure("contributions", acts, model=model, minimum=10)
    alike(interp.measure("contributions", Stream(), model=model, minimum=10), whole)
    wiring = interp.wiring(model, acts).sel(lower_unit=["hidden.out.2", "hidden.out.5"])
    part = interp.measure("contributions", acts, wiring=wiring, minimum=10).contribution
    np.testing.assert_array_equal(part.sel(upper_unit="output.out.1"), whole.contribution.sel(
        lower_unit=["hidden.out.2", "hidden.out.5"], upper_unit="output.out.1"))  # fmt: skip


def test_the_result_is_stored(model, acts, tmp_path):
    result = interp.measure("contributions", acts, model=model, minimum=10)
    assert interp.open(interp.save(result, tmp_path / "r.zarr")).identical(result)
    text = interp.methods(result)
    assert "minus that over the other tokens" in text
    assert '"model": "<Tagger>"' in text


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({}, interp.OptionError, "give model="),
        ({"pairs": ["t=>x"]}, interp.UnknownNameError, "'t=>x'"),
        ({"pairs": "t=>a"}, interp.OptionError, r"pass \['t=>a'\]"),
        ({"pairs": ["k=>b"]}, interp.OptionError, "/ 0 tokens, under 300: give minimum="),
        ({"basis": "rotated"}, interp.OptionError, "no rotated basis"),
        ({"minimum": 10_000}, interp.OptionError, "No pair has 10000"),
        ({"minimum": 0}, interp.OptionError, "1 at least"),
    ],
)
def test_errors(model, acts, options, error, sentence):
    with pytest.raises(error, match=sentence):
        interp.measure("contributions", acts, **({"model": model} if options else {}), **options)


def test_units_that_feed_nothing(model, acts):
    with pytest.raises(interp.OptionError, match="No captured unit feeds"):
        interp.measure("contributions", interp.pick(acts, quantity="i"), model=model, minimum=10)


def test_contributions_are_weight_times_activation():
    value = contributions(WEIGHT, np.array([2.0, 4.0]))
    assert value[0].tolist() == [4.0, -2.0, 8.0]
    assert value[1, 0] == 2.0
    assert np.isnan(value[1, 1])
    assert contributions(WEIGHT.astype(np.float32), np.ones(2, np.float32)).dtype == np.float64


def test_what_all_outputs_share_is_taken_off():
    own = unshared(WEIGHT, ["ծ", "", "թ"], ["ծ", "թ"])
    assert own[0].tolist() == [-1.0, -1.0, 1.0]
    assert own[1, [0, 2]].tolist() == [-0.5, 0.5]
    np.testing.assert_array_equal(unshared(WEIGHT + 7, ["ծ", "", "թ"], ["ծ", "թ"])[:, [0, 2]], own[:, [0, 2]])
    np.testing.assert_array_equal(unshared(WEIGHT, ["", "", ""], ["", "ծ"]), WEIGHT)
