"""Deliberately broken plugins, one per rule: errors name plugin, object and remedy."""

import importlib
import re
import sys
from importlib.metadata import EntryPoint, entry_points

import numpy as np
import pytest
import xarray as xr
from helpers.strange import by_place, failures, marked, ordered, plugin

import interp
import interp.registry as host
from interp.registry import active_registry
from interp.testing.api import check_plugin
from interp.testing.conformance import plugin_rules as packages


def mutating(acts: xr.Dataset) -> xr.Dataset:
    """Mean of doubled activations: (unit,)."""
    acts.activation.values *= 2
    return acts.activation.mean("token").to_dataset(name="mean")


def centred(acts: xr.Dataset) -> xr.Dataset:
    """Mean minus the mean of all units: (unit,)."""
    mean = acts.activation.mean("token")
    return (mean - mean.mean()).to_dataset(name="mean")


def random(acts: xr.Dataset) -> xr.Dataset:
    """Noise: (unit,)."""
    return (acts.activation.mean("token") + np.random.default_rng().normal()).to_dataset(name="mean")


def greedy(acts: xr.Dataset) -> xr.Dataset:
    """Mean where the output is d, an undeclared label: (unit,)."""
    return acts.activation.isel(token=(acts["output"] == "d").values).mean("token").to_dataset(name="mean")


def undocumented(acts: xr.Dataset) -> xr.Dataset:
    return acts.activation.mean("token").to_dataset(name="mean")


def loose(acts: xr.Dataset, **options) -> xr.Dataset:
    """Mean: (unit,)."""
    return acts.activation.mean("token").to_dataset(name="mean")


def pickled(acts: xr.Dataset) -> xr.Dataset:
    """Objects: (unit,)."""
    dataset = acts.activation.mean("token").to_dataset(name="mean")
    return dataset.assign(thing=("unit", np.array([{}] * acts.sizes["unit"], dtype=object)))


@pytest.mark.parametrize(
    ("function", "rule", "remedy"),
    [
        (mutating, "input-unchanged", "acts.copy"),
        (ordered, "order-of-tokens", "sequential=True"),
        (by_place, "order-of-units", "column alike"),
        (centred, "unit-subset", "depends_on_all"),
        (random, "deterministic", "default_rng"),
        (greedy, "declared-labels", "requires="),
        (undocumented, "docstring", "one sentence"),
        (loose, "explicit-signature", "every parameter"),
        (pickled, "result", "astype"),
    ],
)
def test_broken_probes_fail_with_a_remedy(function, rule, remedy):
    messages = failures(plugin(probes=[marked(function)]))
    assert f"strange/{rule}" in messages, messages
    assert "Plugin 'strange', probe 'strange'" in messages[f"strange/{rule}"]
    assert remedy in messages[f"strange/{rule}"]


class Last(interp.Reducer):
    """First token of the last chunk: (unit,)."""

    name = "strange"

    def init_state(self, units):
        return {"mean": np.zeros(units.sizes["unit"])}

    def update(self, state, chunk):
        return {"mean": chunk.activation.values[:1].sum(0)}

    def merge(self, a, b):
        return b

    def finalize(self, state):
        return xr.Dataset({"mean": ("unit", state["mean"])})


def test_order_dependent_reducers_fail():
    messages = failures(plugin(probes=[Last]))
    assert "chunks, or another order of merges" in messages["strange/merge-law"]


def test_penalties_without_a_gradient_fail():
    class Detached(interp.Penalty):
        """Mean square without a gradient."""

        name = "strange"

        def __init__(self, *, units: object = None) -> None:
            self.units = units

        def loss(self, live, labels):
            return (live.values.detach() ** 2).mean()

    assert "strange/gradient" in failures(plugin(penalties=[Detached]))


