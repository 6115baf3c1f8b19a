"""Edits of models with cells, several calls, various output layouts, and compiled or wrapped modules."""

import numpy as np
import pytest
import torch
from helpers.edited import Net, batch, net, run
from helpers.nets import values
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import interp


class Cells(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.cell, self.read = getattr(nn, kind + "Cell")(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        state, outs = None, []
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
            outs.append(self.read(state[0] if isinstance(state, tuple) else state))
        return torch.stack(outs, 1)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_cells_are_edited_as_the_sequence_module(kind):
    torch.manual_seed(0)
    model, x = Cells(kind).double().eval(), torch.randn(3, 5, 3).double()
    whole = Net(kind, 1, False).double().eval()
    whole.rnn.load_state_dict({f"{name}_l0": value for name, value in model.cell.state_dict().items()})
    labels = {"input": ["ababa", "bbaab", "aaabb"]}
    pick = {"quantity": "h", "index": [0, 2]}
    acts, expected = (
        run(net, interp.Batch(x, [5, 5, 5], labels), interp.Clamp({**pick, "module": name}, 0.4, at={"input": "a"}))
        for net, name in ((model, "cell"), (whole, "rnn"))
    )
    np.testing.assert_allclose(values(acts, module="cell"), values(expected, module="rnn"), rtol=0, atol=1e-14)
    with pytest.raises(interp.CaptureError, match=r"'cell'.*scope='recurrence'"):
        run(model, x, interp.Clamp({**pick, "module": "cell"}, 0.4, scope="readout"))
    acts = run(model, interp.Batch(x, [5, 5, 5], labels), interp.Clamp("read.out.1", 7.0, at={"input": "b"}))
    letters = acts["input"].values
    assert np.array_equal(values(acts, unit="read.out.1")[:, 0] == 7, letters == "b")


class Twice(nn.Module):
    """A module that is called twice, with the state passed on."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 4, batch_first=True)

    def forward(self, first, second):
        _, state = self.rnn(first)
        return self.rnn(second, state)[0]


def test_steps_are_counted_across_calls():
    torch.manual_seed(0)
    model, first, second = Twice().double().eval(), torch.randn(2, 3, 3).double(), torch.randn(2, 4, 3).double()
    edit = interp.Clamp({"quantity": "c", "index": 1}, 0.7, at=[1, 4])
    acts = run(model, interp.Batch((first, second)), edit)
    expected = run(model.rnn, torch.cat([first, second], 1), edit)
    assert np.array_equal(acts.activation.values, expected.activation.values)
    with interp.intervene(model, edit):
        out = model(first, second)
    assert np.array_equal(out.detach().flatten(0, 1), values(expected, quantity="h")[acts["step"].values > 2])


class Layouts(nn.Module):
    """Dense layers before and after a recurrent module, on inputs in every layout."""

    def __init__(self, batch_first):
        super().__init__()
        self.batch_first = batch_first
        self.before, self.rnn = nn.Linear(3, 3), nn.GRU(3, 4, batch_first=batch_first)
        self.packed, self.flat, self.after = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x, lengths):
        data = pack_padded_sequence(self.before(x), lengths, self.batch_first, enforce_sorted=False)
        data = self.rnn(data)[0]
        data = torch.nn.utils.rnn.PackedSequence(self.packed(data.data), *data[1:])
        h = pad_packed_sequence(data, self.batch_first)[0]
        return self.after(self.flat(h.reshape(-1, 4)).view(h.shape))


PLACES = [(where, first) for where in ("before", "packed", "flat", "after") for first in (False, True)]


@pytest.mark.parametrize(("where", "batch_first"), PLACES)
def test_outputs_in_every_layout_change_at_their_tokens_alone(where, batch_first):
    torch.manual_seed(0)
    model, samples = Layouts(batch_first).double().eval(), batch()
    x = samples.inputs[0] if batch_first else samples.inputs[0].transpose(0, 1)
    samples = interp.Batch((x, samples.inputs[1]), samples.lengths, samples.labels)
    intact = run(model, samples)
    edit = interp.Clamp(f"{where}.out.1", 0.8, at=lambda labels: (labels["input"] == "a") & (labels["step"] > 0))
    acts = run(model, samples, edit, batch_size=3)
    mask = (intact["input"].values == "a") & (intact["step"].values > 0)
    expected = values(intact, unit=f"{where}.out.1").copy()
    expected[mask] = 0.8
    np.testing.assert_allclose(values(acts, unit=f"{where}.out.1"), expected, rtol=0, atol=1e-14)
    if where != "before":
        changed = (abs(values(acts, module="after") - values(intact, module="after")) > 1e-12).any(1)
        assert np.array_equal(changed, mask)
    with interp.intervene(model, edit, batch=samples):
        out = model(*samples.inputs).detach()
    out = out if batch_first else out.transpose(0, 1)
    actual = np.concatenate([rows[:n] for rows, n in zip(out.numpy(), samples.lengths, strict=True)])
    np.testing.assert_allclose(actual, values(acts, module="after"), rtol=0, atol=1e-14)


def test_an_output_before_any_recurrent_module_needs_the_batch():
    model, samples = Layouts(True).double().eval(), batch()
    with (
        pytest.raises(interp.CaptureError, match=r"'before'.*batch=…"),
        interp.intervene(model, interp.Clamp("before.out.0", 0.0, at=[1])),
    ):
        model(*samples.inputs)
    with interp.intervene(model, interp.Clamp("before.out.0", 0.0)):  # the same value for all tokens needs no layout
        model(*samples.inputs)


@pytest.mark.parametrize("where", ["model", "module"])
def test_compiled_models_give_the_same_results(where):
    model, samples = net(), batch()
    edit = interp.Clamp("rnn.1.forward.h.0", 0.9)
    expected = run(model, samples, edit)
    compiled = torch.compile(model, backend="eager") if where == "model" else model
    if where == "module":
        model.rnn = torch.compile(model.rnn, backend="eager")
    compiled(*samples.inputs)
    assert np.array_equal(run(compiled, samples, edit).activation.values, expected.activation.values)
    with interp.intervene(compiled, edit):
        out = compiled(*samples.inputs).detach()
    actual = np.concatenate([rows[:n] for rows, n in zip(out.numpy(), samples.lengths, strict=True)])
    np.testing.assert_allclose(actual, np.tanh(values(expected, module="dense")), rtol=0, atol=1e-15)


def test_modules_by_name_tuples_and_dicts():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.squash = nn.GRU(3, 4, batch_first=True), nn.Tanh()

        def forward(self, x=None):
            return {"out": self.squash(self.rnn(x)[0])}

    model, x = Odd().eval(), torch.randn(2, 5, 3)
    samples = interp.Batch({"x": x}, call=lambda model, batch: model(**batch.inputs))
    acts = run(model, samples, interp.Clamp("squash.out.2", 0.125, at=[3]), modules=["squash"])
    assert np.array_equal(values(acts, index=2)[:, 0] == 0.125, acts["step"].values == 3)
    with pytest.raises(interp.UnknownNameError, match=r"'squash\.out\.4': .* has 4 units"):
        run(model, samples, interp.Clamp("squash.out.4", 0.0))
    acts = run(model.rnn, x, interp.Clamp("model.0.forward.h.2", 0.5))
    assert (values(acts, unit="model.0.forward.h.2") == 0.5).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_precisions(dtype):
    model, x = net().to(dtype), batch(False).inputs.to(dtype)
    acts = run(model, x, interp.Clamp("rnn.0.forward.h.0", 0.5), quantities=["h"])
    assert (values(acts, unit="rnn.0.forward.h.0") == 0.5).all()
    intact = run(model, x)
    same = run(model, x, interp.Patch({"module": "rnn"}, intact))
    assert np.array_equal(same.activation.values, intact.activation.values)


def test_decoded_batches_and_draws_come_draw_by_draw():
    model, samples = net(), batch()

    def decode(out):
        return [["xyzvw"[k] for k in row[:n]] for row, n in zip(out.argmax(-1).tolist(), samples.lengths, strict=True)]

    decoded = interp.Batch(samples.inputs, samples.lengths, samples.labels, decode=decode)
    intact = run(model, decoded, batch_size=2)
    edit = interp.Ablate({"module": "rnn", "layer": 1, "quantity": "h"}, donors=intact, n_draws=2)
    acts = run(model, [decoded, decoded], edit, batch_size=3, modules=["dense"], where={"input": "a"})
    assert acts["draw"].values.tolist() == [d for _ in range(2) for d in (0, 1) for _ in range(6)]
    assert set(acts["predicted"].values.tolist()) <= set("xyzvw")
    first, second = (interp.select(acts, draw=draw) for draw in (0, 1))
    assert first["sample"].values.tolist() == [0, 0, 1, 1, 3, 3, 4, 4, 5, 5, 7, 7] == second["sample"].values.tolist()
    assert not np.array_equal(first.activation.values, second.activation.values)
    assert "Ablate(" in acts.attrs["edits"]


def test_tokens_that_are_not_selected_are_edited_too():
    model, samples = net(), batch()
    edit = interp.Clamp({"module": "rnn", "layer": 0, "quantity": "c"}, 0.9, at={"step": 0})
    whole = run(model, samples, edit)
    part = run(model, samples, edit, where={"step": 2})
    assert np.array_equal(part.activation.values, whole.activation.values[whole["step"].values == 2])
