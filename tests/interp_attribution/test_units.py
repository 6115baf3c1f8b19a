"""Conductance of units and gates: against Captum, a float64 numpy loop, and the output's whole change."""

import captum.attr
import numpy as np
import pytest
import torch
from edited import LENGTHS, batch, loop, net
from steps import QUANTITIES
from torch import nn

import interp

COLUMN = 1


def explained(model, samples, keep=None, **options):
    acts = interp.capture(model, samples, progress=False, dtype="float64")
    acts = acts if keep is None else interp.pick(acts, **keep)
    options = {"target": COLUMN, "baseline": "zero", **options}
    return interp.measure("unit-attribution", acts, model=model, batches=samples, **options)


def output(model, x, step, change=lambda *_: _[-1]):
    """Return the number at a step, from the numpy loop."""
    seen, top = loop(model.rnn, x, change), model.rnn.num_layers - 1
    h = np.concatenate([seen[top, side, "h", step] for side in ("forward", "backward")])
    weight, bias = (part.detach().numpy() for part in (model.dense.weight, model.dense.bias))
    return np.tanh(h @ weight.T + bias)[COLUMN], seen


def by_differences(model, x, step, place, name, pieces=120):
    """Return the conductance of a unit at a step: a sum of differences, the unit moved and all else at the middle."""
    _, layer, direction, quantity, index = name.split(".")
    key = (int(layer), direction, quantity, place)
    values = [output(model, x * share, step)[1][key][int(index)] for share in np.linspace(0, 1, pieces + 1)]
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
def test_gates_are_finite_differences_of_a_float64_loop(kind):
    model, samples = net(kind), batch()
    units = {"module": "rnn", "quantity": QUANTITIES[kind]}
    found = explained(model, samples, {"sample": 3, "step": 2}, units=units, offset=[-1, 0, 1])
    assert found.conductance.dims == ("token", "offset", "unit")
    x = samples.inputs[0][3, : LENGTHS[3]].numpy()
    places = np.argwhere(abs(found.conductance.values[0]) > 1e-5)
    assert len(places) > found.conductance.size / 3
    for place in np.random.default_rng(1).choice(len(places), 4, replace=False):
        offset, name = int(found.offset[places[place][0]]), found["unit"].values[places[place][1]]
        wanted = by_differences(model, x, 2, 2 + offset, str(name))
        got = float(found.conductance.sel(unit=name, offset=offset)[0])
        assert got == pytest.approx(wanted, abs=1e-4), (name, offset)