def test_adapters_with_a_taken_name_fail():
    class Wrong(active_registry().get("adapter", "rnn-cell").__class__):
        """Cell with half of its state."""

        name = "rnn-cell"

        def step(self, weights, x, state, tap):
            return tuple(one * 0.5 for one in super().step(weights, x, state, tap))

        def compiled_loop(self, weights):
            return None

    messages = failures(plugin(adapters=[Wrong()]))
    assert "also registered by 'recurrent'" in messages["strange/hooks-known"]


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
def test_broken_plugins_are_named_and_skipped(fault, tmp_path, monkeypatch):
    source, message = SOURCES[fault]
    (tmp_path / f"strange_{fault}.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    points = [*entry_points(group="interp"), EntryPoint(fault, f"strange_{fault}", "interp")]
    monkeypatch.setattr(host, "entry_points", lambda group: points)
    monkeypatch.setattr(host, "_is_builtin", lambda point: point.name != fault)
    with pytest.warns(UserWarning, match=re.escape(f"'{fault}'")) as warned:
        registry = host.discover({})
    warning = " ".join(str(one.message) for one in warned)
    assert message in warning
    assert "INTERP_DISABLE" in warning or "imported" in message or fault == "missing"
    assert registry.get("probe", "hellinger").__module__.startswith("interp_hellinger")
    assert fault not in registry.plugins


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


def test_slow_and_heavy_imports_fail(tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "MAX_IMPORT_SECONDS", 0.3)
    module = installed(
        tmp_path, monkeypatch, "slow_plugin", f"import time\nfrom interp import hookimpl, probe\ntime.sleep(1)\n{PROBE}"
    )
    assert "at most 0.3 s" in failures(module)["slow_plugin/light-import"]
    module = installed(
        tmp_path, monkeypatch, "big_plugin", f"import torch\nfrom interp import hookimpl, probe\n{PROBE}"
    )
    assert "loads torch" in failures(module)["big_plugin/light-import"]


def test_private_imports_fail(tmp_path, monkeypatch):
    source = f"from interp import hookimpl, probe\nfrom interp.numba_utils import jit\n{PROBE}"
    messages = failures(installed(tmp_path, monkeypatch, "private_plugin", source))
    assert "line 2 imports interp.numba_utils, which is private" in messages["private_plugin/public-imports"]


def test_results_per_token_must_follow_the_tokens():
    def late(acts: xr.Dataset) -> xr.Dataset:
        """Value of the token before: (token, unit)."""
        return acts.activation.copy(data=np.roll(acts.activation.values, 1, axis=0)).to_dataset(name="before")

    def now(acts: xr.Dataset) -> xr.Dataset:
        """Value: (token, unit)."""
        return acts.activation.to_dataset(name="now")

    assert "strange/order-of-tokens" in failures(plugin(probes=[marked(late)]))
    assert not failures(plugin(probes=[marked(now)]))


def test_probes_that_do_not_run_on_the_toy_are_skipped():
    def demanding(acts: xr.Dataset, *, something: str) -> xr.Dataset:
        """Mean: (unit,)."""
        return acts.activation.mean("token").to_dataset(name="mean")

    states = {one.check.partition("/")[2]: one.state for one in check_plugin(plugin(probes=[marked(demanding)]))}
    rules = {"input-unchanged", "one-sample", "empty-symbols", "declared-labels", "lstm-and-gru", "result"}
    assert {rule for rule in rules if states[rule] == "skipped"} == rules
    assert states["light-import"] == "skipped"


class Lists(Last):
    """State of lists, and an option that is not stored: (unit,)."""

    def __init__(self, *, above: float = 0.5) -> None:
        pass

    def init_state(self, units):
        return {"mean": [0.0] * units.sizes["unit"]}

    def options(self):
        return {"above": 0.5}


def test_reducers_that_do_not_store_options_fail():
    messages = failures(plugin(probes=[Lists]))
    assert {"strange/options-stored"} <= set(messages)


@pytest.mark.parametrize(("value", "rule"), [("nan", "finite-scalar"), ("noise", "repeats")])
def test_infinite_and_random_penalties_fail(value, rule):
    class Strange(interp.Penalty):
        """Broken penalty."""

        name = "strange"

        def __init__(self, *, units: object = None) -> None:
            self.units = units

        def loss(self, live, labels):
            size = (live.values**2).mean()
            return size * np.random.default_rng().random() if value == "noise" else size * float("nan")

    assert f"strange/{rule}" in failures(plugin(penalties=[Strange]))


def test_adapters_that_differ_from_their_module_fail():
    class Wrong(type(active_registry().get("adapter", "rnn-cell"))):
        """Cell with half of its state, under a new name."""

        name = "strange"

        def step(self, weights, x, state, tap):
            return tuple(one * 0.5 for one in super().step(weights, x, state, tap))

        def compiled_loop(self, weights):
            return None

    assert "differs from the module" in failures(plugin(adapters=[Wrong()]))["strange/exact"]


def test_dense_and_random_models_fail():
    from torch import nn

    sizes = iter(range(2, 99))
    dense = interp.ModelSpec("strange", lambda: nn.Linear(2, 2))
    fickle = interp.ModelSpec("strange", lambda: nn.GRU(2, next(sizes)))
    assert list(failures(plugin(models=[dense]))) == ["strange/recurrent"]
    assert "strange/loads" in failures(plugin(models=[fickle]))


def task(**changed):
    """Return a task of two short samples that is valid except for some changes."""
    import torch

    draw = np.random.default_rng(0)

    class Strange:
        """Task with some faults."""

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
def test_broken_tasks_fail(changed, rule):
    assert f"strange/{rule}" in failures(plugin(tasks=[task(**changed)]))


def test_tasks_without_lengths_pass():
    assert not failures(plugin(tasks=[task()]))
    assert not failures(plugin(tasks=[task(whole=True)]))
