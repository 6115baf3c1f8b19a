"""Capture end to end: layouts, calls, labels, selection, errors, and that the model is left as it was."""

import json
import math
from typing import ClassVar

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

import interp
from interp.capturing import replay

GATES = ["h", "c", "i", "f", "g", "o"]


class Tagger(nn.Module):
    """biLSTM, dense layer, and a dense output that also reads the input."""

    def __init__(self, layers=1, batch_first=True):
        super().__init__()
        self.lstm = nn.LSTM(5, 4, layers, bidirectional=True, batch_first=batch_first)
        self.hidden = nn.Linear(8, 6)
        self.output = nn.Linear(6 + 5, 3)
        self.symbols = {"output": ["a", "b", "ու"]}

    def forward(self, x, lengths=None):
        if lengths is None:
            h = self.lstm(x)[0]
        else:
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            h = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=x.shape[1])[0]
        return self.output(torch.cat([self.hidden(h), x], -1))


@pytest.fixture(autouse=True, params=["stepping", "replay"])
def way(request, monkeypatch):
    """Run every test in both ways of the engine, which is chosen by the number of samples."""
    monkeypatch.setattr(replay, "SMALL", 0 if request.param == "stepping" else 99)


@pytest.fixture
def tagger():
    torch.manual_seed(0)
    return Tagger().eval()


@pytest.fixture
def ragged():
    """Five samples of different lengths, with labels."""
    torch.manual_seed(1)
    lengths = [3, 7, 1, 7, 5]
    words = ["abc", "abcdefg", "x", "gfedcba", "hello"]
    labels = {
        "input": list("".join(words)),
        "output": [list(word.upper()) for word in words],
        "source": [7, 8, 7, 9, 9],
    }

    def decode(output):
        return [["abc"[k] for k in row[:n]] for row, n in zip(output.argmax(-1).tolist(), lengths, strict=True)]

    return interp.Batch((torch.randn(5, 7, 5), torch.tensor(lengths)), lengths, labels, decode=decode)


def capture(model, batches, **options):
    return interp.capture(model, batches, **{"progress": False, "dtype": "float64", **options})


def values(acts, **labels):
    return interp.pick(acts, **labels).activation.values


# --- the matrix and its labels


def test_units_come_as_called_by_layer_direction_quantity_index():
    acts = capture(Tagger(2).eval(), torch.randn(2, 3, 5))
    runs = list(
        dict.fromkeys(
            zip(*(acts[n].values.tolist() for n in ("module", "layer", "direction", "quantity")), strict=True)
        )
    )
    sides = [("lstm", layer, side, q) for layer in (0, 1) for side in ("forward", "backward") for q in GATES]
    assert runs == [*sides, ("hidden", 0, "", "out"), ("output", 0, "", "out")]
    assert acts.unit.values[[0, 4, -1]].tolist() == ["lstm.0.forward.h.0", "lstm.0.forward.c.0", "output.out.2"]
    assert acts.symbol.values[-3:].tolist() == ["a", "b", "ու"]


def test_rows_are_tokens_in_order_without_padding(tagger, ragged):
    acts = capture(tagger, ragged)
    lengths = ragged.lengths
    assert acts["sample"].values.tolist() == np.repeat(range(5), lengths).tolist()
    assert acts["step"].values.tolist() == [t for n in lengths for t in range(n)]
    assert acts["source"].values.tolist() == np.repeat([7, 8, 7, 9, 9], lengths).tolist()
    assert "".join(acts["input"].values) == "abcabcdefgxgfedcbahello"
    assert [label.upper() for label in acts["input"].values] == acts["output"].values.tolist()
    with torch.no_grad():
        out = tagger(*ragged.inputs)
    rows = np.concatenate([out[s, :n] for s, n in enumerate(lengths)])
    np.testing.assert_allclose(values(acts, module="output"), rows, atol=1e-6)
    assert acts["predicted"].values.tolist() == [("a", "b", "c")[k] for k in rows.argmax(1)]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
def test_cutting_a_batch_changes_nothing(tagger, ragged, batch_size):
    whole, cut = capture(tagger, ragged), capture(tagger, ragged, batch_size=batch_size)
    np.testing.assert_allclose(cut.activation, whole.activation, atol=1e-6)
    for name, coord in whole.coords.items():
        assert (cut[name].values == coord.values).all(), name


