"""Changes of logits through dense layers, against the layers themselves."""

import numpy as np
import pytest
import torch

import interp
from interp_causal.linear_readout import LinearReadout, logit_units, symbol_columns


@pytest.fixture(scope="module")
def readout(net):
    model, _, acts = net
    return LinearReadout(acts, model, torch.from_numpy(acts["activation"].values))


def columns(acts, **labels):
    names = interp.select(acts, **labels)["unit"].values
    return np.array([acts["unit"].values.tolist().index(name) for name in names])


def test_change_of_hidden_state_passes_through_tanh(net, readout):
    model, batch, acts = net
    h, logits = columns(acts, module="rnn", quantity="h"), logit_units(acts)
    change = torch.from_numpy(np.random.default_rng(0).normal(size=(acts.sizes["token"], 5)))
    with torch.no_grad():
        edited = model.hidden(torch.from_numpy(acts["activation"].values[:, h]) + change)
        x = batch.inputs.reshape(-1, 4)
        expected = model.output(torch.cat([edited, x], -1)).numpy() - acts["activation"].values[:, logits]
    np.testing.assert_allclose(readout.logit_change(h, change, logits), expected, atol=1e-9)
    np.testing.assert_allclose(readout.logit_change(h, change, logits[[2, 0]]), expected[:, [2, 0]], atol=1e-9)


def test_outgoing_norm_is_that_of_the_weights(net, readout):
    model, _, acts = net
    norms = readout.outgoing_norm(columns(acts, module="rnn", quantity="h"))
    np.testing.assert_allclose(norms, model.hidden.weight.detach().norm(dim=0))


def test_units_that_no_layer_reads_raise_an_error(net, readout):
    _, _, acts = net
    readout.check_units_are_read(columns(acts, module="hidden"), acts["unit"].values)
    lower = acts.sizes["unit"]
    with pytest.raises(interp.OptionError, match="No dense layer reads 'lower'"):
        readout.check_units_are_read(np.array([lower]), np.append(acts["unit"].values, "lower"))


def test_logits_are_the_units_with_a_symbol(net):
    _, _, acts = net
    assert symbol_columns(acts, ["z", "x"]).tolist() == logit_units(acts)[[2, 0]].tolist()
    with pytest.raises(interp.UnknownNameError, match="No logit stands for 'w'"):
        symbol_columns(acts, ["w"])
    with pytest.raises(interp.CaptureError, match=r"model\.symbols = "):
        logit_units(acts.drop_vars("symbol"))
    with pytest.raises(interp.CaptureError, match=r"lack the unit 'hidden\.out\.0', which"):
        LinearReadout(acts.isel(unit=acts["module"].values != "hidden"), net[0], torch.zeros(1, 8))
