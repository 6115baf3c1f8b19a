"""Collect the checks of a plugin, and run them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interp.conformance.checking import Check, ConformanceError, Given, NotApplicable, Rule, Subject
from interp.errors import OptionError, PluginError

if TYPE_CHECKING:
    from interp.registry import Registry

PASSED, FAILED, LEFT_OUT, EXPECTED = "passed", "failed", "left out", "expected to fail"


@dataclass(frozen=True)
class Outcome:
    """How a check ended.

    Attributes
    ----------
    check : str
        ``object/rule``.
    state : {"passed", "failed", "left out", "expected to fail"}
    told : str
        Why.
    """

    check: str
    state: str
    told: str = ""


def rules_of(subject: Subject) -> Mapping[str, Rule]:
    """Return the rules for an object, by their names; loads what they need."""
    from interp.conformance import models, objects, packages

    if subject.kind == "plugin":
        return packages.RULES
    if subject.kind == "probe":
        from interp.conformance import probes

        return objects.RULES | probes.RULES | (probes.REDUCER_RULES if probes.is_reducer(subject.value) else {})
    if subject.kind == "viewer":
        from interp.conformance import viewers

        return objects.RULES | viewers.RULES
    if subject.kind == "penalty":
        from interp.conformance import penalties

        return objects.RULES | penalties.RULES
    return {"model": models.MODEL_RULES, "adapter": models.ADAPTER_RULES, "task": models.TASK_RULES}[subject.kind]


def checks(plugin: object, options: Mapping[str, Given] | None = None) -> list[Check]:
    """Return every check of a plugin: of itself first, then of each object that it registers.

    Parameters
    ----------
    plugin : module, object or str
        With functions under ``@hookimpl``; the name of an installed one.
    options : mapping, optional
        As of `interp.testing.conformance`.

    Raises
    ------
    OptionError
        Options for an object that the plugin does not register.
    """
    known = list(subjects(plugin, dict(options or {})))
    return [Check(subject, rule, run) for subject in known for rule, run in rules_of(subject).items()]


def subjects(plugin: object, options: dict[str, Given]) -> Iterator[Subject]:
    """Yield the plugin, and each object that it registers."""
    from interp.registry import KINDS, Registry, registry

    if isinstance(plugin, str):
        name, plugin = plugin, named(plugin)
    else:
        name = next((key for key, held in registry().plugins.items() if held is plugin), _called(plugin))
    yield Subject(name, "plugin", name, plugin)
    try:
        alone = Registry({name: plugin})
    except PluginError:
        return  # the check of its hooks says why
    host = hosting(name, plugin)
    found = [(kind, owned) for kind in KINDS for owned in alone.table(kind).values()]
    unknown = set(options) - {name for kind, owned in found for name in (owned.name, f"{kind} {owned.name}")}
    if unknown:
        has = ", ".join(owned.name for _, owned in found)
        raise OptionError(f"options= name {', '.join(sorted(unknown))}; plugin {name!r} registers {has}.")
    for kind, owned in found:
        given = options.get(f"{kind} {owned.name}", options.get(owned.name, {}))
        yield Subject(name, kind, owned.name, owned.value, given, host)


def hosting(name: str, plugin: object) -> Registry | None:
    """Return a host with all that is installed and the plugin; None where it is installed, or can't be beside it."""
    from interp.registry import Registry, registry

    known = registry().plugins
    if any(held is plugin for held in known.values()):
        return None
    try:
        return Registry({**known, name: plugin})
    except PluginError:  # the check of its hooks says why
        return None


def named(name: str) -> object:
    """Return an installed plugin."""
    from interp.errors import unknown
    from interp.registry import registry

    held = registry().plugins
    if name not in held:
        raise unknown("plugin", name, held)
    return held[name]


def _called(plugin: object) -> str:
    return str(getattr(plugin, "__name__", type(plugin).__name__))


def outcome(check: Check, expected: Mapping[str, str]) -> Outcome:
    """Run one check.

    Parameters
    ----------
    check : Check
    expected : mapping of str to str
        Checks that are known to fail, each with the reason.
    """
    reason = expected.get(check.id)
    try:
        check()
    except NotApplicable as left:
        return Outcome(check.id, LEFT_OUT, str(left))
    except ConformanceError as error:
        return Outcome(check.id, FAILED, str(error)) if reason is None else Outcome(check.id, EXPECTED, reason)
    if reason is not None:
        return Outcome(check.id, FAILED, f"{check.id} is expected to fail ({reason}) and passes: remove it from there.")
    return Outcome(check.id, PASSED)


def reasons(known: list[Check], expected: Mapping[str, str]) -> Mapping[str, str]:
    """Return the expected failures, or raise `OptionError` for one without a reason or a check."""
    for name, reason in expected.items():
        if not str(reason).strip():
            raise OptionError(f"expected_failures[{name!r}] needs a reason, in words.")
        if name not in {check.id for check in known}:
            raise OptionError(
                f"expected_failures: there is no check {name!r}; there are {', '.join(c.id for c in known)}."
            )
    return expected