def test_samples_run_on_over_batches_and_sources_default_to_them(tagger):
    acts = capture(tagger, [torch.randn(2, 3, 5), torch.randn(1, 4, 5)])
    assert acts["sample"].values.tolist() == [0] * 3 + [1] * 3 + [2] * 4
    assert (acts["source"].values == acts["sample"].values).all()


def test_a_backward_row_stands_at_its_original_step():
    torch.manual_seed(0)
    rnn = nn.RNN(1, 1, bidirectional=True, batch_first=True).eval()
    x = torch.zeros(1, 4, 1)
    x[0, 3] = 5
    change = [capture(rnn, [v])["activation"].values[:, 1] for v in (x, torch.zeros(1, 4, 1))]
    assert abs(change[0][3] - change[1][3]) > abs(change[0][0] - change[1][0]) > 0


def test_three_layers_packed_unsorted_keep_the_callers_order(ragged):
    torch.manual_seed(2)
    model = Tagger(3).eval()
    acts = capture(model, ragged)
    for sample, length in enumerate(ragged.lengths):
        alone = capture(model, ragged.inputs[0][sample : sample + 1, :length])
        np.testing.assert_allclose(values(acts, sample=sample), alone.activation, atol=1e-6)
    assert "".join(interp.pick(acts, sample=4)["input"].values) == "hello"


def test_attrs_say_where_it_comes_from(tagger, ragged):
    class Batches(list):
        attrs: ClassVar = {"task": "toy", "seed": 3, "odd": object()}

    acts = capture(tagger, Batches([ragged]))
    assert (acts.attrs["model"], acts.attrs["task"], acts.attrs["seed"]) == ("Tagger", "toy", 3)
    assert len(acts.attrs["model_sha256"]) == 64
    assert acts.attrs["checked_rows"] > 0
    assert acts.attrs["max_abs_error"] < 1e-6
    tagger.name = "mine"
    before = acts.attrs["model_sha256"]
    with torch.no_grad():
        tagger.hidden.bias[0] += 1
    acts = capture(tagger, ragged)
    assert acts.attrs["model"] == "mine"
    assert acts.attrs["model_sha256"] != before


def test_what_follows_reads_what_was_captured_bit_for_bit(tagger):
    read = []
    tagger.hidden.register_forward_pre_hook(lambda module, args: read.append(args[0].reshape(-1, 8).numpy()))
    acts = capture(tagger, torch.randn(4, 6, 5), dtype="float32")
    assert np.array_equal(values(acts, module="lstm", quantity="h"), read[-1])


# --- selection


def test_where_keeps_matching_tokens_and_their_values(tagger, ragged):
    whole = capture(tagger, ragged)
    part = capture(tagger, ragged, where={"input": ["a", "l"]})
    assert set(part["input"].values) == {"a", "l"}
    assert np.array_equal(part.activation, interp.pick(whole, input=["a", "l"]).activation)
    assert part["predicted"].values.tolist() == interp.pick(whole, input=["a", "l"])["predicted"].values.tolist()


def test_where_takes_a_function_of_all_labels(tagger, ragged):
    acts = capture(tagger, ragged, where=lambda labels: (labels["step"] == 0) & (labels["sample"] != 2))
    assert acts["input"].values.tolist() == list("aagh")


def test_where_that_matches_nothing_or_names_nothing(tagger, ragged):
    with pytest.raises(interp.CaptureError, match="matches none of the 23 tokens"):
        capture(tagger, ragged, where={"input": "!"})
    with pytest.raises(interp.UnknownNameError, match=r"'inputs'.*Did you mean 'input'"):
        capture(tagger, ragged, where={"inputs": "a"})


def test_a_list_of_quantities_is_exact_and_keeps_out(tagger):
    acts = capture(tagger, torch.randn(2, 3, 5), quantities=["c_prev", "f"])
    assert list(dict.fromkeys(acts["quantity"].values)) == ["f", "c_prev", "out"]
    with pytest.raises(interp.UnknownNameError, match="No quantity named 'z'"):
        capture(tagger, torch.randn(2, 3, 5), quantities=["z"])


