"""The registry: registration, ownership of names, and error messages."""

from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

import interp
from interp import registry as host
from interp.errors import PluginError, UnknownNameError
from interp.registry import Registry


def module_with(**hooks):
    """Return a module with these hook implementations."""
    module = ModuleType("mine")
    vars(module).update(hooks)
    return module


def plugin_with(*probes):
    @interp.hookimpl
    def register_probes(register):
        for value in probes:
            register(value)

    return module_with(register_probes=register_probes)


@interp.probe(requires=("output",))
def mean_size(acts):
    return acts


def test_a_function_registers_under_its_own_name_in_kebab_case():
    registry = Registry({"mine": plugin_with(mean_size)})
    assert registry.get("probe", "mean-size") is mean_size
    assert registry.table("probe")["mean-size"].owner == "mine"


def test_the_decorator_leaves_the_function_as_it_is():
    assert mean_size("acts") == "acts"
    assert mean_size.interp.requires == ("output",)


def test_an_unknown_name_lists_similar_and_existing_names():
    registry = Registry({"mine": plugin_with(mean_size)})
    with pytest.raises(UnknownNameError) as error:
        registry.get("probe", "mean-sise")
    assert str(error.value) == "No probe named 'mean-sise'. Did you mean 'mean-size'? Registered: mean-size."


def test_a_misspelt_hook_names_the_plugin_and_the_hooks():
    @interp.hookimpl
    def register_prob(register):
        """Has a wrong name or signature on purpose."""

    with pytest.raises(PluginError, match=r"'mine'.*register_prob.*register_probes"):
        Registry({"mine": module_with(register_prob=register_prob)})


def test_a_hook_with_another_signature_names_the_plugin():
    @interp.hookimpl
    def register_probes(registry):
        """Has a wrong name or signature on purpose."""

    with pytest.raises(PluginError, match="'mine'"):
        Registry({"mine": module_with(register_probes=register_probes)})


def test_two_owners_of_a_name_are_both_named():
    with pytest.raises(PluginError, match=r"'mean-size': 'mine' and 'yours'"):
        Registry({"mine": plugin_with(mean_size), "yours": plugin_with(mean_size)})


def test_a_name_that_is_not_kebab_case_is_rejected():
    @interp.probe(name="Mean Size")
    def odd(acts):
        return acts

    with pytest.raises(PluginError, match="'Mean Size' is not kebab-case"):
        Registry({"mine": plugin_with(odd)})


@pytest.fixture
def installed(monkeypatch):
    points = [
        EntryPoint("good", "interp_summaries", "interp"),
        EntryPoint("broken", "no_such_module_anywhere", "interp"),
    ]
    monkeypatch.setattr(host, "entry_points", lambda group: points)


def test_a_plugin_that_fails_to_import_is_a_warning_that_names_it(installed):
    with pytest.warns(UserWarning, match=r"'broken' \(no_such_module_anywhere\)"):
        registry = host.discover({})
    assert list(registry.plugins) == ["good"]


def test_variables_restrict_and_drop(installed):
    assert list(host.discover({"INTERP_PLUGINS": "good"}).plugins) == ["good"]
    assert list(host.discover({"INTERP_DISABLE": "broken"}).plugins) == ["good"]


def test_a_variable_that_names_no_plugin_is_an_error(installed):
    with pytest.raises(UnknownNameError, match="INTERP_PLUGINS"):
        host.discover({"INTERP_PLUGINS": "goood"})


def test_tracing_prints_hook_calls_and_lookups(installed, capsys):
    registry = host.discover({"INTERP_PLUGINS": "good", "INTERP_TRACE": "1"})
    assert "register_probes: plugin 'good' registers range, moments, histogram" in capsys.readouterr().err
    registry.get("probe", "moments")
    assert capsys.readouterr().err == "probe 'moments': found in plugin 'good'\n"


@pytest.fixture
def fresh():
    """Discover the plugins again afterwards."""
    yield
    host.installed_registry.cache_clear()


def test_a_plugin_that_is_not_installed_registers_for_this_process(fresh):
    installed = interp.plugins()
    interp.register(plugin_with(mean_size))
    assert interp.probes()["mean-size"] == "mine"
    assert interp.plugins() == {**installed, "mine": ""}
    assert host.active_registry().get("probe", "mean-size") is mean_size


def test_a_cell_that_runs_again_replaces_its_plugin(fresh):
    @interp.probe()
    def other(acts):
        return acts

    interp.register(plugin_with(mean_size, other))
    interp.register(plugin_with(mean_size))
    assert "mean-size" in interp.probes()
    assert "other" not in interp.probes()


def test_an_object_with_hooks_registers_under_the_name_of_its_class(fresh):
    class Mine:
        @interp.hookimpl
        def register_probes(self, register):
            register(mean_size)

    interp.register(Mine())
    assert interp.probes()["mean-size"] == "Mine"


def test_an_invalid_plugin_raises_an_error_and_changes_nothing(fresh):
    before = interp.probes(), interp.plugins()

    @interp.probe(name="hellinger")
    def taken(acts):
        return acts

    with pytest.raises(PluginError, match=r"the probe 'hellinger': 'hellinger' and 'mine'"):
        interp.register(plugin_with(mean_size, taken))
    with pytest.raises(PluginError, match=r"'mine' has no hooks: .*@interp.hookimpl, named .*register_probes"):
        interp.register(module_with(register_probes=mean_size))
    assert (interp.probes(), interp.plugins()) == before


def test_built_in_plugins_are_discovered():
    assert interp.tasks()["transliteration"] == "transliteration"
    assert interp.models()["armenian-bilstm"] == "armenian-models"
    assert interp.probes()["hellinger"] == "hellinger"
    assert {"layered-graph", "cell-strips", "histogram-pair"} <= set(interp.viewers())
