"""Factors: outputs of ambiguous inputs, labels, and the errors of the probes that read them."""

import json

import numpy as np
import pytest

import interp

FACTORS = [f"factor_{k}" for k in range(8)]
FEW = {"min_tokens": 50, "min_sources": 20}


def test_outputs_of_an_input_are_factors(coded_acts):
    """Each of four inputs has another unit that determines its output, and rare outputs are left out."""
    draw = np.random.default_rng(1)
    code = draw.integers(0, 5, coded_acts.sizes["token"])
    columns = [coded_acts[name].values for name in FACTORS[:4]] + [np.zeros(code.size, int)]
    bits = np.stack(columns)[code, range(code.size)]
    output = np.where(draw.random(code.size) < 0.01, "rare", bits.astype(str))
    acts = coded_acts.assign_coords(input=("token", np.array(list("abcde"))[code]), output=("token", output))
    gap, disentangled = (interp.measure(name, acts, **FEW) for name in ("mig", "dci"))
    assert gap.factor.values.tolist() == disentangled.factor.values.tolist() == list("abcd")
    assert json.loads(gap.attrs["skipped"]) == {"e": "1 classes with 50 tokens of 20 sources"}
    assert gap.n_classes.values.tolist() == [2] * 4
    assert gap.mutual_information.argmax("unit").values.tolist() == [0, 1, 2, 3]
    assert disentangled.importance.argmax("unit").values.tolist() == [0, 1, 2, 3]
    assert gap.mig > 0.8
    assert disentangled.disentanglement > 0.9
    assert disentangled.informativeness > 0.95
    assert (disentangled.n_used == disentangled.n_tokens).all()
    fewer = interp.measure("dci", acts, max_tokens=300, **FEW)
    assert ((fewer.n_used > 200) & (fewer.n_used <= 300)).all()


@pytest.mark.parametrize("probe", ["mig", "dci", "readability"])
@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({}, interp.SchemaError, "label 'input'; these activations have .*factor_0"),
        ({"factors": ["colour"]}, interp.SchemaError, "label 'colour'"),
        ({"factors": "factor_0"}, interp.OptionError, r"pass \['factor_0'\]"),
        ({"labels": "input"}, interp.OptionError, "two names"),
        (
            {"factors": FACTORS, "min_tokens": 10**6},
            interp.OptionError,
            "No factor.*1000000 tokens.*factor_0, factor_1",
        ),
        ({"factors": FACTORS, "min_sources": 10**6}, interp.OptionError, "min_sources="),
    ],
)
def test_errors_say_what_to_type(coded_acts, probe, options, error, sentence):
    with pytest.raises(error, match=sentence):
        interp.measure(probe, coded_acts, **options)


@pytest.mark.parametrize("probe", ["mig", "dci", "readability", "total-correlation"])
def test_invalid_activations_are_errors(coded_acts, probe):
    options = {} if probe == "total-correlation" else {"factors": FACTORS}
    values = coded_acts.activation.values.copy()
    values[7, 5] = np.nan
    with pytest.raises(interp.SchemaError, match=r"1 units have NaN.*hidden\.out\.5"):
        interp.measure(probe, coded_acts.assign(activation=(("token", "unit"), values)), **options)
    with pytest.raises(interp.OptionError, match="at least two; got 1"):
        interp.measure(probe, coded_acts.isel(unit=[0]), **options)
    with pytest.raises(interp.OptionError, match=r"No|no tokens"):
        interp.measure(probe, coded_acts.isel(token=[]), **options)


def test_nan_labels_are_errors_whose_advice_works(coded_acts):
    acts = coded_acts.assign_coords(factor_0=("token", np.where(coded_acts.factor_0, 1.0, np.nan)))
    with pytest.raises(interp.SchemaError, match="'factor_0' is NaN") as error:
        interp.measure("mig", acts, factors=FACTORS)
    advice = str(error.value).partition("type ")[2].removesuffix(".")
    assert eval(advice, {"acts": acts, "np": np})["factor_0"].notnull().all()
