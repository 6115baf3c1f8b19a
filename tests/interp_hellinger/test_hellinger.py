"""The reducer ``hellinger``: what both estimators check and report."""

import json

import numpy as np
import pytest

import interp
from interp_hellinger import Hellinger, candidate_pairs


def test_options_are_attributes():
    reducer = Hellinger(pairs=["t=>ծ"], strata=["step"], where={"input": "t"})
    assert reducer.options() == vars(reducer.settings)
    assert reducer.options()["pairs"] == ("t=>ծ",)
    assert reducer.requires == ("input", "output", "step", "source")
    assert Hellinger(estimator="raw").options()["bins"] == 1000


def test_skipped_pairs_are_explained(drawn_acts):
    sides = candidate_pairs(drawn_acts)
    rare = sides.pair.values[sides.n_target.values.argmin()]
    result = interp.measure("hellinger", drawn_acts, pairs=["t=>ծ", rare], estimator="raw", min_tokens=100)
    assert result.pair.values.tolist() == ["t=>ծ"]
    assert list(json.loads(result.attrs["skipped"])) == [rare]


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"min_tokens": 10**6}, interp.OptionError, r"No pair has 1000000 tokens and 50 sources.*largest.*\d+ / \d+"),
        ({"min_sources": 0}, interp.OptionError, "min_sources=0"),
        ({"pairs": ["t=>x"]}, interp.UnknownNameError, "'t=>x'.*t=>"),
        ({"pairs": "t=>ծ"}, interp.OptionError, r"pass \['t=>ծ'\]"),
        ({"estimator": "rwa"}, interp.OptionError, "'debiased' or 'raw'; got 'rwa'"),
        ({"bins": 0}, interp.OptionError, "bins=0"),
        ({"labels": ("input",)}, interp.OptionError, "two names"),
        ({"labels": ("input", "word")}, interp.SchemaError, "'hellinger' reads the label 'word'"),
        ({"strata": "step"}, interp.OptionError, r"pass \['step'\]"),
        ({"strata": ("word",)}, interp.SchemaError, "reads the label 'word'"),
        ({"where": {"word": "t"}}, interp.SchemaError, "reads the label 'word'"),
        ({"where": "t"}, interp.OptionError, "such as {'input': 't'}"),
        ({"where": {"input": "?"}}, interp.OptionError, "matches no token"),
        ({"n_permutations": 5}, interp.OptionError, "n_permutations=5"),
        ({"bins": 300}, interp.OptionError, "at most 256"),
        ({"correction": "holm"}, interp.OptionError, "'bh' or 'by'"),
        ({"estimator": "raw", "strata": ("step",)}, interp.OptionError, "estimator='debiased'"),
        ({"estimator": "raw", "min_tokens": 10**6}, interp.OptionError, r"No pair has 1000000 tokens on.*\d+ / \d+"),
    ],
)
def test_errors_say_what_to_type(drawn_acts, options, error, sentence):
    with pytest.raises(error, match=sentence):
        interp.measure("hellinger", drawn_acts, **options)


@pytest.mark.parametrize("estimator", ["raw", "debiased"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_units_that_are_not_finite_are_named(drawn_acts, estimator, value):
    values = drawn_acts.activation.values.copy()
    values[np.flatnonzero(drawn_acts.input.values == "t")[7], 3] = value
    acts = drawn_acts.assign(activation=(("token", "unit"), values))
    with pytest.raises(interp.SchemaError, match=r"1 units .*lstm\.0\.forward\.h\.3"):
        interp.measure("hellinger", acts, estimator=estimator, min_tokens=50)


@pytest.mark.parametrize("estimator", ["raw", "debiased"])
def test_single_output_is_an_error(drawn_acts, estimator):
    with pytest.raises(interp.OptionError, match="No pair has 300"):
        interp.measure("hellinger", interp.select(drawn_acts, output="ծ"), estimator=estimator)