def test_c_prev_is_the_cell_one_step_earlier(tagger):
    acts = capture(tagger, torch.randn(1, 4, 5), quantities=["c", "c_prev"])
    forward = interp.pick(acts, direction="forward")
    assert np.array_equal(values(forward, quantity="c")[:-1], values(forward, quantity="c_prev")[1:])
    assert not values(forward, quantity="c_prev")[0].any()


@pytest.mark.parametrize(
    "names", [["lstm.0.backward.g.2", "output.out.0", "lstm.0.forward.h.1"], ["lstm.0.forward.c_prev.3"]]
)
def test_units_by_name(tagger, ragged, names):
    acts = capture(tagger, ragged, units=names)
    whole = capture(tagger, ragged, quantities=[*GATES, "c_prev"])
    assert set(acts.unit.values) == set(names)
    assert np.array_equal(acts.activation, whole.activation.sel(unit=acts.unit.values))


def test_units_by_labels_and_by_dataset(tagger, ragged):
    by_label = capture(tagger, ragged, units={"quantity": "i", "index": [0, 2]})
    assert by_label.unit.values.tolist() == [f"lstm.0.{side}.i.{k}" for side in ("forward", "backward") for k in (0, 2)]
    assert np.array_equal(capture(tagger, ragged, units=by_label).activation, by_label.activation)
    with pytest.raises(interp.UnknownNameError, match=r"Did you mean .*'lstm\.0\.forward\.h\.1'"):
        capture(tagger, ragged, units=["lstm.0.forward.h.l"])


def test_modules_by_name(tagger, ragged):
    assert set(capture(tagger, ragged, modules=["hidden"])["module"].values) == {"hidden"}
    with pytest.raises(interp.UnknownNameError, match=r"No module named 'hiden'\. Did you mean 'hidden'"):
        capture(tagger, ragged, modules=["hiden"])


# --- how a model may be built


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_the_model_may_be_the_module_itself_and_unbatched(kind):
    torch.manual_seed(0)
    rnn = getattr(nn, kind)(3, 4, 2, bidirectional=True).double().eval()
    x = torch.randn(6, 3).double()
    acts = capture(rnn, x)
    assert acts["module"].values[0] == "model"
    assert acts["sample"].values.tolist() == [0] * 6
    np.testing.assert_allclose(values(acts, layer=1, quantity="h"), rnn(x)[0].detach(), atol=1e-14)


def test_time_first_tensors_are_cut_along_the_samples():
    torch.manual_seed(0)
    rnn = nn.LSTM(3, 4)
    x = torch.randn(4, 20, 3)
    acts = capture(rnn, x, batch_size=7)
    assert acts["sample"].values.max() == 19
    np.testing.assert_allclose(
        values(acts, quantity="h").reshape(20, 4, 4), rnn(x)[0].detach().transpose(0, 1), atol=1e-6
    )


@pytest.mark.parametrize("enforce_sorted", [True, False])
@pytest.mark.parametrize("batch_size", [2, 64])
def test_a_packed_sequence_is_a_batch(enforce_sorted, batch_size):
    torch.manual_seed(0)
    gru = nn.GRU(3, 4, bidirectional=True).eval()
    parts = [torch.randn(n, 3) for n in ((6, 4, 4, 2) if enforce_sorted else (4, 6, 2, 4))]
    acts = capture(gru, pack_sequence(parts, enforce_sorted=enforce_sorted), batch_size=batch_size)
    rows = torch.cat([gru(part)[0] for part in parts]).detach()
    np.testing.assert_allclose(values(acts, quantity="h"), rows, atol=1e-6)


class PackedRows(nn.Module):
    """A linear layer on the rows of a PackedSequence, and one on flattened rows."""

    def __init__(self):
        super().__init__()
        self.gru, self.packed, self.flat = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x, lengths):
        out = self.gru(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))[0]
        self.packed(out.data)
        padded = pad_packed_sequence(out, batch_first=True)[0]
        return self.flat(padded.reshape(-1, 4))


def test_linear_layers_on_packed_and_on_flattened_rows():
    torch.manual_seed(0)
    model, lengths = PackedRows().eval(), [2, 5, 3]
    acts = capture(model, interp.Batch((torch.randn(3, 5, 3), torch.tensor(lengths)), lengths))
    h = torch.from_numpy(values(acts, quantity="h")).float()
    np.testing.assert_allclose(values(acts, module="packed"), model.packed(h).detach(), atol=1e-6)
    np.testing.assert_allclose(values(acts, module="flat"), model.flat(h).detach(), atol=1e-6)


