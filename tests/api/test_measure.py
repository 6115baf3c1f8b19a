"""`interp.measure`: functions, reducers, several datasets, streams and error messages."""

import json

import numpy as np
import pytest
import xarray as xr

import interp
from interp.measurement.results import concat_models, unique_names


@interp.probe(requires=("output",))
def burst(acts, *, symbol: str = "ծ"):
    """Mean activation where ``output``
    is the symbol.

    More.
    """
    tokens = np.flatnonzero(acts.output.values == symbol)
    return acts.activation.isel(token=tokens).mean("token").to_dataset(name="burst")


class Longest(interp.Reducer):
    name = "longest"

    def __init__(self, *, scale: float = 1.0):
        self.scale = scale

    def init_state(self, units, **needed):
        return {"longest": np.zeros(1)}

    def update(self, state, chunk):
        return self.merge(state, {"longest": np.array([chunk["step"].values.max(initial=-1) + 1])})

    def merge(self, a, b):
        return {"longest": np.maximum(a["longest"], b["longest"])}

    def finalize(self, state):
        return xr.Dataset({"longest": float(state["longest"][0] * self.scale)})


def test_a_function(drawn_acts):
    result = interp.measure(burst, drawn_acts, symbol="թ")
    mask = drawn_acts.output.values == "թ"
    np.testing.assert_allclose(result.burst, drawn_acts.activation.values[mask].mean(axis=0), rtol=1e-5)
    assert result.attrs == {
        "schema": "interp.result",
        "schema_version": 2,
        "interp_version": interp.__version__,
        "probe": "burst",
        "probe_version": "1",
        "options": '{"symbol": "թ"}',
        "method": "Mean activation where ``output`` is the symbol.",
        "model": "made-up-bilstm",
        "task": "transliteration",
        "n_tokens": drawn_acts.sizes["token"],
        "n_sources": 100,
    }


def test_defaults_are_recorded(drawn_acts):
    assert json.loads(interp.measure(burst, drawn_acts).attrs["options"]) == {"symbol": "ծ"}
    assert json.loads(interp.measure(Longest, drawn_acts).attrs["options"]) == {"scale": 1.0}


def test_a_reducer_as_class_and_as_object(drawn_acts):
    by_class, by_object = interp.measure(Longest, drawn_acts, scale=2.0), interp.measure(Longest(scale=2.0), drawn_acts)
    assert by_class.identical(by_object)
    assert by_class.longest == 2 * (drawn_acts.step.values.max() + 1)
    with pytest.raises(interp.OptionError, match="already has its options"):
        interp.measure(Longest(), drawn_acts, scale=2.0)


def test_units_keep_their_coords(drawn_acts):
    result = interp.measure("range", drawn_acts)
    for name in ("unit", "module", "layer", "direction", "quantity", "index", "symbol"):
        assert result[name].identical(drawn_acts[name])


def test_the_source_is_not_changed(drawn_acts):
    before = drawn_acts.copy(deep=True)
    interp.measure("hellinger", drawn_acts, min_tokens=50)
    assert before.identical(drawn_acts)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda a: interp.measure("helinger", a), interp.UnknownNameError, "Did you mean 'hellinger'?"),
        (lambda a: interp.measure("hellinger", a, bin=3), interp.OptionError, "Did you mean 'bins'?.*min_tokens=300"),
        (lambda a: interp.measure("range", a, bins=3), interp.OptionError, "has no option 'bins'. Options: none"),
        (
            lambda a: interp.measure("hellinger", a.drop_vars("output")),
            interp.SchemaError,
            "'hellinger' reads.*'output'",
        ),
        (
            lambda a: interp.measure(burst, a.drop_vars("output")),
            interp.SchemaError,
            "'burst' reads the label 'output'",
        ),
        (lambda a: interp.measure(burst, [a, a][:0]), interp.OptionError, "at least one"),
        (lambda a: interp.measure(burst, iter([a])), interp.OptionError, "Reducers take streams: .*hellinger.*range"),
        (lambda a: interp.measure("range", "acts.zarr"), interp.OptionError, "interp.open\\('acts.zarr'\\)"),
        (lambda a: interp.measure("range", 3), interp.OptionError, "got a int"),
        (lambda a: interp.measure("range", iter([])), interp.SchemaError, "no chunk"),
        (lambda a: interp.measure("histogram", iter([a])), interp.OptionError, "more than once"),
        (lambda a: interp.measure(lambda acts: acts, a), interp.OptionError, "@interp.probe"),
    ],
)
def test_errors_say_what_to_type(drawn_acts, call, error, sentence):
    with pytest.raises(error, match=sentence):
        call(drawn_acts)


def test_several_datasets(drawn_acts):
    other = interp.select(drawn_acts, sample=slice(0, 100)).assign_attrs(seed=3)
    result = interp.measure("hellinger", [drawn_acts, other, drawn_acts], min_tokens=150, min_sources=20)
    assert result.model.values.tolist() == ["made-up-bilstm", "made-up-bilstm-2", "made-up-bilstm-3"]
    assert "model" not in result.attrs
    assert "seed" not in result.attrs
    assert result.attrs["task"] == "transliteration"
    for model, acts in enumerate((drawn_acts, other)):
        alone = interp.measure("hellinger", acts, min_tokens=150, min_sources=20)
        np.testing.assert_array_equal(result.distance.isel(model=model).sel(pair=alone.pair), alone.distance)
        assert result.n_target.dtype == np.int64
    fewer = interp.measure("hellinger", other, min_tokens=150, min_sources=20)
    missing = set(result.pair.values) - set(fewer.pair.values)
    assert missing
    assert np.isnan(result.distance.isel(model=1).sel(pair=sorted(missing))).all()
    assert (result.n_target.isel(model=1).sel(pair=sorted(missing)) == 0).all()


class Stream:
    def __init__(self, *chunks):
        self.chunks = chunks

    def __iter__(self):
        return iter(self.chunks)


def test_several_streams(drawn_acts):
    result = interp.measure("range", [Stream(drawn_acts), Stream(drawn_acts)])
    assert result.sizes == {"model": 2, "unit": drawn_acts.sizes["unit"]}


def test_models_with_other_units_are_aligned(drawn_acts):
    half = drawn_acts.isel(unit=slice(10, 30))
    result = interp.measure("range", [half, drawn_acts])
    assert set(result.unit.values) == set(drawn_acts.unit.values)
    assert result.quantity.sel(unit="lstm.0.forward.c.3") == "c"
    assert int(np.isnan(result.minimum.isel(model=0)).sum()) == drawn_acts.sizes["unit"] - 20


def test_unlabelled_dims_must_agree(drawn_acts):
    with pytest.raises(interp.OptionError, match="'row'"):
        interp.measure("labels", [drawn_acts, interp.select(drawn_acts, input="t")])


def test_names_of_models():
    assert unique_names(["a", "a", "a-2", "b"]) == ["a", "a-2", "a-2-2", "b"]
    assert concat_models([xr.Dataset({"x": 1})], ["a"]).x.dims == ("model",)


@pytest.mark.parametrize("probe", ["range", "histogram", "moments"])
def test_half_precision(drawn_acts, probe):
    half = drawn_acts.assign(activation=drawn_acts.activation.astype(np.float16))
    wide = half.assign(activation=half.activation.astype(np.float32))
    assert interp.measure(probe, half).identical(interp.measure(probe, wide))
