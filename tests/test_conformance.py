"""The conformance kit: the built-in plugins pass it, and broken ones are caught by name."""

import pytest
from strange import by_place, failures, marked, ordered, plugin

import interp
from interp.registry import registry
from interp.testing import check, conformance, toy
from interp.testing import host as host_of

CHEAP = {"sentences": 2, "against": ["d", "z"], "toy_sources": 2}


def curve(world):
    return interp.measure("ablation-curve", world.acts, model=world.model, ranking=world.ranking, pair=world.pair)


def attributed(world):
    few = world.acts.isel(token=slice(40))
    told = {"options": {"n_steps": 4}, "sentences": 2, "against": ["d", "z"]}
    return interp.measure("attribution", few, model=world.model, batches=world.batches, **told)


def edited(world):
    edits = [interp.Ablate({"unit": world.ranking[:2]}, to="zero")]
    return interp.run(world.model, world.batches, edits, modules=["output"])


GIVEN = {
    "attribution": {"attribution": CHEAP | {"options": {"n_steps": 3}}, "unit-attribution": CHEAP | {"n_steps": 3}},
    "causal": {
        "ablation-effect": lambda world: {"groups": {"t=>d": world.ranking[:2]}, "controls": 9, "draws": 1},
        "ablation-curve": lambda world: {"ranking": world.ranking, "pair": world.pair, "orders": 0, "draws": 1},
        "activation-patching": lambda world: {"groups": {"all": world.ranking}, "pair": world.pair},
        "ablation-curves": lambda world: {"curve": curve(world)},
        "context-reach": lambda world: {"attribution": attributed(world)},
    },
    "classifier": {
        "classifier": {"controls": 0}
    },  # a control is fitted to labels at random: to no law, but to rounding
    "cell-strips": {
        "attribution-strip": lambda world: {"attribution": attributed(world)},
        "before-after": lambda world: {"edited": edited(world)},
    },
    "information": {"infogan": {"codes": 3}, "label-code": {"codes": 3}},
    "transliteration": {"transliteration": {"model": "armenian-bilstm"}},
    "units": {
        "probe hypothesis": {"span": (0, 2, 3), "share": 0.3},
        "viewer hypothesis": lambda world: {
            "found": interp.measure("hypothesis", world.acts, span=(0, 2, 3), share=0.3)
        },
    },
}


def build(name):
    """Return the test of one built-in plugin."""
    return conformance(name, options=GIVEN.get(name))


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


def test_every_installed_plugin_of_ours_is_held_to_the_rules():
    held = {"recurrent", "armenian-models", "transliteration", *GIVEN} | {"hellinger", "layered-graph", "summaries"}
    assert held >= {name for name, module in registry().plugins.items() if module.__name__.startswith("interp")}


# ---- expected failures


def test_an_expected_failure_needs_a_reason_and_has_to_fail():
    module = plugin(probes=[marked(ordered)])
    expected = {"strange/order-of-tokens": "it reads the beginning of a text"}
    assert not failures(module, expected_failures=expected)
    with pytest.raises(interp.OptionError, match="needs a reason"):
        check(module, expected_failures={"strange/order-of-tokens": " "})
    with pytest.raises(interp.OptionError, match="no check 'strange/nonsense'"):
        check(module, expected_failures={"strange/nonsense": "because"})
    told = failures(module, expected_failures=expected | {"strange/deterministic": "it is not"})
    assert "passes: remove it" in told["strange/deterministic"]


def test_options_for_an_object_that_is_not_there_are_refused():
    with pytest.raises(interp.OptionError, match=r"options= name nonsense; .* registers strange"):
        check(plugin(probes=[marked(by_place)]), options={"nonsense": {}})


def test_a_host_knows_its_plugins_alone_and_nothing_of_them_is_left():
    before, acts = interp.probes(), toy(sources=2).acts
    with host_of(plugin(probes=[marked(by_place)]), "hellinger"):
        assert set(interp.probes().values()) == {"strange", "hellinger"}
        assert interp.measure("strange", acts)["mean"].dims == ("unit",)
    assert interp.probes() == before
    failures(plugin(probes=[marked(by_place)]))
    assert interp.probes() == before


def test_the_toy_is_known_and_fresh_each_time():
    one, two = toy(), toy()
    one.acts.activation.values[:] = 0
    assert float(abs(two.acts.activation).max()) > 0
    assert set(toy("GRU").acts["quantity"].values) == {"h", "r", "z", "n", "out"}
    with pytest.raises(interp.OptionError, match="LSTM, GRU, RNN"):
        toy("TCN")