class Loop(nn.Module):
    """A cell in a loop, each step read by a linear layer."""

    def __init__(self, kind, lengths=None):
        super().__init__()
        self.cell, self.read = getattr(nn, kind)(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        state, outs = None, []
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
            outs.append(self.read(state[0] if isinstance(state, tuple) else state))
        return torch.stack(outs, 1)


@pytest.mark.parametrize(("cell", "kind"), [("LSTMCell", "LSTM"), ("GRUCell", "GRU"), ("RNNCell", "RNN")])
def test_cells_in_a_loop_equal_the_sequence_module(cell, kind):
    torch.manual_seed(0)
    model, x = Loop(cell).eval(), torch.randn(3, 5, 3)
    same = getattr(nn, kind)(3, 4, batch_first=True)
    same.load_state_dict({f"{name}_l0": value for name, value in model.cell.state_dict().items()})
    acts, wanted = capture(model, x, batch_size=2), capture(same, x)
    assert acts["module"].values[0] == "cell"
    np.testing.assert_allclose(values(acts, module="cell"), wanted.activation, atol=1e-6)
    np.testing.assert_allclose(values(acts, module="read"), model(x).detach().reshape(15, 2), atol=1e-6)
    part = capture(model, x, where=lambda labels: labels["step"] == 2)
    assert np.array_equal(part.activation, values(capture(model, x), step=2))


class Chunks(nn.Module):
    """An LSTM that is called with one step at a time, and a linear layer on packed rows of two calls."""

    def __init__(self, packed=False):
        super().__init__()
        self.lstm, self.read, self.packed = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2), packed

    def forward(self, x, lengths=None):
        state, outs = None, []
        for part in (x[:, :2], x[:, 2:]) if self.packed else x.split(1, 1):
            if self.packed:
                part = pack_padded_sequence(part, lengths, batch_first=True, enforce_sorted=False)
            out, state = self.lstm(part, state)
            outs.append(self.read(out.data if self.packed else out))
        return outs


def test_a_sequence_module_called_step_by_step():
    torch.manual_seed(0)
    model, x = Chunks().eval(), torch.randn(3, 5, 3)
    acts = capture(model, interp.Batch(x, labels={"letter": ["abcde"] * 3}), batch_size=2)
    assert acts["call"].values.tolist() == [*range(5)] * 3
    h = model.lstm(x)[0].detach()
    np.testing.assert_allclose(values(acts, quantity="h"), h.reshape(15, 4), atol=1e-6)
    np.testing.assert_allclose(values(acts, module="read"), model.read(h).detach().reshape(15, 2), atol=1e-6)


def test_packed_rows_of_several_calls():
    torch.manual_seed(0)
    model, x, lengths = Chunks(packed=True).eval(), torch.randn(2, 4, 3), torch.tensor([1, 2])
    acts = capture(model, interp.Batch((x, lengths)))
    assert acts["call"].values.tolist() == [0, 1, 0, 0, 1, 1]
    rows = [x[0, :1], x[0, 2:3], x[1, :2], x[1, 2:]]
    np.testing.assert_allclose(
        values(acts, step=0, quantity="i"), values(capture(model.lstm, x[:, :1]), quantity="i"), atol=1e-6
    )
    assert sum(len(part) for part in rows) == acts.sizes["token"]
    h = torch.from_numpy(values(acts, quantity="h")).float()
    np.testing.assert_allclose(values(acts, module="read"), model.read(h).detach(), atol=1e-6)


class Twice(nn.Module):
    """A module that is called twice in one forward."""

    def __init__(self):
        super().__init__()
        self.gru, self.read = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x, y):
        return self.read(self.gru(x)[0]), self.read(self.gru(y)[0])


def test_a_module_called_twice_adds_its_steps_in_call_order():
    torch.manual_seed(0)
    model, x, y = Twice().eval(), torch.randn(2, 3, 3), torch.randn(2, 4, 3)
    acts = capture(model, interp.Batch((x, y), labels={"letter": ["abcdefg", "hijklmn"]}))
    assert acts["call"].values.tolist() == [0, 0, 0, 1, 1, 1, 1] * 2
    assert acts["step"].values.tolist() == [*range(7)] * 2
    assert "".join(acts["letter"].values) == "abcdefghijklmn"
    h = torch.cat([model.gru(x)[0], model.gru(y)[0]], 1).detach()
    np.testing.assert_allclose(values(acts, quantity="h"), h.reshape(14, 4), atol=1e-6)
    np.testing.assert_allclose(values(acts, module="read"), model.read(h).detach().reshape(14, 2), atol=1e-6)


