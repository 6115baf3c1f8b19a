"""The debiased estimator against a naive reference, which shares only the source groups and the permutations."""

import json

import numpy as np
import pytest
from scipy.stats import false_discovery_control, t

import interp

OPTIONS = {"min_tokens": 50, "min_sources": 20}


def sorted_tokens(acts, name):
    """Return activations, outputs and sources of one input in the order (source, sample, step)."""
    rows = np.flatnonzero(acts.input.values == name)
    keys = [acts[key].values[rows] for key in ("step", "sample", "source")]
    rows = rows[np.lexsort(keys)]
    return acts.activation.values[rows], acts.output.values[rows], acts.source.values[rows]


def squared_distance(bins, is_target, k):
    p, q = (np.bincount(bins[side], minlength=k) / side.sum() for side in (is_target, ~is_target))
    return 1 - np.sqrt(p * q).sum()


def naive_estimates(values, outputs, source, output, name, k=16, n_permutations=100):
    """Return D, its leave-one-group-out values and its permutations for one unit and pair."""
    edges = np.sort(values)[[-(-j * len(values) // k) for j in range(1, k)]]
    bins = (values[:, None] >= edges).sum(axis=1)
    is_target, groups = outputs == output, interp.statistics.jackknife_groups(source)
    left = [squared_distance(bins[groups != g], is_target[groups != g], k) for g in np.unique(groups)]
    seed = int(interp.statistics.hash_sources(np.array([name]))[0] >> np.uint64(1))
    orders = interp.statistics.permute_sources(source, n_permutations=n_permutations, seed=seed)
    permuted = [squared_distance(bins, is_target[order], k) for order in orders]
    return squared_distance(bins, is_target, k), np.array(left), np.array(permuted)


@pytest.fixture(scope="module")
def result(drawn_acts):
    return interp.measure("hellinger", drawn_acts, return_jackknife=True, **OPTIONS)


@pytest.mark.parametrize("pair", ["t=>ծ", "t=>տ", "z=>_"])
def test_equals_a_naive_loop(drawn_acts, result, pair):
    name, output = pair.split("=>")
    values, outputs, source = sorted_tokens(drawn_acts, name)
    for unit in (0, 50, 170, 394):
        full, left, _ = naive_estimates(values[:, unit], outputs, source, output, name, n_permutations=1)
        one = result.sel(pair=pair).isel(unit=unit)
        g = len(left)
        corrected = min(g * full - (g - 1) * left.mean(), 1)
        reach = t.ppf(0.975, g - 1) * np.sqrt((g - 1) / g * ((left - left.mean()) ** 2).sum())
        expected = [np.sign(x) * np.sqrt(abs(x)) for x in (corrected, corrected - reach, min(corrected + reach, 1))]
        np.testing.assert_allclose([one.distance, one.ci_low, one.ci_high], expected, rtol=1e-9, atol=1e-9)
        assert one.estimate_full == pytest.approx(full, abs=1e-12)
        assert one.groups == g


def test_p_and_q_equal_a_naive_loop(drawn_acts, result):
    acts = interp.select(drawn_acts, direction="forward", quantity="g", input="t")
    measured = interp.measure("hellinger", acts, pairs=["t=>ծ"], **OPTIONS)
    values, outputs, source = sorted_tokens(acts, "t")
    z, null = [], []
    for unit in range(values.shape[1]):
        full, _, permuted = naive_estimates(values[:, unit], outputs, source, "ծ", "t")
        z.append((full - permuted.mean()) / permuted.std(ddof=1))
        for place in range(permuted.size):
            others = np.delete(permuted, place)
            null.append((permuted[place] - others.mean()) / others.std(ddof=1))
    p = [(1 + np.sum(np.array(null) >= one - 1e-5)) / (1 + len(null)) for one in z]
    np.testing.assert_allclose(measured.p[:, 0], p, atol=2 / len(null))
    np.testing.assert_allclose(measured.q, false_discovery_control(measured.p.values[:, 0])[:, None], rtol=1e-12)
    largest = (1 + np.sum(np.array(null).reshape(len(z), -1).max(axis=0) >= max(z))) / 101
    assert measured.p_maxstat.item() == pytest.approx(largest, abs=0.011)


def test_auc_is_that_of_ranks_within_bins(drawn_acts, result):
    from sklearn.metrics import roc_auc_score

    values, outputs, _ = sorted_tokens(drawn_acts, "t")
    exact = roc_auc_score(outputs == "ծ", values[:, 170])
    assert result.auc.sel(pair="t=>ծ").values[170] == pytest.approx(exact, abs=0.01)


def test_pairs_do_not_depend_on_other_pairs(drawn_acts, result):
    alone = interp.measure("hellinger", drawn_acts, pairs=["t=>ծ"], **OPTIONS)
    for name in ("distance", "ci_low", "ci_high", "auc", "p", "detectable_distance", "p_maxstat"):
        np.testing.assert_allclose(alone[name], result[name].sel(pair=["t=>ծ"]), rtol=1e-12, err_msg=name)


def test_two_outputs_mirror_each_other(result):
    one, other = (result.sel(pair=pair) for pair in ("z=>_", "z=>զ"))
    np.testing.assert_allclose(one.distance, other.distance, atol=1e-6)
    np.testing.assert_allclose(one.auc + other.auc, 1, atol=1e-12)
    np.testing.assert_allclose(one.p, other.p, atol=1e-3)


def with_column(acts, unit, column):
    values = acts.activation.values.copy()
    values[:, unit] = column
    return acts.assign(activation=(("token", "unit"), values))


def test_constant_units_have_distance_0(drawn_acts):
    result = interp.measure("hellinger", with_column(drawn_acts, 2, 0.7), **OPTIONS).isel(unit=2)
    for name, expected in {
        "distance": 0,
        "ci_low": 0,
        "ci_high": 0,
        "auc": 0.5,
        "p": 1,
        "q": 1,
        "selective": False,
    }.items():
        assert (result[name] == expected).all(), name


def test_perfect_unit_has_distance_1(drawn_acts):
    column = (drawn_acts.output == "ծ").values
    one = interp.measure("hellinger", with_column(drawn_acts, 2, column), **OPTIONS).isel(unit=2).sel(pair="t=>ծ")
    assert one.selective
    assert one.distance == pytest.approx(1, abs=1e-7)
    assert one.auc == 1
    assert one.p < 0.001


def test_ties_share_a_bin(drawn_acts):
    values = np.round(drawn_acts.activation.values[:, 5], 1)
    coarse = interp.measure("hellinger", with_column(drawn_acts, 5, values), return_jackknife=True, **OPTIONS)
    of_input, outputs, _ = sorted_tokens(with_column(drawn_acts, 5, values), "t")
    edges = np.unique(np.sort(of_input[:, 5])[[-(-j * len(of_input) // 16) for j in range(1, 16)]])
    bins = (of_input[:, 5][:, None] >= edges).sum(axis=1)
    assert len(edges) < 15
    assert coarse.estimate_full.sel(pair="t=>ծ").values[5] == pytest.approx(
        squared_distance(bins, outputs == "ծ", 16), abs=1e-12
    )


def test_bins_for_many_tokens():
    draw = np.random.default_rng(0)
    n = 16_000
    values = draw.normal(size=(n, 1)).astype("float32")
    coords = {"module": ["m"], "layer": [0], "direction": [""], "quantity": ["h"], "index": [0], "unit": ["m.h.0"]}
    output = np.array(["b", "c", "d"])[draw.choice(3, n, p=[0.4, 0.5, 0.1])]
    tokens = {"sample": np.arange(n), "step": np.zeros(n), "source": np.arange(n) // 10}
    acts = interp.make_dataset(values, coords, tokens | {"input": ["a"] * n, "output": output})
    result = interp.measure("hellinger", acts, return_jackknife=True)
    assert result.bins.values.tolist() == [32, 32, 16]
    few = interp.measure("hellinger", acts, return_jackknife=True, bins=16)
    assert few.estimate_full.values[0, 2] == pytest.approx(result.estimate_full.values[0, 2], abs=1e-15)
    assert few.estimate_full.values[0, 0] < result.estimate_full.values[0, 0]


def test_permutations_stay_within_strata(drawn_acts):
    """A unit that encodes only the step carries no information on the output within a step."""
    draw = np.random.default_rng(4)
    early = drawn_acts.step.values < 40
    likely = np.where(early, 0.8, 0.2) > draw.random(early.size)
    acts = drawn_acts.assign_coords(output=("token", np.where(likely, "x", "y")), early=("token", early.astype(int)))
    acts = with_column(acts, 2, early + draw.normal(0, 0.3, early.size))
    free, within = (interp.measure("hellinger", acts, pairs=["t=>x"], strata=g, **OPTIONS) for g in ((), ("early",)))
    assert free.p.values[2, 0] < 0.001
    assert within.p.values[2, 0] > 0.01
    assert "early" in interp.methods_text(within)


def test_where_restricts_tokens(drawn_acts):
    late = {"step": slice(30, None)}
    measured = interp.measure("hellinger", drawn_acts, where=late, pairs=["t=>ծ"], **OPTIONS)
    expected = interp.measure("hellinger", interp.select(drawn_acts, **late), pairs=["t=>ծ"], **OPTIONS)
    for name in measured.data_vars:
        np.testing.assert_array_equal(measured[name], expected[name], err_msg=str(name))


def test_reasons_of_skipped_pairs(drawn_acts):
    result = interp.measure("hellinger", drawn_acts, min_tokens=210, min_sources=20)
    skipped = json.loads(result.attrs["skipped"])
    assert skipped["t=>ծ"] == "209 / 986 tokens, under 210"
    assert "t=>ծ" not in result.pair
    few = interp.measure("hellinger", drawn_acts, min_tokens=50, min_sources=95)
    assert json.loads(few.attrs["skipped"])["t=>ծ"] == "90 / 100 sources, under 95"


def test_few_groups_have_no_interval(drawn_acts):
    groups = interp.statistics.jackknife_groups(drawn_acts.source.values)
    acts = drawn_acts.isel(token=np.flatnonzero(groups < 8))
    result = interp.measure("hellinger", acts, min_tokens=20, min_sources=5)
    assert (result.groups <= 8).all()
    assert result.ci_low.isnull().all()
    assert not result.selective.any()
    assert result.distance.notnull().all()


def test_too_few_permutations_are_reported(drawn_acts):
    coarse = interp.measure(
        "hellinger", interp.select(drawn_acts, unit="lstm.0.forward.h.1"), n_permutations=20, **OPTIONS
    )
    assert "raise n_permutations=" in coarse.attrs["resolution"]
    assert "raise n_permutations=" in interp.methods_text(coarse)
    fine = interp.measure("hellinger", drawn_acts, n_permutations=200, **OPTIONS)
    assert "must reach it together" in fine.attrs["resolution"]


def test_by_is_stricter(drawn_acts, result):
    strict = interp.measure("hellinger", drawn_acts, correction="by", **OPTIONS)
    assert (strict.q >= result.q).all()
    assert "Yekutieli" in interp.methods_text(strict)


def test_unstable_source_is_detected(drawn_acts):
    class Unstable:
        def __init__(self):
            self.passes = [drawn_acts, drawn_acts, interp.select(drawn_acts, sample=slice(0, 150))]

        def __iter__(self):
            return iter([self.passes.pop(0)])

    with pytest.raises(interp.InterpError, match="other tokens"):
        interp.measure("hellinger", Unstable(), **OPTIONS)


def test_32_bit_counters_give_the_same(drawn_acts, result, monkeypatch):
    monkeypatch.setattr("interp_hellinger.counters.MAX_UINT16_TOKENS", 2)
    assert interp.measure("hellinger", drawn_acts, return_jackknife=True, **OPTIONS).identical(result)
