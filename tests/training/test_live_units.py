"""Inputs of penalties, compared with a capture, finite differences in float64, and edits of `intervene`."""

import numpy as np
import pytest
import torch
from helpers.edited import batch, net
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import interp
from interp.training.objective import PenalisedLoss, weighted_penalties

UNITS = {
    "last h of both directions": {"layer": 1, "quantity": "h"},
    "inner h": {"layer": 0, "direction": "backward", "quantity": "h"},
    "dense": {"module": "dense"},
    "some of the dense, out of order": ["dense.out.3", "dense.out.0"],
    "output of a layer, not in order": ["rnn.1.backward.h.2", "rnn.1.forward.h.1", "rnn.1.backward.h.0"],
}


class Mean(interp.Penalty):
    """A penalty that returns the mean of its values and stores its inputs."""

    name = "mean"

    def __init__(self, *, units=None):
        self.units, self.inputs = units, []

    def loss(self, live, labels):
        self.inputs.append((live, labels))
        return live.values.mean()


class Set(Mean):
    """A penalty that sets its units to a constant for downstream modules."""

    name = "set"

    def transform(self, values, generator):
        return torch.full_like(values, 0.25)


class Own(Set):
    name = "own"
    separate_forward = True


class FixedBatches:
    """A task with fixed batches, whose loss is the mean output."""

    name = "fixed-batches"

    def __init__(self, *batches):
        self.fixed = batches

    def batches(self, split, *, limit=None, seed=0):
        return list(self.fixed)

    def loss(self, output, batch):
        output = output[0] if isinstance(output, tuple) else output
        return (output.data if isinstance(output, PackedSequence) else output).mean()


def penalised(model, samples, *penalties):
    return PenalisedLoss(model, weighted_penalties(penalties, seed=0), samples, seed=0)


def run_penalty(model, samples, units, kind=Mean):
    penalty = kind(units=units)
    objective = penalised(model, samples, (penalty, 1.0))
    total, task, values = objective.loss(FixedBatches(samples), samples, torch.float32)
    return penalty.inputs[-1], total, task, values


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("units", UNITS.values(), ids=UNITS)
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_values_are_those_of_a_capture_token_by_token(kind, units, packed):
    model, samples = net(kind), batch(packed)
    (live, labels), *_ = run_penalty(model, samples, units)
    acts = interp.capture(model, samples, dtype="float64", progress=False)
    expected = acts.activation.sel(token=slice(None)).isel(unit=[list(acts.unit.values).index(u) for u in live.units])
    np.testing.assert_allclose(live.values.detach(), expected, atol=1e-12)
    assert live.edited is live.values
    for name in ("sample", "step", "source", "input"):
        np.testing.assert_array_equal(labels[name], acts[name].values)


@pytest.mark.parametrize("quantity", ["i", "f", "g", "o", "c"])
def test_gates_are_recorded(quantity):
    model, samples = net("LSTM"), batch()
    (live, _), *_ = run_penalty(model, samples, {"quantity": quantity, "layer": 0})
    acts = interp.select(interp.capture(model, samples, dtype="float64", progress=False), quantity=quantity, layer=0)
    np.testing.assert_allclose(live.values.detach(), acts.activation, atol=1e-12)


def test_cells_and_modules_that_read_them_are_recorded():
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
    model, samples = Cells().double().eval(), batch(packed=False)
    acts = interp.capture(model, samples, dtype="float64", progress=False)
    for units, module in ((None, "cell"), ({"module": "out"}, "out")):
        (live, _), *_ = run_penalty(model, samples, units)
        expected = interp.select(acts, module=module, quantity=["h", "out"]).activation
        np.testing.assert_allclose(live.values.detach(), expected, atol=1e-12)
    np.testing.assert_allclose(live.outputs.detach(), model(samples.inputs).detach().flatten(0, 1), atol=1e-12)
    np.testing.assert_allclose(live.inputs, samples.inputs.flatten(0, 1))