@pytest.mark.parametrize("how", ["weight_norm", "parametrized", "spectral"])
def test_weights_that_are_computed(how):
    torch.manual_seed(0)
    rnn = nn.LSTM(3, 4, batch_first=True)
    if how == "weight_norm":
        rnn = torch.nn.utils.weight_norm(rnn, "weight_hh_l0")
    elif how == "parametrized":
        parametrizations.weight_norm(rnn, "weight_hh_l0")
    else:
        parametrizations.orthogonal(rnn, "weight_hh_l0")
    rnn.eval()
    x = torch.randn(2, 5, 3)
    np.testing.assert_allclose(values(capture(rnn, x), quantity="h"), rnn(x)[0].detach().reshape(10, 4), atol=1e-6)


def test_a_compiled_model_is_read_eagerly(tagger):
    compiled = torch.compile(tagger, backend="eager")
    x = torch.randn(2, 3, 5)
    acts = capture(compiled, x)
    assert np.array_equal(acts.activation, capture(tagger, x).activation)
    inner = Tagger().eval()
    inner.lstm = torch.compile(inner.lstm, backend="eager")
    assert acts.unit.values.tolist() == capture(inner, x).unit.values.tolist()


def test_dict_inputs_go_through_call(tagger):
    x = torch.randn(2, 3, 5)
    batch = interp.Batch({"x": x}, call=lambda model, batch: model(**batch.inputs))
    assert np.array_equal(capture(tagger, batch).activation, capture(tagger, x).activation)
    with pytest.raises(interp.CaptureError, match="needs call="):
        capture(tagger, interp.Batch({"x": x}))


