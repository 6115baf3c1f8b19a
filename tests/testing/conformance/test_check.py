"""Conformance checks: all built-in plugins pass them."""

import pytest
from helpers.strange import by_place, failures, marked, ordered, plugin

import interp
from interp.registry import active_registry
from interp.testing.api import check_plugin, check_plugin_test
from interp.testing.api import isolated_registry as host_of
from interp.testing.toy import toy_capture

CHEAP = {"n_baselines": 2, "contrast_with": ["d", "z"], "toy_sources": 2}


def ablation_curve(data):
    return interp.measure("ablation-curve", data.acts, model=data.model, ranking=data.ranking, pair=data.pair)


def attribution_of(data):
    few = data.acts.isel(token=slice(40))
    options = {"method_options": {"n_steps": 4}, "n_baselines": 2, "contrast_with": ["d", "z"]}
    return interp.measure("attribution", few, model=data.model, batches=data.batches, **options)


def edited_capture(data):
    edits = [interp.Ablate({"unit": data.ranking[:2]}, replace_with="zero")]
    return interp.capture(data.model, data.batches, edits=edits, modules=["output"])


GIVEN = {
    "attribution": {
        "attribution": CHEAP | {"method_options": {"n_steps": 3}},
        "unit-attribution": CHEAP | {"n_steps": 3},
    },
    "causal": {
        "ablation-effect": lambda data: {"groups": {"t=>d": data.ranking[:2]}, "n_controls": 9, "n_draws": 1},
        "ablation-curve": lambda data: {
            "ranking": data.ranking,
            "pair": data.pair,
            "n_random_orders": 0,
            "n_draws": 1,
        },
        "activation-patching": lambda data: {"groups": {"all": data.ranking}, "pair": data.pair},
        "ablation-curves": lambda data: {"curve": ablation_curve(data)},
        "context-reach": lambda data: {"attribution": attribution_of(data)},
    },
    "classifier": {"classifier": {"n_controls": 0}},  # fits to random control labels depend on rounding
    "cell-strips": {
        "attribution-strip": lambda data: {"attribution": attribution_of(data)},
        "before-after": lambda data: {"edited": edited_capture(data)},
    },
    "information": {"infogan": {"codes": 3}, "label-code": {"codes": 3}},
    "transliteration": {"transliteration": {"model": "armenian-bilstm"}},
    "units": {
        "probe hypothesis": {"span": (0, 2, 3), "quantile": 0.3},
        "viewer hypothesis": lambda data: {
            "hypothesis": interp.measure("hypothesis", data.acts, span=(0, 2, 3), quantile=0.3)
        },
    },
}


def build(name):
    """Return the conformance test of a built-in plugin."""
    return check_plugin_test(name, options=GIVEN.get(name))


test_adapters_of_torch = build("recurrent")
test_attribution = build("attribution")
test_causal = build("causal")
test_cell_strips = build("cell-strips")
test_classifier = build("classifier")
test_hellinger = build("hellinger")
test_information = build("information")
test_layered_graph = build("layered-graph")
test_models = build("armenian-models")
test_summaries = build("summaries")
test_transliteration = build("transliteration")
test_units = build("units")


def test_every_builtin_plugin_is_checked():
    checked = {"recurrent", "armenian-models", "transliteration", *GIVEN} | {"hellinger", "layered-graph", "summaries"}
    assert checked >= {
        name for name, module in active_registry().plugins.items() if module.__name__.startswith("interp")
    }


# ---- expected failures


def test_expected_failures_need_a_reason_and_must_fail():
    module = plugin(probes=[marked(ordered)])
    expected = {"strange/order-of-tokens": "it depends on the beginning of a text"}
    assert not failures(module, expected_failures=expected)
    with pytest.raises(interp.OptionError, match="needs a reason"):
        check_plugin(module, expected_failures={"strange/order-of-tokens": " "})
    with pytest.raises(interp.OptionError, match="unknown check 'strange/nonsense'"):
        check_plugin(module, expected_failures={"strange/nonsense": "because"})
    messages = failures(module, expected_failures=expected | {"strange/deterministic": "it is not"})
    assert "but passes. Remove it" in messages["strange/deterministic"]


def test_options_of_unknown_objects_are_rejected():
    with pytest.raises(interp.OptionError, match=r"options= names unknown objects: nonsense\. .* registers strange"):
        check_plugin(plugin(probes=[marked(by_place)]), options={"nonsense": {}})


def test_host_isolates_its_plugins():
    before, acts = interp.probes(), toy_capture(sources=2).acts
    with host_of(plugin(probes=[marked(by_place)]), "hellinger"):
        assert set(interp.probes().values()) == {"strange", "hellinger"}
        assert interp.measure("strange", acts)["mean"].dims == ("unit",)
    assert interp.probes() == before
    failures(plugin(probes=[marked(by_place)]))
    assert interp.probes() == before


def test_toy_is_fresh_on_each_call():
    one, two = toy_capture(), toy_capture()
    one.acts.activation.values[:] = 0
    assert float(abs(two.acts.activation).max()) > 0
    assert set(toy_capture("GRU").acts["quantity"].values) == {"h", "r", "z", "n", "out"}
    with pytest.raises(interp.OptionError, match="LSTM, GRU, RNN"):
        toy_capture("TCN")
