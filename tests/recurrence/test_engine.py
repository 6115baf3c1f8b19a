"""Quantities of torch's recurrent modules, compared with a float64 reference written from the textbook formulas."""

from contextlib import contextmanager, nullcontext
from unittest import mock

import numpy as np
import pytest
import torch
from helpers.steps import QUANTITIES, assert_exact, reference, worst_element
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import interp
from interp.activations import inspection as scout
from interp.recurrence import engine as recurrence
from interp.recurrence import kernels as cells

KINDS = ["LSTM", "GRU", "RNN"]
DTYPES = [torch.float64, torch.float32, torch.bfloat16]


class Net(nn.Module):
    """A recurrent module that packs its input or not."""

    def __init__(self, rnn, packing):
        super().__init__()
        self.rnn, self.packing = rnn, packing

    def forward(self, x, lengths=None, state=None):
        if self.packing not in ("sorted", "unsorted"):
            return self.rnn(x, state)
        first = self.rnn.batch_first
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=first, enforce_sorted=self.packing == "sorted")
        return pad_packed_sequence(self.rnn(packed, state)[0], batch_first=first)


MODES = ["stepping", "product", "loop"]


@contextmanager
def engine(mode, block_rows):
    """Set the engine's mode (single steps, or compiled with products in torch or in the loop) and its block size."""
    step = (
        mock.patch.object(recurrence.DirectionPass, "compiled_loop", return_value=None)
        if mode == "stepping"
        else nullcontext()
    )
    limit = mock.patch.object(cells, "SMALL_BATCH", 0 if mode == "product" else 99)
    with step, limit, mock.patch.object(recurrence, "BLOCK_ROWS", block_rows):
        yield


@st.composite
def cases(draw):
    kind = draw(st.sampled_from(KINDS))
    layers, hidden, width = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 3, 5, 17])), draw(st.integers(1, 4))
    options = {"bias": draw(st.booleans()), "batch_first": draw(st.booleans()), "bidirectional": draw(st.booleans())}
    if kind == "LSTM":
        options["proj_size"] = draw(st.integers(0, hidden - 1))
    if kind == "RNN":
        options["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    packing = draw(st.sampled_from(["unbatched", None, "sorted", "unsorted"]))
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=1 if packing == "unbatched" else 6))
    return {
        "kind": kind, "sizes": (width, hidden, layers), "options": options, "packing": packing,
        "lengths": sorted(lengths, reverse=True) if packing == "sorted" else lengths,
        "dtype": draw(st.sampled_from(DTYPES)),
        "state": draw(st.booleans()), "batch_size": draw(st.integers(1, 8)), "seed": draw(st.integers(0, 99)),
    }  # fmt: skip


def build(case):
    """Return (module, padded samples (sample, step, feature), states) of a case."""
    torch.manual_seed(case["seed"])
    module = getattr(nn, case["kind"])(*case["sizes"], **case["options"]).to(case["dtype"]).eval()
    lengths, count = case["lengths"], len(case["lengths"])
    x = torch.randn(count, max(lengths), case["sizes"][0], dtype=case["dtype"])
    rows = case["sizes"][2] * (2 if module.bidirectional else 1)
    scale = 1 if case["state"] else 0
    h0 = scale * torch.randn(rows, count, getattr(module, "proj_size", 0) or module.hidden_size, dtype=case["dtype"])
    c0 = scale * torch.randn(rows, count, module.hidden_size, dtype=case["dtype"])
    return module, x, h0, c0


def inputs_of(case, module, x, h0, c0):
    """Return the arguments of the network."""
    state = (h0, c0) if isinstance(module, nn.LSTM) else h0
    if case["packing"] == "unbatched":
        x, state = x[0], tuple(part[:, 0] for part in state) if isinstance(state, tuple) else state[:, 0]
    elif not module.batch_first:
        x = x.transpose(0, 1)
    return (x, torch.tensor(case["lengths"]), *((state,) if case["state"] else ()))


def own_output(case, module, inputs):
    """Return the output of the module itself (token, feature)."""
    with torch.no_grad():
        out = Net(module, case["packing"])(*inputs)[0].double()
    out = out[None] if out.dim() == 2 else out if module.batch_first else out.transpose(0, 1)
    return np.concatenate([out[s, :n].numpy() for s, n in enumerate(case["lengths"])])


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=cases(), mode=st.sampled_from(MODES), block_rows=st.integers(1, 40))
def test_every_quantity_equals_the_float64_reference(case, mode, block_rows):
    note(case)
    module, x, h0, c0 = build(case)
    inputs, lengths = inputs_of(case, module, x, h0, c0), case["lengths"]
    with engine(mode, block_rows):
        acts = interp.capture(
            Net(module, case["packing"]), interp.Batch(inputs, lengths=lengths), quantities=QUANTITIES[case["kind"]],
            batch_size=case["batch_size"], dtype="float64", progress=False,
        )  # fmt: skip
    steps = lengths if case["packing"] in ("sorted", "unsorted") else [x.shape[1]] * len(x)
    ref = reference(module, [x[s, :n] for s, n in enumerate(steps)], h0, c0)
    assert np.bincount(acts["sample"].values).tolist() == lengths
    assert_exact(acts, ref, case["dtype"], worst_element(own_output(case, module, inputs), ref, lengths))


