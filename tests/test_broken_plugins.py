"""Plugins that are broken on purpose, each for one rule: the host or the kit names plugin, object and remedy."""

import importlib
import re
import sys
from importlib.metadata import EntryPoint, entry_points

import numpy as np
import pytest
import xarray as xr
from strange import by_place, failures, marked, ordered, plugin

import interp
import interp.registry as host
from interp.conformance import packages
from interp.testing import check


def mutating(acts: xr.Dataset) -> xr.Dataset:
    """Mean of doubled activations: (unit,)."""
    acts.activation.values *= 2
    return acts.activation.mean("token").to_dataset(name="mean")


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


def test_a_result_for_each_token_has_to_move_with_the_tokens():
    def late(acts: xr.Dataset) -> xr.Dataset:
        """The value of the token before: (token, unit)."""
        return acts.activation.copy(data=np.roll(acts.activation.values, 1, axis=0)).to_dataset(name="before")

    def now(acts: xr.Dataset) -> xr.Dataset:
        """The value: (token, unit)."""
        return acts.activation.to_dataset(name="now")

    assert "strange/order-of-tokens" in failures(plugin(probes=[marked(late)]))
    assert not failures(plugin(probes=[marked(now)]))


def test_what_has_no_answer_on_the_toy_is_left_out_and_not_passed():
    def demanding(acts: xr.Dataset, *, something: str) -> xr.Dataset:
        """Mean: (unit,)."""
        return acts.activation.mean("token").to_dataset(name="mean")

    states = {one.check.partition("/")[2]: one.state for one in check(plugin(probes=[marked(demanding)]))}
    run = {"input-kept", "one-sample", "empty-symbols", "honest-requires", "lstm-and-gru", "round-trip", "result"}
    assert {rule for rule in run if states[rule] == "left out"} == run
    assert states["light-import"] == "left out"


class Lists(Last):
    """A state of lists, and an option that is not kept: (unit,)."""

    def __init__(self, *, above: float = 0.5) -> None:
        pass

    def start(self, units):
        return {"mean": [0.0] * units.sizes["unit"]}

    def options(self):
        return {"above": 0.5}


def test_a_reducer_with_a_state_that_is_no_array_or_without_its_options_is_caught():
    told = failures(plugin(probes=[Lists]))
    assert {"strange/options-kept"} <= set(told)


@pytest.mark.parametrize(("value", "rule"), [("nan", "finite-scalar"), ("noise", "repeats")])
def test_a_penalty_that_is_not_finite_or_draws_elsewhere_is_caught(value, rule):
    class Strange(interp.Penalty):
        """Not what it should be."""

        name = "strange"

        def __init__(self, *, units: object = None) -> None:
            self.units = units

        def loss(self, live, labels):
            size = (live.values**2).mean()
            return size * np.random.default_rng().random() if value == "noise" else size * float("nan")

    assert f"strange/{rule}" in failures(plugin(penalties=[Strange]))


def test_an_adapter_is_held_against_its_module_alone():
    class Wrong(type(interp.find("adapter", "rnn-cell"))):
        """A cell that forgets half."""

        name = "strange"

        def step(self, weights, x, state, tap):
            return tuple(one * 0.5 for one in super().step(weights, x, state, tap))

        def compiled(self, weights):
            return None

    assert "differs from the module" in failures(plugin(adapters=[Wrong()]))["strange/exact"]


def test_models_without_a_recurrent_module_or_with_a_mind_of_their_own_are_caught():
    from torch import nn

    sizes = iter(range(2, 99))
    dense = interp.ModelSpec("strange", lambda: nn.Linear(2, 2))
    fickle = interp.ModelSpec("strange", lambda: nn.GRU(2, next(sizes)))
    assert list(failures(plugin(models=[dense]))) == ["strange/recurrent"]
    assert "strange/loads" in failures(plugin(models=[fickle]))


def task(**changed):
    """Return a task of two short samples that is right but for what is changed."""
    import torch

    draw = np.random.default_rng(0)

    class Strange:
        """Says nothing of use."""

        name = "strange"

        def batches(self, split, *, limit=None, seed=0):
            n = 2 if "many" not in changed else 99
            labels = {"input": ["abc"] * n, "output": [list("xyz")] * n, "source": list(range(n))}
            labels |= changed.get("labels", {})
            if "fickle" in changed:
                labels["output"] = [draw.integers(0, 9, 3).astype(str).tolist()] * n
            lengths = None if "whole" in changed else [3] * n
            return [interp.Batch((torch.zeros(n, 3, dtype=torch.long),), lengths=lengths, labels=labels)]

    return Strange


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"labels": {"output": [["x"], ["x"]]}}, "aligned"),
        ({"labels": {"output": ["x"] * 5}}, "aligned"),
        ({"fickle": True}, "seeded"),
        ({"many": True}, "limited"),
    ],
    ids=str,
)
def test_a_broken_task_is_caught(changed, rule):
    assert f"strange/{rule}" in failures(plugin(tasks=[task(**changed)]))


def test_a_task_of_whole_samples_passes():
    assert not failures(plugin(tasks=[task()]))
    assert not failures(plugin(tasks=[task(whole=True)]))
