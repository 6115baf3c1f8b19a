"""What penalties are handed: held against a capture, against a float64 loop, and against edits of `intervene`."""

import numpy as np
import pytest
import torch
from edited import batch, net
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import interp
from interp.training.penalised import Penalised
from interp.training.terms import terms_of

UNITS = {
    "last h of both directions": {"layer": 1, "quantity": "h"},
    "inner h": {"layer": 0, "direction": "backward", "quantity": "h"},
    "dense": {"module": "dense"},
    "some of the dense, out of order": ["dense.out.3", "dense.out.0"],
    "given out, not in order": ["rnn.1.backward.h.2", "rnn.1.forward.h.1", "rnn.1.backward.h.0"],
}


class Mean(interp.Penalty):
    """The mean of the values; keeps what it was handed."""

    name = "mean"

    def __init__(self, *, units=None):
        self.units, self.seen = units, []

    def loss(self, live, labels):
        self.seen.append((live, labels))
        return live.values.mean()


class Set(Mean):
    """Sets its units to a number, for readers."""

    name = "set"

    def edit(self, values, generator):
        return torch.full_like(values, 0.25)


class Own(Set):
    name = "own"
    branch = "own"


class Given:
    """A task of the batches that it was given; its loss is the mean output."""

    name = "given"

    def __init__(self, *batches):
        self.held = batches

    def batches(self, split, *, limit=None, seed=0):
        return list(self.held)

    def loss(self, output, batch):
        output = output[0] if isinstance(output, tuple) else output
        return (output.data if isinstance(output, PackedSequence) else output).mean()


def penalised(model, given, *penalties):
    return Penalised(model, terms_of(penalties, seed=0), given, seed=0)


def heard(model, given, units, kind=Mean):
    penalty = kind(units=units)
    told = penalised(model, given, (penalty, 1.0))
    whole, task, values = told.loss(Given(given), given, torch.float32)
    return penalty.seen[-1], whole, task, values


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("units", UNITS.values(), ids=UNITS)
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_values_are_those_of_a_capture_token_by_token(kind, units, packed):
    model, given = net(kind), batch(packed)
    (live, labels), *_ = heard(model, given, units)
    acts = interp.capture(model, given, dtype="float64", progress=False)
    wanted = acts.activation.sel(token=slice(None)).isel(unit=[list(acts.unit.values).index(u) for u in live.units])
    np.testing.assert_allclose(live.values.detach(), wanted, atol=1e-12)
    assert live.edited is live.values
    for name in ("sample", "step", "source", "input"):
        np.testing.assert_array_equal(labels[name], acts[name].values)


@pytest.mark.parametrize("quantity", ["i", "f", "g", "o", "c"])
def test_gates_are_heard_too(quantity):
    model, given = net("LSTM"), batch()
    (live, _), *_ = heard(model, given, {"quantity": quantity, "layer": 0})
    acts = interp.pick(interp.capture(model, given, dtype="float64", progress=False), quantity=quantity, layer=0)
    np.testing.assert_allclose(live.values.detach(), acts.activation, atol=1e-12)


