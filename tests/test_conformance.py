"""The conformance kit: the built-in plugins pass it, and broken ones are caught by name."""

import importlib
import re
import sys
import types
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

import numpy as np
import pytest
import xarray as xr

import interp
import interp.registry as host
from interp.conformance import packages
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


# ---- broken on purpose, each for one rule


def plugin(**hooks):
    """Return a module with hooks that register these objects: ``probes=[…]``."""
    module = types.ModuleType("strange")
    for kind, objects in hooks.items():
        module.__dict__[f"register_{kind}"] = hook(f"register_{kind}", objects)
    return module


def hook(name, objects):
    def registering(register):
        for one in objects:
            register(one)

    registering.__name__ = name
    return interp.hookimpl(registering)


def failures(module, **options):
    return {one.check: one.told for one in check(module, **options) if one.state == "failed"}


def marked(function, **options):
    return interp.probe(name="strange", **options)(function)


def mutating(acts: xr.Dataset) -> xr.Dataset:
    """Mean of doubled activations: (unit,)."""
    acts.activation.values *= 2
    return acts.activation.mean("token").to_dataset(name="mean")


def ordered(acts: xr.Dataset) -> xr.Dataset:
    """Mean of the first tokens there are: (unit,)."""
    return acts.activation[:10].mean("token").to_dataset(name="mean")


def by_place(acts: xr.Dataset) -> xr.Dataset:
    """Mean and the place of the column: (unit,)."""
    mean = acts.activation.mean("token")
    return (mean + np.arange(acts.sizes["unit"])).to_dataset(name="mean")


def among(acts: xr.Dataset) -> xr.Dataset:
    """Mean, less that of all units: (unit,)."""
    mean = acts.activation.mean("token")
    return (mean - mean.mean()).to_dataset(name="mean")


def random(acts: xr.Dataset) -> xr.Dataset:
    """Noise: (unit,)."""
    return (acts.activation.mean("token") + np.random.default_rng().normal()).to_dataset(name="mean")


def greedy(acts: xr.Dataset) -> xr.Dataset:
    """Mean where a t is, of more labels than it says: (unit,)."""
    return acts.activation.isel(token=(acts["output"] == "d").values).mean("token").to_dataset(name="mean")


def undocumented(acts: xr.Dataset) -> xr.Dataset:
    return acts.activation.mean("token").to_dataset(name="mean")


def loose(acts: xr.Dataset, **options) -> xr.Dataset:
    """Mean: (unit,)."""
    return acts.activation.mean("token").to_dataset(name="mean")


def pickled(acts: xr.Dataset) -> xr.Dataset:
    """Objects: (unit,)."""
    made = acts.activation.mean("token").to_dataset(name="mean")
    return made.assign(thing=("unit", np.array([{}] * acts.sizes["unit"], dtype=object)))


@pytest.mark.parametrize(
    ("function", "rule", "remedy"),
    [
        (mutating, "input-kept", "acts.copy"),
        (ordered, "order-of-tokens", "sequential=True"),
        (by_place, "order-of-units", "column alike"),
        (among, "fewer-units", "across"),
        (random, "deterministic", "default_rng"),
        (greedy, "honest-requires", "requires="),
        (undocumented, "docstring", "one sentence"),
        (loose, "explicit-signature", "every parameter"),
        (pickled, "result", "astype"),
    ],
)
def test_a_broken_probe_is_caught_with_what_to_do(function, rule, remedy):
    told = failures(plugin(probes=[marked(function)]))
    assert f"strange/{rule}" in told, told
    assert "Plugin 'strange', probe 'strange'" in told[f"strange/{rule}"]
    assert remedy in told[f"strange/{rule}"]


class Last(interp.Reducer):
    """The first token of the chunk that came last: (unit,)."""

    name = "strange"

    def start(self, units):
        return {"mean": np.zeros(units.sizes["unit"])}

    def update(self, state, chunk):
        return {"mean": chunk.activation.values[:1].sum(0)}

    def merge(self, a, b):
        return b

    def finish(self, state):
        return xr.Dataset({"mean": ("unit", state["mean"])})


def test_a_reducer_to_which_the_order_matters_is_caught():
    told = failures(plugin(probes=[Last]))
    assert "chunks, or another order of merges" in told["strange/merge-law"]


@dataclass(frozen=True, kw_only=True)
class Caller(interp.SceneView):
    """A view that asks another place for a picture."""

    def compose(self):
        return interp.scene.Scene(100, 20, (interp.scene.Text(0, 10, "here"),))

    def holoviews(self):
        return None

    def style(self):
        return "main { background: url(https://example.org/paper.png) }"