class Custom(nn.Module):
    """A recurrent cell nobody has an adapter for."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4))

    def forward(self, x, state):
        return torch.tanh(x @ self.weight + state)


class CustomLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Custom()

    def forward(self, x):
        state, outs = torch.zeros(len(x), 4), []
        for t in range(x.shape[1]):
            state = self.inner(x[:, t], state)
            outs.append(state)
        return torch.stack(outs, 1)


def test_an_unknown_recurrent_module_gives_its_output_and_a_warning():
    model, x = nn.Sequential(CustomLSTM(), nn.Linear(4, 2)).eval(), torch.randn(2, 3, 4)
    with pytest.warns(UserWarning, match="register_adapters"):
        acts = capture(model, x)
    np.testing.assert_allclose(values(acts, module="0"), model[0](x).detach().reshape(6, 4), atol=1e-6)
    with pytest.raises(interp.CaptureError, match="register_adapters"):
        capture(model, x, modules=["0"], quantities=["h"])


def test_outputs_without_a_time_axis_are_left_out_and_named():
    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru, self.head = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.gru(x)[1][0])

    acts = capture(Classifier().eval(), torch.randn(2, 5, 3))
    assert set(acts["module"].values) == {"gru"}
    assert acts.attrs["left_out"] == "head"
    with pytest.raises(interp.CaptureError, match="'head' has no time axis"):
        capture(Classifier().eval(), torch.randn(2, 5, 3), modules=["head"])


def test_an_lstm_subclass_with_its_own_forward_is_not_read_as_an_lstm():
    class Odd(nn.LSTM):
        def forward(self, x, hx=None):
            return super().forward(2 * x, hx)

    class Plain(nn.LSTM):
        pass

    with pytest.warns(UserWarning, match="no adapter knows"):
        assert set(capture(Odd(3, 4).eval(), torch.randn(5, 2, 3))["quantity"].values) == {"out"}
    assert "f" in capture(Plain(3, 4).eval(), torch.randn(5, 2, 3))["quantity"].values


# --- errors, and what is left behind


def test_pieces_without_a_matching_token_are_not_run(tagger, ragged):
    plain = interp.Batch(ragged.inputs, ragged.lengths, ragged.labels)
    calls = []
    tagger.register_forward_hook(lambda *_: calls.append(1))
    acts = capture(tagger, plain, where={"input": "x"}, batch_size=1)
    assert len(calls) == 2  # a few samples to see the layout, and the one with an x
    assert acts["sample"].values.tolist() == [2]


class EncoderDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.LSTM(3, 4, batch_first=True), nn.LSTMCell(3, 4)

    def forward(self, x):
        state = tuple(part[0] for part in self.encoder(x)[1])
        for _ in range(3):
            state = self.decoder(x[:, 0], state)
        return state[0]


def test_different_time_axes_are_listed_with_what_to_type():
    model, x = EncoderDecoder().eval(), torch.randn(2, 5, 3)
    with pytest.raises(
        interp.CaptureError, match=r"(?s)3 steps: modules=\['decoder'\].*5 steps: modules=\['encoder'\]"
    ):
        capture(model, x)
    assert capture(model, x, modules=["decoder"]).sizes["token"] == 6
    assert capture(model, x, modules=["encoder"]).sizes["token"] == 10


def bad_batches():
    x = torch.randn(2, 4, 5)
    return {
        "empty tensor": (torch.zeros(0, 4, 5), "without samples"),
        "no steps": (torch.zeros(2, 0, 5), "without samples"),
        "no batches": ([], "batches= is empty"),
        "zero length": (interp.Batch(x, [4, 0]), "Sample 1 .* has length 0"),
        "wrong width": (torch.randn(2, 4, 6), "fails on these inputs.*5.*6"),
        "labels too long": (
            interp.Batch(x, labels={"input": ["abcd", "abcde"]}),
            "sample 1 .* has 5 values; the sample has 4",
        ),
        "flat labels too short": (interp.Batch(x, labels={"input": "abcdefg"}), "'input' has 7 values; expected 8"),
        "reserved label": (interp.Batch(x, labels={"step": [1] * 8}), "'step' is made by capture"),
        "too few lengths": (interp.Batch(x, [4, 4, 4]), "2 samples"),
        "too long lengths": (interp.Batch(x, [4, 9]), "9 tokens"),
        "not a batch": ([("x", "y")], "Wrap what your loader yields"),
        "not batches": (3, "got int"),
        "bad predictions": (interp.Batch(x, decode=lambda output: [1]), "'predicted' has 1 values"),
    }


@pytest.mark.parametrize("name", bad_batches())
def test_bad_batches_are_clear_errors(tagger, name):
    batches, message = bad_batches()[name]
    with pytest.raises(interp.CaptureError, match=message):
        capture(tagger, batches)


def test_a_model_that_is_not_fit_to_be_read(tagger):
    with pytest.raises(interp.CaptureError, match=r"model\.eval\(\)"):
        capture(nn.Sequential(nn.LSTM(3, 4, 2, dropout=0.5)), torch.randn(5, 2, 3))
    with pytest.raises(interp.CaptureError, match=r"'1'.*model\.eval\(\)"):
        capture(nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5)), torch.randn(5, 2, 3))
    with torch.no_grad():
        tagger.lstm.weight_hh_l0[0, 0] = math.nan
    with pytest.raises(interp.CaptureError, match=r"'lstm\.weight_hh_l0' have NaN"):
        capture(tagger, torch.randn(2, 4, 5))
    with pytest.raises(interp.CaptureError, match="got str"):
        capture("armenian-bilstm", torch.randn(2, 4, 5))
    with pytest.raises(interp.CaptureError, match="Nothing to read"):
        capture(nn.Sequential(nn.ReLU()), torch.randn(2, 4, 5))


def test_options_that_make_no_sense(tagger):
    for options in ({"batch_size": 0}, {"dtype": "int8"}, {"check": "some"}):
        with pytest.raises(interp.OptionError, match=next(iter(options))):
            capture(tagger, torch.randn(2, 4, 5), **options)


def test_the_selfcheck_sees_a_module_that_computes_something_else(tagger):
    tagger.lstm.register_forward_pre_hook(lambda module, args: None)
    own = tagger.lstm.forward
    tagger.lstm.forward = lambda x, hx=None: (own(x, hx)[0] * 1.01, own(x, hx)[1])
    with pytest.raises(interp.CaptureError, match="'lstm' differs from what the module itself computes"):
        capture(tagger, torch.randn(2, 4, 5))


def test_check_all_compares_every_row(tagger):
    x = torch.randn(40, 4, 5)
    assert capture(tagger, x, check="all").attrs["checked_rows"] == 160
    assert capture(tagger, x).attrs["checked_rows"] < 160


class Failing(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.calls = nn.GRU(3, 4), 0

    def forward(self, x):
        self.calls += 1
        if self.calls > 1:
            raise ValueError("no more")
        return self.gru(x)[0]


def picture(model):
    """Return all that capture must not change."""
    modules = {}
    for name, module in model.named_modules():
        hooks = dict(module._forward_hooks), dict(module._forward_pre_hooks)
        modules[name] = (module.training, hooks, sorted(module.__dict__))
    state = {name: value.clone() for name, value in model.state_dict().items()}
    return modules, state, torch.get_rng_state()


def same(a, b):
    return a[0] == b[0] and all(torch.equal(a[1][k], b[1][k]) for k in a[1]) and torch.equal(a[2], b[2])


def test_the_model_and_the_random_numbers_are_left_as_they_were(tagger, ragged):
    before = picture(tagger)
    capture(tagger, ragged)
    assert same(before, picture(tagger))
    failing, batches = Failing().eval(), [torch.randn(4, 20, 3), torch.randn(4, 2, 3)]
    before = picture(failing)
    with pytest.raises(ValueError, match="no more"):
        capture(failing, batches)
    assert same(before, picture(failing))


def test_a_model_in_train_mode_without_dropout_stays_in_it(tagger):
    tagger.train()
    capture(tagger, torch.randn(2, 4, 5))
    assert tagger.training
    assert all(p.requires_grad for p in tagger.parameters())
    tagger(torch.randn(2, 4, 5)).sum().backward()


def test_a_model_that_draws_random_numbers_draws_its_own():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.read = nn.Linear(3, 3)

        def forward(self, x):
            return self.read(x + torch.randn_like(x))

    model, x = Noisy().eval(), torch.zeros(4, 3, 3)
    before = torch.get_rng_state()
    acts = capture(model, x, batch_size=2)
    assert torch.equal(before, torch.get_rng_state())
    assert not np.allclose(values(acts, sample=[0, 1]), values(acts, sample=[2, 3]))


# --- streams


def test_a_stream_gives_the_same_in_whole_samples_and_again(tagger, ragged):
    source = interp.stream(tagger, [ragged, torch.randn(3, 4, 5)], batch_size=2, dtype="float64")
    assert isinstance(source, interp.Stream)
    whole = capture(tagger, [interp.Batch(ragged.inputs, ragged.lengths), torch.randn(3, 4, 5)], batch_size=2)
    first = list(interp.stream(tagger, interp.Batch(ragged.inputs, ragged.lengths), batch_size=2, dtype="float64"))
    assert [np.unique(chunk["sample"].values).tolist() for chunk in first] == [[0, 1], [2, 3], [4]]
    rows = np.concatenate([chunk.activation.values for chunk in first])
    assert np.array_equal(rows, whole.activation.values[: len(rows)])
    assert all(interp.validate(chunk) is chunk for chunk in first)
    again = [chunk.activation.values for chunk in source]
    assert all(np.array_equal(a, b.activation.values) for a, b in zip(again, source, strict=True))


def test_a_stream_leaves_out_pieces_without_a_match_and_refuses_iterators(tagger, ragged):
    chunks = list(
        interp.stream(
            tagger, interp.Batch(ragged.inputs, ragged.lengths, ragged.labels), where={"input": "x"}, batch_size=2
        )
    )
    assert [chunk.sizes["token"] for chunk in chunks] == [1]
    with pytest.raises(interp.CaptureError, match="re-iterable"):
        interp.stream(tagger, iter([ragged]))


def test_wiring_stands_in_the_attrs(tagger, ragged):
    found = json.loads(capture(tagger, ragged).attrs["wiring"])
    assert [(part["module"], part["lower"]) for part in found] == [
        ("hidden", "lstm.0.forward.h"), ("hidden", "lstm.0.backward.h"),
        ("output", "hidden.out"), ("output", "input of lstm"),
    ]  # fmt: skip


def test_a_capture_is_the_schemas(tagger, ragged):
    acts = capture(tagger, ragged, dtype="float32")
    assert isinstance(acts, xr.Dataset)
    assert acts.activation.dtype == np.float32
    assert interp.validate(acts) is acts