@pytest.mark.parametrize("units", [UNITS["last h of both directions"], UNITS["inner h"], UNITS["dense"], None])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_gradients_are_those_of_finite_differences(kind, units):
    model, samples = net(kind), batch()
    _, total, task, _ = run_penalty(model, samples, units)
    (total - task).backward()
    weight = model.rnn.weight_hh_l0_reverse
    gradient, step = weight.grad[1, 2].item(), 1e-6
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[1, 2] += sign * step
        acts = interp.capture(model, samples, dtype="float64", progress=False)
        labels = {"layer": 1, "quantity": "h"} if units is None else units
        ends.append(interp.select(acts, **labels).activation.values.mean())
        with torch.no_grad():
            weight[1, 2] -= sign * step
    assert gradient == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5)
    assert abs(gradient) > 1e-7


@pytest.mark.parametrize("units", [{"layer": 1, "quantity": "h"}, UNITS["inner h"], UNITS["dense"]])
@pytest.mark.parametrize("packed", [True, False])
def test_an_edit_in_the_forward_of_the_task_is_a_clamp_for_downstream_modules(units, packed):
    model, samples = net("LSTM"), batch(packed)
    (live, _), _, task, _ = run_penalty(model, samples, units, Set)
    acts = interp.capture(
        model, samples, edits=[interp.Clamp(units, 0.25, scope="readout")], dtype="float64", progress=False
    )
    plain = interp.capture(model, samples, dtype="float64", progress=False)
    clamped = interp.select(acts, module="dense").activation.values
    if not packed:
        assert float(task.detach()) == pytest.approx(np.tanh(clamped).mean(), abs=1e-12)
    np.testing.assert_allclose(live.outputs.detach(), np.tanh(clamped), atol=1e-12)
    np.testing.assert_allclose(live.values.detach(), interp.select(plain, **units).activation, atol=1e-12)
    assert (live.edited == 0.25).all()


def test_an_edit_in_a_separate_forward_does_not_affect_the_task():
    model, samples = net("GRU"), batch()
    (live, _), _, task, _ = run_penalty(model, samples, {"module": "dense"}, Own)
    assert float(task.detach()) == float(model(*samples.inputs).mean().detach())
    assert (live.edited == 0.25).all()
    assert torch.allclose(live.outputs, torch.full_like(live.outputs, 0.25).tanh())


def test_edits_of_the_same_units_apply_in_order():
    model, samples = net("GRU"), batch()
    first, second = Set(units={"module": "dense"}), Mean(units={"module": "dense"})
    penalised(model, samples, (first, 1.0), (second, 2.0)).loss(FixedBatches(samples), samples, torch.float32)
    assert (second.inputs[0][0].values == 0.25).all()


def test_inputs_are_those_of_the_first_recurrent_module():
    model, samples = net("LSTM"), batch()
    (live, _), *_ = run_penalty(model, samples, None)
    expected = np.concatenate([samples.inputs[0][sample, :length] for sample, length in enumerate(samples.lengths)])
    np.testing.assert_array_equal(live.inputs, expected)
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
    model, samples = Packed().double().eval(), batch()
    (live, _), *_ = run_penalty(model, samples, {"module": "dense"})
    assert torch.equal(live.outputs, live.values)
    acts = interp.select(interp.capture(model, samples, dtype="float64", progress=False), module="dense")
    np.testing.assert_allclose(live.values.detach(), acts.activation, atol=1e-12)
    (live, _), *_ = run_penalty(model, samples, None, Set)
    assert (live.edited == 0.25).all()
    assert live.values.shape == (sum(samples.lengths), 8)


def test_the_model_is_restored_afterwards():
    model, samples = net("LSTM"), batch()
    before = model(*samples.inputs)
    run_penalty(model, samples, UNITS["inner h"], Set)
    assert torch.equal(before, model(*samples.inputs))
    assert not model.rnn._forward_hooks
    assert "forward" not in model.rnn.__dict__
