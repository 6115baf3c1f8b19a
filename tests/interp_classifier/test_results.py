"""Variables, coordinates and attributes of the result."""

import json

import interp


def test_variables_and_attributes(planted_capture):
    _, acts = planted_capture
    result = interp.measure("classifier", acts)
    assert result.weight.dims == ("unit", "pair")
    assert result.pair_input.values.tolist() == ["s", "s", "t", "t"]
    assert result.converged.all()
    assert (result.n_sources <= 200).all()
    assert json.loads(result.attrs["skipped"])["a"] == "only one label among the sources to fit on"
    assert "first half of the sources" in interp.methods_text(result)
    assert result.identical(interp.measure("classifier", acts))
    both = interp.measure("classifier", [acts, acts], n_controls=0)
    assert both.weight.dims == ("model", "unit", "pair")


def test_constant_units_have_weight_0(planted_capture):
    _, acts = planted_capture
    values = acts.activation.values.copy()
    values[:, 5] = 0.25
    result = interp.measure("classifier", acts.assign(activation=(("token", "unit"), values)), n_controls=0)
    assert (result.weight[5] == 0).all()