class Loop(nn.Module):
    """A cell over the steps of samples (sample, step, feature)."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x, state=None):
        outs = []
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
            outs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outs, 1)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(KINDS), bias=st.booleans(), given_state=st.booleans(), dtype=st.sampled_from(DTYPES),
    samples=st.integers(1, 5), steps=st.integers(1, 6), batch_size=st.integers(1, 6), seed=st.integers(0, 99),
)  # fmt: skip
def test_every_quantity_of_a_cell_equals_the_reference(
    kind, bias, given_state, dtype, samples, steps, batch_size, seed
):
    torch.manual_seed(seed)
    cell = getattr(nn, kind + "Cell")(3, 5, bias=bias).to(dtype)
    x, states = torch.randn(samples, steps, 3, dtype=dtype), torch.randn(2, 1, samples, 5, dtype=dtype) * given_state
    state = (states[0, 0], states[1, 0]) if kind == "LSTM" else states[0, 0]
    inputs = (x, state) if given_state else (x,)
    acts = interp.capture(
        Loop(cell), interp.Batch(inputs, lengths=[steps] * samples), quantities=QUANTITIES[kind],
        batch_size=batch_size, dtype="float64", progress=False,
    )  # fmt: skip
    ref = reference(cell, x, *states)
    with torch.no_grad():
        own = Loop(cell)(*inputs).double().flatten(0, 1).numpy()
    assert_exact(acts, ref, dtype, worst_element(own, ref, [steps] * samples))


# --- the engine alone: gradients and edits


class Recorder(recurrence.StepObserver):
    """Record every value, after an edit."""

    def __init__(self, edit=lambda quantity, step, value: value):
        self.edit, self.values = edit, {}

    def on_step(self, step, samples):
        self.step = step

    def __call__(self, quantity, function, *args):
        value = self.edit(quantity, self.step, super().__call__(quantity, function, *args))
        self.values[quantity, self.step] = value
        return value


def lstm(**options):
    torch.manual_seed(0)
    return nn.LSTM(3, 4, **{"num_layers": 2, "bidirectional": True, **options}).double().eval()


def adapter_for(module):
    return scout.find_adapter(module, scout.registered_adapters())


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("packed", [False, True])
def test_gradients_are_those_of_the_module(kind, packed):
    torch.manual_seed(0)
    module = getattr(nn, kind)(3, 4, 2, bidirectional=True).double().eval()
    x = torch.randn(5, 3, 3).double().requires_grad_()
    data = pack_padded_sequence(x, [2, 5, 3], enforce_sorted=False) if packed else x
    result = recurrence.run_sequence(adapter_for(module), module, data, None, lambda *_: recurrence.StepObserver())
    for a, b in zip(gradients(result, x, module), gradients(module(data), x, module), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def gradients(result, x, module):
    """Return the gradients of a scalar that depends on the output and the final state."""
    out, state = result
    rows = out if isinstance(out, torch.Tensor) else out.data
    total = rows.pow(2).sum() + sum(part.sum() for part in (state if isinstance(state, tuple) else (state,)))
    return torch.autograd.grad(total, [x, *module.parameters()], retain_graph=True)


def test_an_edit_goes_through_the_recurrence():
    module = lstm(num_layers=1, bidirectional=False)
    freeze = {"f": 1.0, "i": 0.0}
    watch = Recorder(
        lambda quantity, step, value: torch.full_like(value, freeze[quantity]) if quantity in freeze else value
    )
    state = tuple(torch.randn(1, 2, 4).double() for _ in range(2))
    _, (_, c) = recurrence.run_sequence(
        adapter_for(module), module, torch.randn(6, 2, 3).double(), state, lambda *_: watch
    )
    assert torch.equal(c, state[1])


def test_edits_of_the_readout_do_not_affect_the_recurrence():
    module = lstm(num_layers=1, bidirectional=False)
    x = torch.randn(6, 2, 3).double()
    plain = Recorder()
    plain.readout_observer = Recorder(
        lambda quantity, step, value: value * 0 if quantity == "o" and step == 2 else value
    )
    out, state = recurrence.run_sequence(adapter_for(module), module, x, None, lambda *_: plain)
    own, own_state = module(x)
    assert not out[2].any()
    torch.testing.assert_close(out[[0, 1, 3, 4, 5]], own[[0, 1, 3, 4, 5]], rtol=0, atol=1e-14)
    torch.testing.assert_close(state, own_state, rtol=0, atol=1e-14)


def test_leaves_at_every_gate_get_gradients():
    module, leaves = lstm(), []

    def perturb(quantity, step, value):
        leaves.append(torch.zeros_like(value, requires_grad=True))
        return value + leaves[-1]

    x = torch.randn(4, 2, 3).double()
    out, _ = recurrence.run_sequence(adapter_for(module), module, x, None, lambda *_: Recorder(perturb))
    out[2, 0, 0].backward()
    assert len(leaves) == 2 * 2 * 4 * 8  # layers, directions, steps, quantities and tanh c
    assert sum(leaf.grad is not None and bool(leaf.grad.any()) for leaf in leaves) > 50


def test_errors_for_wrong_states_give_the_expected_shape():
    module, state = lstm(), (torch.zeros(1, 2, 4),) * 2
    with pytest.raises(interp.CaptureError, match=r"expects an initial state of shape \[\(4, 2, 4\), \(4, 2, 4\)\]"):
        recurrence.run_sequence(adapter_for(module), module, torch.randn(5, 2, 3).double(), state, None)
    with pytest.raises(interp.CaptureError, match="expects inputs of 3 features"):
        recurrence.run_sequence(adapter_for(module), module, torch.randn(5, 2, 4).double(), None, None)
