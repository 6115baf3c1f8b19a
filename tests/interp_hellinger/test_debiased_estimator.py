"""The honest mode against a naive reference: no shared code beyond the groups and the shuffles of sources."""

import json

import numpy as np
import pytest
from scipy.stats import false_discovery_control, t

import interp

OPTIONS = {"minimum": 50, "minimum_sources": 20}


def ordered(acts, letter):
    """Return the activations and labels of one input in the order (source, sample, step)."""
    among = np.flatnonzero(acts.input.values == letter)
    keys = [acts[name].values[among] for name in ("step", "sample", "source")]
    among = among[np.lexsort(keys)]
    return acts.activation.values[among], acts.output.values[among], acts.source.values[among]


def squared(bins, here, k):
    p, q = (np.bincount(bins[side], minlength=k) / side.sum() for side in (here, ~here))
    return 1 - np.sqrt(p * q).sum()


def naive(values, output, source, becomes, letter, k=16, draws=100):
    """Return D, the leave-outs and the draws of one unit and pair."""
    edges = np.sort(values)[[-(-j * len(values) // k) for j in range(1, k)]]
    bins = (values[:, None] >= edges).sum(axis=1)
    here, groups = output == becomes, interp.source_groups(source)
    left = [squared(bins[groups != g], here[groups != g], k) for g in np.unique(groups)]
    seed = int(interp.source_hash(np.array([letter]))[0] >> np.uint64(1))
    orders = interp.block_shuffles(source, draws=draws, seed=seed)
    return squared(bins, here, k), np.array(left), np.array([squared(bins, here[order], k) for order in orders])


@pytest.fixture(scope="module")
def result(drawn_acts):
    return interp.measure("hellinger", drawn_acts, keep_groups=True, **OPTIONS)


@pytest.mark.parametrize("pair", ["t=>ծ", "t=>տ", "z=>_"])
def test_equals_a_naive_loop(drawn_acts, result, pair):
    letter, becomes = pair.split("=>")
    values, output, source = ordered(drawn_acts, letter)
    for unit in (0, 50, 170, 394):
        whole, left, _ = naive(values[:, unit], output, source, becomes, letter, draws=1)
        one = result.sel(pair=pair).isel(unit=unit)
        g = len(left)
        corrected = min(g * whole - (g - 1) * left.mean(), 1)
        reach = t.ppf(0.975, g - 1) * np.sqrt((g - 1) / g * ((left - left.mean()) ** 2).sum())
        wanted = [np.sign(x) * np.sqrt(abs(x)) for x in (corrected, corrected - reach, min(corrected + reach, 1))]
        np.testing.assert_allclose([one.distance, one.low, one.high], wanted, rtol=1e-9, atol=1e-9)
        assert one.whole == pytest.approx(whole, abs=1e-12)
        assert one.groups == g


def test_p_and_q_are_those_of_a_naive_loop(drawn_acts, result):
    acts = interp.pick(drawn_acts, direction="forward", quantity="g", input="t")
    found = interp.measure("hellinger", acts, pairs=["t=>ծ"], **OPTIONS)
    values, output, source = ordered(acts, "t")
    z, null = [], []
    for unit in range(values.shape[1]):
        whole, _, drawn = naive(values[:, unit], output, source, "ծ", "t")
        z.append((whole - drawn.mean()) / drawn.std(ddof=1))
        for place in range(drawn.size):
            others = np.delete(drawn, place)
            null.append((drawn[place] - others.mean()) / others.std(ddof=1))
    p = [(1 + np.sum(np.array(null) >= one - 1e-5)) / (1 + len(null)) for one in z]
    np.testing.assert_allclose(found.p[:, 0], p, atol=2 / len(null))
    np.testing.assert_allclose(found.q, false_discovery_control(found.p.values[:, 0])[:, None], rtol=1e-12)
    largest = (1 + np.sum(np.array(null).reshape(len(z), -1).max(axis=0) >= max(z))) / 101
    assert found.p_max.item() == pytest.approx(largest, abs=0.011)


def test_auc_is_that_of_ranks_in_bins(drawn_acts, result):
    from sklearn.metrics import roc_auc_score

    values, output, _ = ordered(drawn_acts, "t")
    exact = roc_auc_score(output == "ծ", values[:, 170])
    assert result.auc.sel(pair="t=>ծ").values[170] == pytest.approx(exact, abs=0.01)


def test_pairs_alone_give_what_they_give_among_others(drawn_acts, result):
    alone = interp.measure("hellinger", drawn_acts, pairs=["t=>ծ"], **OPTIONS)
    for name in ("distance", "low", "high", "auc", "p", "smallest", "p_max"):
        np.testing.assert_allclose(alone[name], result[name].sel(pair=["t=>ծ"]), rtol=1e-12, err_msg=name)


def test_two_outputs_mirror_each_other(result):
    one, other = (result.sel(pair=pair) for pair in ("z=>_", "z=>զ"))
    np.testing.assert_allclose(one.distance, other.distance, atol=1e-6)
    np.testing.assert_allclose(one.auc + other.auc, 1, atol=1e-12)
    np.testing.assert_allclose(one.p, other.p, atol=1e-3)


def changed(acts, unit, column):
    values = acts.activation.values.copy()
    values[:, unit] = column
    return acts.assign(activation=(("token", "unit"), values))


def test_constant_units_know_nothing(drawn_acts):
    result = interp.measure("hellinger", changed(drawn_acts, 2, 0.7), **OPTIONS).isel(unit=2)
    for name, wanted in {"distance": 0, "low": 0, "high": 0, "auc": 0.5, "p": 1, "q": 1, "knows": False}.items():
        assert (result[name] == wanted).all(), name


def test_a_perfect_unit_knows(drawn_acts):
    column = (drawn_acts.output == "ծ").values
    one = interp.measure("hellinger", changed(drawn_acts, 2, column), **OPTIONS).isel(unit=2).sel(pair="t=>ծ")
    assert one.knows
    assert one.distance == pytest.approx(1, abs=1e-7)
    assert one.auc == 1
    assert one.p < 0.001


def test_ties_share_a_bin(drawn_acts):
    values = np.round(drawn_acts.activation.values[:, 5], 1)
    coarse = interp.measure("hellinger", changed(drawn_acts, 5, values), keep_groups=True, **OPTIONS)
    letter, output, _ = ordered(changed(drawn_acts, 5, values), "t")
    edges = np.unique(np.sort(letter[:, 5])[[-(-j * len(letter) // 16) for j in range(1, 16)]])
    bins = (letter[:, 5][:, None] >= edges).sum(axis=1)
    assert len(edges) < 15
    assert coarse.whole.sel(pair="t=>ծ").values[5] == pytest.approx(squared(bins, output == "ծ", 16), abs=1e-12)


def test_bins_for_many_tokens():
    draw = np.random.default_rng(0)
    n = 16_000
    values = draw.normal(size=(n, 1)).astype("float32")
    coords = {"module": ["m"], "layer": [0], "direction": [""], "quantity": ["h"], "index": [0], "unit": ["m.h.0"]}
    output = np.array(["b", "c", "d"])[draw.choice(3, n, p=[0.4, 0.5, 0.1])]
    tokens = {"sample": np.arange(n), "step": np.zeros(n), "source": np.arange(n) // 10}
    acts = interp.dataset(values, coords, tokens | {"input": ["a"] * n, "output": output})
    result = interp.measure("hellinger", acts, keep_groups=True)
    assert result.bins.values.tolist() == [32, 32, 16]
    few = interp.measure("hellinger", acts, keep_groups=True, bins=16)
    assert few.whole.values[0, 2] == pytest.approx(result.whole.values[0, 2], abs=1e-15)
    assert few.whole.values[0, 0] < result.whole.values[0, 0]


def test_given_keeps_labels_within_strata(drawn_acts):
    """A unit that knows the step alone knows the output only as far as the step tells it."""
    draw = np.random.default_rng(4)
    early = drawn_acts.step.values < 40
    likely = np.where(early, 0.8, 0.2) > draw.random(early.size)
    acts = drawn_acts.assign_coords(output=("token", np.where(likely, "x", "y")), early=("token", early.astype(int)))
    acts = changed(acts, 2, early + draw.normal(0, 0.3, early.size))
    free, within = (interp.measure("hellinger", acts, pairs=["t=>x"], given=g, **OPTIONS) for g in ((), ("early",)))
    assert free.p.values[2, 0] < 0.001
    assert within.p.values[2, 0] > 0.01
    assert "early" in interp.methods(within)


def test_where_restricts_tokens(drawn_acts):
    late = {"step": slice(30, None)}
    found = interp.measure("hellinger", drawn_acts, where=late, pairs=["t=>ծ"], **OPTIONS)
    wanted = interp.measure("hellinger", interp.pick(drawn_acts, **late), pairs=["t=>ծ"], **OPTIONS)
    for name in found.data_vars:
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=str(name))


def test_pairs_that_are_left_out_are_named_with_the_reason(drawn_acts):
    result = interp.measure("hellinger", drawn_acts, minimum=210, minimum_sources=20)
    skipped = json.loads(result.attrs["skipped"])
    assert skipped["t=>ծ"] == "209 / 986 tokens, under 210"
    assert "t=>ծ" not in result.pair
    few = interp.measure("hellinger", drawn_acts, minimum=50, minimum_sources=95)
    assert json.loads(few.attrs["skipped"])["t=>ծ"] == "90 / 100 sources, under 95"


def test_few_groups_have_no_interval(drawn_acts):
    groups = interp.source_groups(drawn_acts.source.values)
    acts = drawn_acts.isel(token=np.flatnonzero(groups < 8))
    result = interp.measure("hellinger", acts, minimum=20, minimum_sources=5)
    assert (result.groups <= 8).all()
    assert result.low.isnull().all()
    assert not result.knows.any()
    assert result.distance.notnull().all()


def test_too_few_draws_are_told(drawn_acts):
    coarse = interp.measure("hellinger", interp.pick(drawn_acts, unit="lstm.0.forward.h.1"), draws=20, **OPTIONS)
    assert "raise draws=" in coarse.attrs["resolution"]
    assert "raise draws=" in interp.methods(coarse)
    fine = interp.measure("hellinger", drawn_acts, draws=200, **OPTIONS)
    assert "must reach it together" in fine.attrs["resolution"]


def test_by_is_stricter(drawn_acts, result):
    strict = interp.measure("hellinger", drawn_acts, correction="by", **OPTIONS)
    assert (strict.q >= result.q).all()
    assert "Yekutieli" in interp.methods(strict)


def test_a_changed_source_is_noticed(drawn_acts):
    class Fickle:
        def __init__(self):
            self.passes = [drawn_acts, drawn_acts, interp.pick(drawn_acts, sample=slice(0, 150))]

        def __iter__(self):
            return iter([self.passes.pop(0)])

    with pytest.raises(interp.InterpError, match="other tokens"):
        interp.measure("hellinger", Fickle(), **OPTIONS)


def test_wide_counts(drawn_acts, result, monkeypatch):
    monkeypatch.setattr("interp_hellinger.debiased_estimator.NARROW", 2)
    assert interp.measure("hellinger", drawn_acts, keep_groups=True, **OPTIONS).identical(result)


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"minimum": 10**6}, interp.OptionError, r"No pair has 1000000 tokens and 50 sources.*nearest.*\d+ / \d+"),
        ({"minimum_sources": 0}, interp.OptionError, "minimum_sources=0"),
        ({"pairs": ["t=>x"]}, interp.UnknownNameError, "'t=>x'.*t=>"),
        ({"given": "step"}, interp.OptionError, r"pass \['step'\]"),
        ({"given": ("word",)}, interp.SchemaError, "reads the label 'word'"),
        ({"where": {"word": "t"}}, interp.SchemaError, "reads the label 'word'"),
        ({"where": "t"}, interp.OptionError, "such as {'input': 't'}"),
        ({"where": {"input": "?"}}, interp.OptionError, "keeps none"),
        ({"draws": 5}, interp.OptionError, "draws=5"),
        ({"bins": 300}, interp.OptionError, "256 at most"),
        ({"correction": "holm"}, interp.OptionError, "'bh' or 'by'"),
        ({"mode": "article", "given": ("step",)}, interp.OptionError, "mode='honest'"),
    ],
)
def test_errors_say_what_to_type(drawn_acts, options, error, sentence):
    with pytest.raises(error, match=sentence):
        interp.measure("hellinger", drawn_acts, **options)


def test_one_output_only_is_an_error(drawn_acts):
    with pytest.raises(interp.OptionError, match="No pair has 300"):
        interp.measure("hellinger", interp.pick(drawn_acts, output="ծ"))