class Plain(nn.Module):
    """A recurrent module behind a layer that Captum reads: no tuple, one step."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.gru, self.hidden, self.out = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 5), nn.Linear(5, 2)

    def forward(self, x):
        return self.out(self.hidden(self.gru(x)[0]).tanh())


def test_captum_says_the_same_of_units_that_it_reaches():
    model, samples = Plain().double().eval(), batch(packed=False)
    found = explained(model, samples, {"sample": [1, 2], "step": 4}, units={"module": "hidden"}, offset=[-1, 0])
    x, kind = samples.inputs[1:3], captum.attr.NeuronConductance(lambda x: model(x)[:, 4, COLUMN], model.hidden)
    for index in range(5):
        wanted = kind.attribute(x, (4, index), n_steps=50, method="gausslegendre").sum((1, 2)).detach()
        np.testing.assert_allclose(found.conductance[:, 1, index], wanted, atol=1e-9)
    assert abs(found.conductance[:, 0]).max() == 0  # the layer one step earlier is not read
    layer = captum.attr.LayerConductance(lambda x: model(x)[:, 4, COLUMN], model.hidden)
    told = layer.attribute(x, n_steps=1500).detach()[:, 4]
    np.testing.assert_allclose(found.conductance[:, 1], told, atol=1e-5)


def test_a_mean_over_sentences_is_a_mean_of_single_ones():
    model, samples = net(layers=1), batch(packed=False)
    both = explained(model, samples, {"sample": 1}, units={"module": "rnn"}, baseline="sentences")
    singles = [
        explained(model, samples, {"sample": 1}, units={"module": "rnn"}, baseline="sentences",
                  pool=interp.Batch(samples.inputs[place : place + 1]))
        for place in (0, 3)
    ]  # fmt: skip
    np.testing.assert_allclose(both.conductance, (singles[0].conductance + singles[1].conductance) / 2, atol=1e-12)
    assert both.baselines.values.tolist() == [2] * 6


CUTS = {
    "hidden": ({"module": "hidden"}, {}),
    "h of both directions": ({"module": "lstm", "quantity": "h"}, {"seen_by": "output"}),
    "gates forward": ({"direction": "forward", "quantity": ["i", "f", "g", "o", "c_prev"]}, {}),
    "gates backward": ({"direction": "backward", "quantity": ["i", "f", "g", "o", "c_prev"]}, {}),
    "gates before": ({"direction": "forward", "quantity": ["i", "f", "g", "o", "c_prev"]}, {"offset": -2}),
}


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_and_what_goes_around_it_are_the_whole_change(armenian, cut):
    model, batches, acts = armenian
    acts, (units, options) = acts.isel(token=[1, 2]), CUTS[cut]
    found = interp.measure("unit-attribution", acts, model=model, batches=batches, units=units, sentences=1, rest=True,
                           **options)  # fmt: skip
    change = abs(found.value - found.baseline_value).values
    assert (abs(found.delta.values) < np.maximum(0.01 * change, 1e-3)).all()
    assert (abs(found.conductance).sum("unit") > 0.1 * change).all()
    assert (abs(found.rest.values) > 1e-3).all()


def test_what_goes_around_is_the_input_by_other_ways(armenian):
    """The rest of a cut, as the sum of its parts: later inputs, the other direction, the skip."""
    model, batches, acts = armenian
    acts = acts.isel(token=slice(1))
    units = {"direction": "forward", "quantity": ["i", "f", "g", "o", "c_prev"]}
    shared = {"model": model, "batches": batches, "sentences": 1, "rest": True}
    found = interp.measure("unit-attribution", acts, units=units, offset=-2, **shared)
    other = interp.measure(
        "unit-attribution", acts, units={"direction": "backward", "quantity": "h"}, seen_by="output", **shared
    )
    layer = interp.measure("unit-attribution", acts, units={"quantity": "h"}, seen_by="output", **shared)
    skip, backward = layer.rest.item(), float(other.conductance.sum())
    gates = interp.measure("unit-attribution", acts, units=units, offset=0, **shared)
    later = float(layer.conductance.sum()) - backward - float(found.conductance.sum())
    assert found.rest.item() == pytest.approx(skip + backward + later, abs=1e-3)
    assert gates.rest.item() == pytest.approx(skip + backward, abs=1e-3)  # no later input reaches this step forward
    assert abs(later) > 1e-3


def test_gates_of_all_steps_do_not_add_up_and_delta_says_so(armenian):
    model, batches, acts = armenian
    acts, units = acts.isel(token=slice(1)), {"module": "lstm", "quantity": ["i", "f", "g", "o"]}
    found = interp.measure("unit-attribution", acts, model=model, batches=batches, units=units, sentences=1, rest=True,
                           offset=[-2, -1, 0, 1, 2])  # fmt: skip
    assert (abs(found.delta) > 0.1 * abs(found.value - found.baseline_value)).all()


def test_units_have_their_labels_and_means_over_sources(armenian):
    model, batches, acts = armenian
    some = interp.pick(acts, module="hidden", index=range(3))
    found = interp.measure("unit-attribution", some, model=model, batches=batches, sentences=1, n_steps=20)
    assert found.conductance.dims == ("token", "unit")
    assert found["unit"].values.tolist() == ["hidden.out.0", "hidden.out.1", "hidden.out.2"]
    assert found.module.values.tolist() == ["hidden"] * 3
    assert found["mean"].dims == ("unit",)
    means = found.conductance.groupby("source").mean().mean("source")
    np.testing.assert_allclose(found["mean"], means)
    assert int(found.offset) == 0
