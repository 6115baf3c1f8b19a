"""Contributions, compared with loops over tokens and with the model's own logits, from every kind of source."""

import numpy as np
import pytest
import torch
from helpers.laws import alike, hold
from helpers.nets import Tagger
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import interp
from interp_summaries.contributions import contributions, unshared

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


def contribution_by_loop(acts, connectivity, lower, upper, a, b, contrast):
    """Return a contribution by its definition, token by token."""
    weight = float(connectivity.weight.sel(lower_unit=lower, upper_unit=upper))
    possible = sorted(set(acts.output.values[acts.input.values == a]))
    if str(acts.symbol.sel(unit=upper).values) and contrast:
        outputs = [
            str(name) for name, symbol in zip(acts.unit.values, acts.symbol.values, strict=True) if symbol in possible
        ]
        weight -= np.mean([float(connectivity.weight.sel(lower_unit=lower, upper_unit=name)) for name in outputs])
    sides = {True: [], False: []}
    values = acts.activation.sel(unit=lower).values
    for value, letter, output in zip(values, acts.input.values, acts.output.values, strict=True):
        if letter == a:
            sides[output == b].append(weight * value)
    return np.mean(sides[True]) - (np.mean(sides[False]) if contrast else 0)


@pytest.mark.parametrize("contrast", [True, False])
def test_contributions_equal_a_loop(model, acts, contrast):
    result = interp.measure("contributions", acts, model=model, contrast=contrast, min_tokens=10)
    connectivity = interp.connectivity(model, acts)
    assert result.contribution.dims == ("lower_unit", "upper_unit", "pair")
    assert result.pair.values.tolist()[:2] == ["d=>a", "d=>b"]
    assert ("k=>b" in result.pair.values) != contrast  # k has no other output
    draw = np.random.default_rng(1)
    filled = np.argwhere(np.isfinite(result.contribution.values))
    assert len(filled) == (8 * 6 + 6 * 3) * result.sizes["pair"]
    for place in draw.permutation(filled)[:40]:
        cell = result.contribution[tuple(place)]
        pair = (str(cell.pair_input.values), str(cell.pair_output.values))
        ends = (str(cell.lower_unit.values), str(cell.upper_unit.values))
        expected = contribution_by_loop(acts, connectivity, *ends, *pair, contrast)
        assert float(cell) == pytest.approx(expected, rel=1e-9, abs=1e-13)


def test_contrasts_add_up_to_the_difference_of_logits(model, acts):
    """The contributions of the hidden layer to an output add up to the contrast of its logits; the bias cancels."""
    result = interp.measure("contributions", acts, model=model, pairs=["t=>a"], min_tokens=10).isel(pair=0)
    same_input = acts.input.values == "t"
    target = same_input & (acts.output.values == "a")
    logits = interp.select(acts, module="output").activation.values
    relative = logits - logits[:, :2].mean(axis=1, keepdims=True)  # the outputs of t are a and b
    difference = relative[target].mean(axis=0) - relative[same_input & ~target].mean(axis=0)
    upper = result.isel(upper_unit=np.flatnonzero(result.upper_module == "output"))
    np.testing.assert_allclose(upper.contribution.sum("lower_unit"), difference, atol=1e-12)
    assert upper.upper_symbol.values.tolist() == SYMBOLS


def test_counts_of_both_sides(model, acts):
    result = interp.measure("contributions", acts, model=model, pairs=["t=>a", "s=>b"], min_tokens=10)
    assert result.pair.values.tolist() == ["t=>a", "s=>b"]
    target = (acts.input.values == "s") & (acts.output.values == "b")
    rest = (acts.input.values == "s") & (acts.output.values != "b")
    cell = result.sel(pair="s=>b")
    assert (int(cell.n_target), int(cell.n_rest)) == (target.sum(), rest.sum())
    assert int(cell.sources_target) == np.unique(acts.source.values[target]).size
    assert int(cell.sources_rest) == np.unique(acts.source.values[rest]).size


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_merge_law(model, acts, seed):
    hold(interp_reducer(model, pairs=["t=>a", "s=>b"], min_tokens=5, contrast=bool(seed % 2)), seed, acts)


def interp_reducer(model, **options):
    from interp_summaries import Contributions

    return Contributions(model=model, **options)


def test_streams_and_selections_of_a_wiring(model, acts):
    class Stream:
        def __iter__(self):
            return (interp.select(acts, sample=slice(first, first + 7)) for first in range(0, 40, 7))

    whole = interp.measure("contributions", acts, model=model, min_tokens=10)
    alike(interp.measure("contributions", Stream(), model=model, min_tokens=10), whole)
    connectivity = interp.connectivity(model, acts).sel(lower_unit=["hidden.out.2", "hidden.out.5"])
    part = interp.measure("contributions", acts, connectivity=connectivity, min_tokens=10).contribution
    np.testing.assert_array_equal(part.sel(upper_unit="output.out.1"), whole.contribution.sel(
        lower_unit=["hidden.out.2", "hidden.out.5"], upper_unit="output.out.1"))  # fmt: skip


def test_the_result_is_stored(model, acts, tmp_path):
    result = interp.measure("contributions", acts, model=model, min_tokens=10)
    assert interp.open(interp.save(result, tmp_path / "r.zarr")).identical(result)
    text = interp.methods_text(result)
    assert "minus the mean over the other tokens" in text
    assert '"model": "<Tagger>"' in text


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, interp.OptionError, "pass model="),
        ({"pairs": ["t=>x"]}, interp.UnknownNameError, "'t=>x'"),
        ({"pairs": "t=>a"}, interp.OptionError, r"pass \['t=>a'\]"),
        ({"pairs": ["k=>b"]}, interp.OptionError, "/ 0 tokens, fewer than 300: lower min_tokens="),
        ({"basis": "rotated"}, interp.OptionError, "no rotated basis"),
        ({"min_tokens": 10_000}, interp.OptionError, "No pair has 10000"),
        ({"min_tokens": 0}, interp.OptionError, "at least 1"),
    ],
)
def test_errors(model, acts, options, error, message):
    with pytest.raises(error, match=message):
        interp.measure("contributions", acts, **({"model": model} if options else {}), **options)


def test_units_without_connections(model, acts):
    with pytest.raises(interp.OptionError, match="No captured unit feeds"):
        interp.measure("contributions", interp.select(acts, quantity="i"), model=model, min_tokens=10)


def test_contributions_are_weight_times_activation():
    value = contributions(WEIGHT, np.array([2.0, 4.0]))
    assert value[0].tolist() == [4.0, -2.0, 8.0]
    assert value[1, 0] == 2.0
    assert np.isnan(value[1, 1])
    assert contributions(WEIGHT.astype(np.float32), np.ones(2, np.float32)).dtype == np.float64


def test_a_value_shared_by_all_outputs_is_subtracted():
    relative = unshared(WEIGHT, ["ծ", "", "թ"], ["ծ", "թ"])
    assert relative[0].tolist() == [-1.0, -1.0, 1.0]
    assert relative[1, [0, 2]].tolist() == [-0.5, 0.5]
    np.testing.assert_array_equal(unshared(WEIGHT + 7, ["ծ", "", "թ"], ["ծ", "թ"])[:, [0, 2]], relative[:, [0, 2]])
    np.testing.assert_array_equal(unshared(WEIGHT, ["", "", ""], ["", "ծ"]), WEIGHT)