def test_a_view_that_phones_home_is_caught():
    @interp.viewer(name="strange")
    def phoning(acts: xr.Dataset) -> Caller:
        """Nothing, of (token, unit)."""
        return Caller(title="Here", caption="here", summary="Here.", data={"acts": acts})

    told = failures(plugin(viewers=[phoning]))
    assert list(told) == ["strange/no-requests"]
    assert "example.org" in told["strange/no-requests"]


def test_a_penalty_without_a_gradient_or_with_a_generator_of_its_own_is_caught():
    class Detached(interp.Penalty):
        """The mean square, which nothing learns from."""

        name = "strange"

        def __init__(self, *, units: object = None) -> None:
            self.units = units

        def loss(self, live, labels):
            return (live.values.detach() ** 2).mean()

    assert "strange/gradient" in failures(plugin(penalties=[Detached]))


def test_an_adapter_that_is_not_its_module_is_caught():
    class Wrong(interp.find("adapter", "rnn-cell").__class__):
        """A cell without its bias."""

        name = "rnn-cell"

        def step(self, weights, x, state, tap):
            return tuple(one * 0.5 for one in super().step(weights, x, state, tap))

        def compiled(self, weights):
            return None

    told = failures(plugin(adapters=[Wrong()]))
    assert "also registered by 'recurrent'" in told["strange/hooks-known"]


SOURCES = {
    "syntax": ("def broken(:\n", "could not be imported"),
    "missing": ("import no_such_library\n", "no_such_library"),
    "misspelt": ("from interp import hookimpl\n\n@hookimpl\ndef register_probe(register): ...\n", "register_probe"),
    "signature": ("from interp import hookimpl\n\n@hookimpl\ndef register_probes(registry): ...\n", "registry"),
    "raising": (
        "from interp import hookimpl\n\n@hookimpl\ndef register_probes(register): 1 / 0\n",
        "ZeroDivisionError",
    ),
    "taken": (
        "from interp import hookimpl, probe\n\n@probe(name='hellinger')\ndef mine(acts): ...\n\n"
        "@hookimpl\ndef register_probes(register): register(mine)\n",
        "'hellinger' and 'taken'",
    ),
}


@pytest.mark.parametrize("fault", SOURCES)
def test_a_plugin_that_is_broken_is_named_and_the_rest_works(fault, tmp_path, monkeypatch):
    source, told = SOURCES[fault]
    (tmp_path / f"strange_{fault}.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    points = [*entry_points(group="interp"), EntryPoint(fault, f"strange_{fault}", "interp")]
    monkeypatch.setattr(host, "entry_points", lambda group: points)
    monkeypatch.setattr(host, "_ours", lambda point: point.name != fault)
    with pytest.warns(UserWarning, match=re.escape(f"'{fault}'")) as warned:
        known = host.discover({})
    assert told in " ".join(str(one.message) for one in warned)
    assert "INTERP_DISABLE" in " ".join(str(one.message) for one in warned) or "imported" in told or fault == "missing"
    assert known.get("probe", "hellinger").__module__.startswith("interp_hellinger")
    assert fault not in known.plugins


def installed(tmp_path, monkeypatch, name, source):
    (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, name, importlib.import_module(name))
    return sys.modules[name]


PROBE = '''
@probe()
def lingering(acts):
    """Mean: (unit,)."""
    return acts.activation.mean("token").to_dataset(name="mean")


@hookimpl
def register_probes(register):
    register(lingering)
'''


def test_an_import_that_takes_long_or_loads_much_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "SECONDS", 0.3)
    module = installed(
        tmp_path, monkeypatch, "slow_plugin", f"import time\nfrom interp import hookimpl, probe\ntime.sleep(1)\n{PROBE}"
    )
    assert "at most 0.3 s" in failures(module)["slow_plugin/light-import"]
    module = installed(
        tmp_path, monkeypatch, "big_plugin", f"import torch\nfrom interp import hookimpl, probe\n{PROBE}"
    )
    assert "loads torch" in failures(module)["big_plugin/light-import"]


def test_a_private_import_is_caught(tmp_path, monkeypatch):
    source = f"from interp import hookimpl, probe\nfrom interp.kernels import place\n{PROBE}"
    told = failures(installed(tmp_path, monkeypatch, "private_plugin", source))
    assert "line 2 imports interp.kernels, which is private" in told["private_plugin/public-imports"]


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
