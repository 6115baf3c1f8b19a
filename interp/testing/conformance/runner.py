"""Collect and run the checks of a plugin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interp.errors import OptionError, PluginError
from interp.testing.conformance.check import Check, CheckedObject, ConformanceError, NotApplicable, ObjectOptions, Rule

if TYPE_CHECKING:
    from interp.registry import Registry


PASSED, FAILED, SKIPPED, EXPECTED_FAILURE = "passed", "failed", "skipped", "expected failure"


@dataclass(frozen=True)
class Outcome:
    """Outcome of a check.

    Attributes
    ----------
    check : str
        Identifier ``object/rule``.
    state : {"passed", "failed", "skipped", "expected failure"}
    message : str
        Reason; empty if the check passed.
    """

    check: str
    state: str
    message: str = ""


def rules_of(subject: CheckedObject) -> Mapping[str, Rule]:
    """Return the rules for an object by name; import their modules only when needed."""
    from interp.testing.conformance import model_rules, plugin_rules

    if subject.kind == "plugin":
        return plugin_rules.PLUGIN_RULES
    if subject.kind == "probe":
        from interp.testing.conformance import probe_rules

        return (
            plugin_rules.OBJECT_RULES
            | probe_rules.PROBE_RULES
            | (probe_rules.REDUCER_RULES if probe_rules.is_reducer(subject.value) else {})
        )
    if subject.kind == "viewer":
        from interp.testing.conformance import viewer_rules

        return plugin_rules.OBJECT_RULES | viewer_rules.RULES
    if subject.kind == "penalty":
        from interp.testing.conformance import penalty_rules

        return plugin_rules.OBJECT_RULES | penalty_rules.PENALTY_RULES
    return {"model": model_rules.MODEL_RULES, "adapter": model_rules.ADAPTER_RULES, "task": model_rules.TASK_RULES}[
        subject.kind
    ]


def collect_checks(plugin: object, options: Mapping[str, ObjectOptions] | None = None) -> list[Check]:
    """Return all checks of a plugin: its own first, then those of each object that it registers.

    Parameters
    ----------
    plugin : module, object or str
        Plugin with functions under ``@hookimpl``, or the name of an installed one.
    options : mapping, optional
        As in `interp.testing.check_plugin_test`.

    Raises
    ------
    OptionError
        Options name an object that the plugin does not register.
    """
    objects = list(iter_objects(plugin, dict(options or {})))
    return [Check(subject, rule, run) for subject in objects for rule, run in rules_of(subject).items()]


def iter_objects(plugin: object, options: dict[str, ObjectOptions]) -> Iterator[CheckedObject]:
    """Yield the plugin and each object that it registers."""
    from interp.registry import KINDS, Registry, active_registry

    if isinstance(plugin, str):
        name, plugin = plugin, installed_plugin(plugin)
    else:
        name = next((key for key, value in active_registry().plugins.items() if value is plugin), _default_name(plugin))
    yield CheckedObject(name, "plugin", name, plugin)
    try:
        alone = Registry({name: plugin})
    except PluginError:
        return  # the rule hooks-known reports it
    host = registry_with(name, plugin)
    objects = [(kind, owned) for kind in KINDS for owned in alone.table(kind).values()]
    unknown = set(options) - {name for kind, owned in objects for name in (owned.name, f"{kind} {owned.name}")}
    if unknown:
        registered = ", ".join(owned.name for _, owned in objects)
        names = ", ".join(sorted(unknown))
        raise OptionError(f"options= names unknown objects: {names}. Plugin {name!r} registers {registered}.")
    for kind, owned in objects:
        object_options = options.get(f"{kind} {owned.name}", options.get(owned.name, {}))
        yield CheckedObject(name, kind, owned.name, owned.value, object_options, host)


def registry_with(name: str, plugin: object) -> Registry | None:
    """Return a registry of the installed plugins and this one; None if it is installed or conflicts with them."""
    from interp.registry import Registry, active_registry

    plugins = active_registry().plugins
    if any(value is plugin for value in plugins.values()):
        return None
    try:
        return Registry({**plugins, name: plugin})
    except PluginError:  # the rule hooks-known reports it
        return None


def installed_plugin(name: str) -> object:
    """Return an installed plugin by name."""
    from interp.errors import unknown_name_error
    from interp.registry import active_registry

    plugins = active_registry().plugins
    if name not in plugins:
        raise unknown_name_error("plugin", name, plugins)
    return plugins[name]


def _default_name(plugin: object) -> str:
    return str(getattr(plugin, "__name__", type(plugin).__name__))


def run_check(check: Check, expected: Mapping[str, str]) -> Outcome:
    """Run one check.

    Parameters
    ----------
    check : Check
    expected : mapping of str to str
        Reasons of expected failures, by the identifier of the check.
    """
    reason = expected.get(check.id)
    try:
        check()
    except NotApplicable as skip:
        return Outcome(check.id, SKIPPED, str(skip))
    except ConformanceError as error:
        return Outcome(check.id, FAILED, str(error)) if reason is None else Outcome(check.id, EXPECTED_FAILURE, reason)
    if reason is not None:
        message = f"{check.id} is expected to fail ({reason}) but passes. Remove it from expected_failures."
        return Outcome(check.id, FAILED, message)
    return Outcome(check.id, PASSED)


def check_expected_failures(plugin_checks: list[Check], expected: Mapping[str, str]) -> Mapping[str, str]:
    """Check the expected failures and return them; raise `OptionError` for an empty reason or an unknown check."""
    for name, reason in expected.items():
        if not str(reason).strip():
            raise OptionError(f"expected_failures[{name!r}] needs a reason.")
        if name not in {check.id for check in plugin_checks}:
            raise OptionError(
                f"expected_failures has an unknown check {name!r}. Checks: {', '.join(c.id for c in plugin_checks)}."
            )
    return expected
