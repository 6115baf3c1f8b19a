"""Conductance of units and gates: against Captum, a float64 NumPy loop, and the whole change of the output."""

import captum.attr
import numpy as np
import pytest
import torch
from helpers.edited import LENGTHS, batch, loop, net
from helpers.steps import QUANTITIES
from torch import nn

import interp

COLUMN = 1


def attribute(model, samples, selection=None, **options):
    acts = interp.capture(model, samples, progress=False, dtype="float64")
    acts = acts if selection is None else interp.select(acts, **selection)
    options = {"target": COLUMN, "baseline": "zero", **options}
    return interp.measure("unit-attribution", acts, model=model, batches=samples, **options)


def output(model, x, step, change=lambda *_: _[-1]):
    """Return the target value at a step and all quantities, from the NumPy loop."""
    quantities, top = loop(model.rnn, x, change), model.rnn.num_layers - 1
    h = np.concatenate([quantities[top, side, "h", step] for side in ("forward", "backward")])
    weight, bias = (part.detach().numpy() for part in (model.dense.weight, model.dense.bias))
    return np.tanh(h @ weight.T + bias)[COLUMN], quantities


def by_differences(model, x, step, unit_step, name, pieces=120):
    """Return the conductance of a unit by finite differences: only the unit moves, the rest is at the midpoint."""
    _, layer, direction, quantity, index = name.split(".")
    key = (int(layer), direction, quantity, unit_step)
    values = [output(model, x * fraction, step)[1][key][int(index)] for fraction in np.linspace(0, 1, pieces + 1)]
    total = 0
    for piece in range(pieces):

        def moved(value, half):
            value = value.copy()
            value[int(index)] += half
            return value

        middle, half = x * ((piece + 0.5) / pieces), (values[piece + 1] - values[piece]) / 2
        up, down = (
            output(model, middle, step, lambda *at, h=h: moved(at[-1], h) if at[:4] == key else at[-1])[0]
            for h in (half, -half)
        )
        total += up - down
    return total


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_gates_equal_finite_differences_of_a_float64_loop(kind):
    model, samples = net(kind), batch()
    units = {"module": "rnn", "quantity": QUANTITIES[kind]}
    result = attribute(model, samples, {"sample": 3, "step": 2}, units=units, offset=[-1, 0, 1])
    assert result.conductance.dims == ("token", "offset", "unit")
    x = samples.inputs[0][3, : LENGTHS[3]].numpy()
    positions = np.argwhere(abs(result.conductance.values[0]) > 1e-5)
    assert len(positions) > result.conductance.size / 3
    for choice in np.random.default_rng(1).choice(len(positions), 4, replace=False):
        offset, name = int(result.offset[positions[choice][0]]), result["unit"].values[positions[choice][1]]
        expected = by_differences(model, x, 2, 2 + offset, str(name))
        value = float(result.conductance.sel(unit=name, offset=offset)[0])
        assert value == pytest.approx(expected, abs=1e-4), (name, offset)


class DenseAfterGRU(nn.Module):
    """A dense layer after a recurrent module, so that Captum can read its units."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.gru, self.hidden, self.out = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 5), nn.Linear(5, 2)

    def forward(self, x):
        return self.out(self.hidden(self.gru(x)[0]).tanh())


def test_equals_captum_for_units_of_dense_layers():
    model, samples = DenseAfterGRU().double().eval(), batch(packed=False)
    result = attribute(model, samples, {"sample": [1, 2], "step": 4}, units={"module": "hidden"}, offset=[-1, 0])
    x, kind = samples.inputs[1:3], captum.attr.NeuronConductance(lambda x: model(x)[:, 4, COLUMN], model.hidden)
    for index in range(5):
        expected = kind.attribute(x, (4, index), n_steps=50, method="gausslegendre").sum((1, 2)).detach()
        np.testing.assert_allclose(result.conductance[:, 1, index], expected, atol=1e-9)
    assert abs(result.conductance[:, 0]).max() == 0  # the output does not depend on the layer one step earlier
    layer = captum.attr.LayerConductance(lambda x: model(x)[:, 4, COLUMN], model.hidden)
    expected = layer.attribute(x, n_steps=1500).detach()[:, 4]
    np.testing.assert_allclose(result.conductance[:, 1], expected, atol=1e-5)


CUTS = {
    "hidden": ({"module": "hidden"}, {}),
    "h of both directions": ({"module": "lstm", "quantity": "h"}, {"scope": "readout"}),
    "gates forward": ({"direction": "forward", "quantity": ["i", "f", "g", "o", "c_prev"]}, {}),
    "gates backward": ({"direction": "backward", "quantity": ["i", "f", "g", "o", "c_prev"]}, {}),
    "gates before": ({"direction": "forward", "quantity": ["i", "f", "g", "o", "c_prev"]}, {"offset": -2}),
}


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_and_its_residual_add_up_to_the_change(armenian, cut):
    model, batches, acts = armenian
    acts, (units, options) = acts.isel(token=[1, 2]), CUTS[cut]
    result = interp.measure("unit-attribution", acts, model=model, batches=batches, units=units, n_baselines=1,
                            include_residual=True, **options)  # fmt: skip
    change = abs(result.target_value - result.baseline_value).values
    assert (abs(result.convergence_delta.values) < np.maximum(0.01 * change, 1e-3)).all()
    assert (abs(result.conductance).sum("unit") > 0.1 * change).all()
    assert (abs(result.residual.values) > 1e-3).all()


def test_residual_is_the_sum_of_the_paths_that_bypass_a_cut(armenian):
    """Later inputs, the other direction and the skip connection add up to the residual."""
    model, batches, acts = armenian
    acts = acts.isel(token=slice(1))
    units = {"direction": "forward", "quantity": ["i", "f", "g", "o", "c_prev"]}
    shared = {"model": model, "batches": batches, "n_baselines": 1, "include_residual": True}
    result = interp.measure("unit-attribution", acts, units=units, offset=-2, **shared)
    other = interp.measure(
        "unit-attribution", acts, units={"direction": "backward", "quantity": "h"}, scope="readout", **shared
    )
    layer = interp.measure("unit-attribution", acts, units={"quantity": "h"}, scope="readout", **shared)
    skip, backward = layer.residual.item(), float(other.conductance.sum())
    gates = interp.measure("unit-attribution", acts, units=units, offset=0, **shared)
    later = float(layer.conductance.sum()) - backward - float(result.conductance.sum())
    assert result.residual.item() == pytest.approx(skip + backward + later, abs=1e-3)
    assert gates.residual.item() == pytest.approx(
        skip + backward, abs=1e-3
    )  # later inputs do not reach this step in the forward direction
    assert abs(later) > 1e-3


def test_convergence_delta_shows_that_gates_of_all_steps_do_not_add_up(armenian):
    model, batches, acts = armenian
    acts, units = acts.isel(token=slice(1)), {"module": "lstm", "quantity": ["i", "f", "g", "o"]}
    result = interp.measure("unit-attribution", acts, model=model, batches=batches, units=units, n_baselines=1,
                            include_residual=True, offset=[-2, -1, 0, 1, 2])  # fmt: skip
    assert (abs(result.convergence_delta) > 0.1 * abs(result.target_value - result.baseline_value)).all()