def test_cells_are_heard_and_so_is_what_reads_them():
    class Cells(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.out = nn.GRUCell(3, 4), nn.Linear(4, 2)

        def forward(self, x):
            h, outs = x.new_zeros(len(x), 4), []
            for step in range(x.shape[1]):
                h = self.cell(x[:, step], h)
                outs.append(self.out(h))
            return torch.stack(outs, 1)

    torch.manual_seed(0)
    model, given = Cells().double().eval(), batch(packed=False)
    acts = interp.capture(model, given, dtype="float64", progress=False)
    for units, module in ((None, "cell"), ({"module": "out"}, "out")):
        (live, _), *_ = heard(model, given, units)
        wanted = interp.pick(acts, module=module, quantity=["h", "out"]).activation
        np.testing.assert_allclose(live.values.detach(), wanted, atol=1e-12)
    np.testing.assert_allclose(live.outputs.detach(), model(given.inputs).detach().flatten(0, 1), atol=1e-12)
    np.testing.assert_allclose(live.inputs, given.inputs.flatten(0, 1))


@pytest.mark.parametrize("units", [UNITS["last h of both directions"], UNITS["inner h"], UNITS["dense"], None])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_gradients_are_those_of_finite_differences(kind, units):
    model, given = net(kind), batch()
    _, whole, task, _ = heard(model, given, units)
    (whole - task).backward()
    weight = model.rnn.weight_hh_l0_reverse
    got, step = weight.grad[1, 2].item(), 1e-6
    found = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[1, 2] += sign * step
        acts = interp.capture(model, given, dtype="float64", progress=False)
        chosen = {"layer": 1, "quantity": "h"} if units is None else units
        found.append(interp.pick(acts, **chosen).activation.values.mean())
        with torch.no_grad():
            weight[1, 2] -= sign * step
    assert got == pytest.approx((found[0] - found[1]) / (2 * step), rel=1e-5)
    assert abs(got) > 1e-7


@pytest.mark.parametrize("units", [{"layer": 1, "quantity": "h"}, UNITS["inner h"], UNITS["dense"]])
@pytest.mark.parametrize("packed", [True, False])
def test_an_edit_on_the_branch_of_the_task_is_a_clamp_that_readers_see(units, packed):
    model, given = net("LSTM"), batch(packed)
    (live, _), _, task, _ = heard(model, given, units, Set)
    acts = interp.run(model, given, [interp.Clamp(units, 0.25, seen_by="output")], dtype="float64", progress=False)
    plain = interp.capture(model, given, dtype="float64", progress=False)
    clamped = interp.pick(acts, module="dense").activation.values
    if not packed:
        assert float(task.detach()) == pytest.approx(np.tanh(clamped).mean(), abs=1e-12)
    np.testing.assert_allclose(live.outputs.detach(), np.tanh(clamped), atol=1e-12)
    np.testing.assert_allclose(live.values.detach(), interp.pick(plain, **units).activation, atol=1e-12)
    assert (live.edited == 0.25).all()


def test_an_edit_on_a_branch_of_its_own_is_not_seen_by_the_task():
    model, given = net("GRU"), batch()
    (live, _), _, task, _ = heard(model, given, {"module": "dense"}, Own)
    assert float(task.detach()) == float(model(*given.inputs).mean().detach())
    assert (live.edited == 0.25).all()
    assert torch.allclose(live.outputs, torch.full_like(live.outputs, 0.25).tanh())


def test_penalties_that_edit_the_same_units_follow_each_other():
    model, given = net("GRU"), batch()
    first, second = Set(units={"module": "dense"}), Mean(units={"module": "dense"})
    penalised(model, given, (first, 1.0), (second, 2.0)).loss(Given(given), given, torch.float32)
    assert (second.seen[0][0].values == 0.25).all()


def test_inputs_are_what_the_first_recurrent_module_read():
    model, given = net("LSTM"), batch()
    (live, _), *_ = heard(model, given, None)
    wanted = np.concatenate([given.inputs[0][sample, :length] for sample, length in enumerate(given.lengths)])
    np.testing.assert_array_equal(live.inputs, wanted)
    assert not live.inputs.requires_grad


def test_outputs_that_are_packed_are_read_by_token():
    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.dense = nn.GRU(3, 4, bidirectional=True), nn.Linear(8, 2)

        def forward(self, x, lengths):
            out, _ = self.rnn(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
            return PackedSequence(self.dense(out.data), out.batch_sizes, out.sorted_indices, out.unsorted_indices)

    torch.manual_seed(2)
    model, given = Packed().double().eval(), batch()
    (live, _), *_ = heard(model, given, {"module": "dense"})
    assert torch.equal(live.outputs, live.values)
    acts = interp.pick(interp.capture(model, given, dtype="float64", progress=False), module="dense")
    np.testing.assert_allclose(live.values.detach(), acts.activation, atol=1e-12)
    (live, _), *_ = heard(model, given, None, Set)
    assert (live.edited == 0.25).all()
    assert live.values.shape == (sum(given.lengths), 8)


def test_the_model_runs_as_before_afterwards():
    model, given = net("LSTM"), batch()
    before = model(*given.inputs)
    heard(model, given, UNITS["inner h"], Set)
    assert torch.equal(before, model(*given.inputs))
    assert not model.rnn._forward_hooks
    assert "forward" not in model.rnn.__dict__
