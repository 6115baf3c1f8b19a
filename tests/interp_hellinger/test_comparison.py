"""Paired differences, learned units, and the summary of selectivity."""

import numpy as np
import pytest

import interp
from interp_hellinger import difference, learned_units, selectivity_summary

OPTIONS = {"min_tokens": 50, "min_sources": 20, "return_jackknife": True}


@pytest.fixture(scope="module")
def result(drawn_acts):
    return interp.measure("hellinger", drawn_acts, **OPTIONS)


def with_columns(acts, units, columns):
    values = acts.activation.values.copy()
    values[:, units] = columns
    return acts.assign(activation=(("token", "unit"), values))


def test_difference_to_itself_is_0(result):
    gap = difference(result, result)
    for name in ("difference", "ci_low", "ci_high"):
        np.testing.assert_allclose(gap[name], 0, atol=1e-12)


def test_difference_to_0_is_the_distance(result):
    zero = result.assign(estimate_full=result.estimate_full * 0, estimate_leave_out=result.estimate_leave_out * 0)
    gap = difference(result, zero)
    np.testing.assert_allclose(gap.difference, result.distance, atol=1e-7)
    squares = difference(result, zero, squared=True)
    np.testing.assert_allclose(squares.difference, np.sign(result.distance) * result.distance**2, atol=1e-9)
    far = result.distance > 0.4
    ends = np.sign(squares.ci_low) * np.sqrt(abs(squares.ci_low))
    np.testing.assert_allclose(ends.where(far), result.ci_low.where(far), atol=0.005)


def test_shared_noise_cancels(drawn_acts):
    """For two units with the same noise, the paired interval is far narrower than that of either."""
    draw = np.random.default_rng(0)
    base = 0.8 * (drawn_acts.output == "ծ").values + draw.normal(0, 1, drawn_acts.sizes["token"])
    twin = base + draw.normal(0, 0.05, base.size)
    acts = interp.select(
        with_columns(drawn_acts, [0, 1], np.stack([base, twin], axis=1)), unit=list(drawn_acts.unit.values[:2])
    )
    dist = interp.measure("hellinger", acts, pairs=["t=>ծ"], **OPTIONS)
    gap = difference(dist.isel(unit=[0]), dist.isel(unit=[1]), over=("unit",))
    assert gap.ci_low < 0 < gap.ci_high
    width = (dist.ci_high - dist.ci_low).values[0, 0]
    assert (gap.ci_high - gap.ci_low).item() < 0.7 * width


def test_means_of_units(result):
    backward, forward = (
        result.isel(unit=np.flatnonzero(result.direction.values == d)) for d in ("backward", "forward")
    )
    gap = difference(backward, forward, over=("unit",))
    assert gap.difference.dims == ("pair",)
    np.testing.assert_allclose(
        gap.difference, backward.distance.mean("unit") - forward.distance.mean("unit"), atol=1e-7
    )
    assert (gap.ci_low < gap.ci_high).all()
    assert gap.ci_low.max() > 0, "backward units of the made-up capture encode more"


def test_errors_say_what_to_type(result, drawn_acts):
    bare = interp.measure("hellinger", drawn_acts, min_tokens=50, min_sources=20)
    with pytest.raises(interp.SchemaError, match="return_jackknife=True"):
        difference(bare, result)
    with pytest.raises(interp.SchemaError, match=r"over=\('unit',\)"):
        difference(result.isel(unit=[0, 1]), result.isel(unit=[2, 3]))
    with pytest.raises(interp.SchemaError, match="has no units of the kind"):
        learned_units(result, [result.isel(unit=np.flatnonzero(result.quantity.values == "h"))])
    raw = interp.measure("hellinger", drawn_acts, estimator="raw", min_tokens=50)
    with pytest.raises(interp.SchemaError, match="debiased estimator"):
        selectivity_summary(raw)


def test_learned_units_exceed_untrained_ones(drawn_acts):
    """Two trained units are selective; one of them no more so than the untrained units."""
    draw = np.random.default_rng(1)
    acts = interp.select(drawn_acts, quantity="h", direction="forward")
    right = (acts.output == "ծ").values[:, None]

    def with_signal(*strengths):
        noise = draw.normal(size=(acts.sizes["token"], len(strengths)))
        one = with_columns(acts, range(len(strengths)), right * np.array(strengths) + noise)
        one = one.isel(unit=range(len(strengths)))
        return interp.measure("hellinger", one, pairs=["t=>ծ"], n_permutations=300, **OPTIONS)

    trained = with_signal(3.0, 1.2, 0.0, 0.0)
    untrained = [with_signal(1.2, 1.2, 1.2, 1.2) for _ in range(3)]
    result = learned_units(trained, untrained)
    assert trained.selective[:, 0].values.tolist() == [True, True, False, False]
    assert result.learned[:, 0].values.tolist() == [True, False, False, False]
    assert result.unit.values.tolist() == trained.unit.values.tolist()
    assert (result.ci_high[2:] < 0).all()


def test_summary_counts_neurons(result):
    summary = selectivity_summary(result)
    selective = result.selective.to_pandas()
    neuron = [
        f"{m}.{layer}.{d}.{i}" if d else f"{m}.{layer}.{i}"
        for m, layer, d, i in zip(
            result.module.values, result.layer.values, result.direction.values, result["index"].values, strict=True
        )
    ]
    expected = selective.groupby(neuron).any()
    assert summary.neurons.values.tolist() == expected.sum(axis=0).tolist()
    assert summary.pairs.to_pandas().to_dict() == expected.sum(axis=1).to_dict()


def test_participation_of_equal_and_of_single_units(result):
    equal = result.assign(distance=result.distance * 0 + 0.3)
    np.testing.assert_allclose(selectivity_summary(equal).participation, result.sizes["unit"])
    alone = equal.assign(distance=equal.distance.where(np.arange(result.sizes["unit"])[:, None] == 3, -0.1))
    np.testing.assert_allclose(selectivity_summary(alone).participation, 1)
    none = equal.assign(distance=equal.distance * 0)
    np.testing.assert_array_equal(selectivity_summary(none).participation, 0)
