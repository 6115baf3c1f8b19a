"""The probe ablation-curve: its ends, areas and k80, with units and with rotated directions."""

import numpy as np
import pytest

import interp

H = "rnn.0.forward.h."


def curve_of(acts, model, **options):
    return interp.measure("ablation-curve", acts, model=model, pair="p=>x", **options)


def test_ends_areas_and_k80(net):
    model, batch, acts = net
    order = [H + k for k in "02341"]
    curve = curve_of(acts, model, ranking=order, replace_with="zero", n_random_orders=30)
    assert curve.k.values.tolist() == [0, 1, 2, 3, 4, 5]
    assert curve.removed.values[0] == 0 == curve.kept.values[-1]
    assert float(curve.whole) == float(curve.removed[-1]) == float(curve.kept[0])
    options = {"replace_with": "zero", "n_controls": 0, "n_other_tokens": 0}
    alone = interp.measure("ablation-effect", acts, model=model, groups={"p=>x": order[:2]}, **options)
    assert float(curve.removed[2]) == pytest.approx(float(alone.effect[0]), abs=1e-12)
    fractions = curve.removed.values / float(curve.whole)
    assert int(curve.k80) == int(np.flatnonzero(fractions >= 0.8)[0]) == 3
    assert float(curve.area_removed) > 0.1
    assert float(curve.area_kept) > 0
    reverse = curve_of(acts, model, ranking=order[::-1], replace_with="zero")
    assert float(reverse.area_removed) < 0
    by_model = curve_of(acts, model, batches=batch, ranking=order, replace_with="zero", n_random_orders=0, k_values=[2])
    np.testing.assert_allclose(by_model.removed, curve.removed[[0, 2, 5]], rtol=0, atol=2e-6)


def test_k80_between_measured_values(net):
    model, _, acts = net
    order = [H + k for k in "14023"]
    curve = curve_of(acts, model, ranking=order, replace_with="zero", n_random_orders=0, k_values=[1])
    assert int(curve.k80) == 5


def test_all_directions_of_a_rotated_layer_have_the_effect_of_all_units(net):
    model, batch, acts = net
    layer = interp.select(acts, module="rnn", quantity="h")
    names = layer["unit"].values.tolist()
    curves = {
        seed: curve_of(acts, model, ranking=names, rotated=seed, n_random_orders=0, k_values=[1, 2, 5])
        for seed in (None, 0, 1)
    }
    for seed in (0, 1):
        assert float(curves[seed].whole) == pytest.approx(float(curves[None].whole), abs=1e-9)
        assert abs(float(curves[seed].removed[1]) - float(curves[None].removed[1])) > 1e-3
    with pytest.raises(interp.OptionError, match="leave batches= out"):
        curve_of(acts, model, batches=batch, ranking=names, rotated=0)
