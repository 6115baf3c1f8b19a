"""Paired differences, what was learned, and how knowledge is spread."""

import numpy as np
import pytest

import interp
from interp_hellinger import difference, knowledge, learned

OPTIONS = {"minimum": 50, "minimum_sources": 20, "keep_groups": True}


@pytest.fixture(scope="module")
def result(drawn_acts):
    return interp.measure("hellinger", drawn_acts, **OPTIONS)


def replaced(acts, units, columns):
    values = acts.activation.values.copy()
    values[:, units] = columns
    return acts.assign(activation=(("token", "unit"), values))


def test_nothing_differs_from_itself(result):
    gap = difference(result, result)
    for name in ("difference", "low", "high"):
        np.testing.assert_allclose(gap[name], 0, atol=1e-12)


def test_distances_come_back_as_differences_to_0(result):
    none = result.assign(whole=result.whole * 0, without=result.without * 0)
    gap = difference(result, none)
    np.testing.assert_allclose(gap.difference, result.distance, atol=1e-7)
    squares = difference(result, none, squared=True)
    np.testing.assert_allclose(squares.difference, np.sign(result.distance) * result.distance**2, atol=1e-9)
    far = result.distance > 0.4
    ends = np.sign(squares.low) * np.sqrt(abs(squares.low))
    np.testing.assert_allclose(ends.where(far), result.low.where(far), atol=0.005)


def test_a_shared_error_cancels(drawn_acts):
    """Two units with the same noise: the paired interval is far narrower than that of either."""
    draw = np.random.default_rng(0)
    base = 0.8 * (drawn_acts.output == "ծ").values + draw.normal(0, 1, drawn_acts.sizes["token"])
    twin = base + draw.normal(0, 0.05, base.size)
    acts = interp.pick(
        replaced(drawn_acts, [0, 1], np.stack([base, twin], axis=1)), unit=list(drawn_acts.unit.values[:2])
    )
    found = interp.measure("hellinger", acts, pairs=["t=>ծ"], **OPTIONS)
    gap = difference(found.isel(unit=[0]), found.isel(unit=[1]), over=("unit",))
    assert gap.low < 0 < gap.high
    width = (found.high - found.low).values[0, 0]
    assert (gap.high - gap.low).item() < 0.7 * width


def test_means_of_units(result):
    back, ahead = (result.isel(unit=np.flatnonzero(result.direction.values == d)) for d in ("backward", "forward"))
    gap = difference(back, ahead, over=("unit",))
    assert gap.difference.dims == ("pair",)
    np.testing.assert_allclose(gap.difference, back.distance.mean("unit") - ahead.distance.mean("unit"), atol=1e-7)
    assert (gap.low < gap.high).all()
    assert gap.low.max() > 0, "backward units of the made-up capture know more"


def test_what_it_refuses(result, drawn_acts):
    bare = interp.measure("hellinger", drawn_acts, minimum=50, minimum_sources=20)
    with pytest.raises(interp.SchemaError, match="keep_groups=True"):
        difference(bare, result)
    with pytest.raises(interp.SchemaError, match=r"over=\('unit',\)"):
        difference(result.isel(unit=[0, 1]), result.isel(unit=[2, 3]))
    with pytest.raises(interp.SchemaError, match="lacks units of the kind"):
        learned(result, [result.isel(unit=np.flatnonzero(result.quantity.values == "h"))])
    article = interp.measure("hellinger", drawn_acts, mode="article", minimum=50)
    with pytest.raises(interp.SchemaError, match="honest mode"):
        knowledge(article)


def test_learned_is_more_than_untrained(drawn_acts):
    """Trained: two units know. Untrained: all know a little of it, and one of the trained is like them."""
    draw = np.random.default_rng(1)
    acts = interp.pick(drawn_acts, quantity="h", direction="forward")
    right = (acts.output == "ծ").values[:, None]

    def with_signal(*strengths):
        noise = draw.normal(size=(acts.sizes["token"], len(strengths)))
        one = replaced(acts, range(len(strengths)), right * np.array(strengths) + noise)
        one = one.isel(unit=range(len(strengths)))
        return interp.measure("hellinger", one, pairs=["t=>ծ"], draws=300, **OPTIONS)

    trained = with_signal(3.0, 1.2, 0.0, 0.0)
    untrained = [with_signal(1.2, 1.2, 1.2, 1.2) for _ in range(3)]
    found = learned(trained, untrained)
    assert trained.knows[:, 0].values.tolist() == [True, True, False, False]
    assert found.learned[:, 0].values.tolist() == [True, False, False, False]
    assert found.unit.values.tolist() == trained.unit.values.tolist()
    assert (found.high[2:] < 0).all()


def test_knowledge_is_counted_by_neuron(result):
    found = knowledge(result)
    knows = result.knows.to_pandas()
    neuron = [name.split(".h.")[0] for name in knows.index]
    neuron = [
        f"{m}.{layer}.{d}.{i}" if d else f"{m}.{layer}.{i}"
        for m, layer, d, i in zip(
            result.module.values, result.layer.values, result.direction.values, result["index"].values, strict=True
        )
    ]
    wanted = knows.groupby(neuron).any()
    assert found.neurons.values.tolist() == wanted.sum(axis=0).tolist()
    assert found.pairs.to_pandas().to_dict() == wanted.sum(axis=1).to_dict()


def test_participation_of_equal_and_of_single_units(result):
    equal = result.assign(distance=result.distance * 0 + 0.3)
    np.testing.assert_allclose(knowledge(equal).participation, result.sizes["unit"])
    alone = equal.assign(distance=equal.distance.where(np.arange(result.sizes["unit"])[:, None] == 3, -0.1))
    np.testing.assert_allclose(knowledge(alone).participation, 1)
    none = equal.assign(distance=equal.distance * 0)
    np.testing.assert_array_equal(knowledge(none).participation, 0)
