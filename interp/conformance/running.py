"""Collect the checks of a plugin, run them, and hand them to pytest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from interp.conformance.checking import Check, ConformanceError, Given, NotApplicable, Rule, Subject, checks_for
from interp.errors import OptionError, unknown

HOOK_RULES = ("hooks-known",)


@dataclass(frozen=True)
class Outcome:
    """How a check ended.

    Attributes
    ----------
    check : str
        ``object/rule``.
    state : {"passed", "failed", "left out"}
    told : str
        Why.
    """

    check: str
    state: str
    told: str = ""


@cache
def rules() -> Mapping[str, Mapping[str, Rule]]:
    """Return the rules of each kind of object."""
    from interp.conformance import packages

    return {"plugin": packages.RULES} | {kind: {} for kind in ()}


def rules_of(subject: Subject) -> dict[str, Rule]:
    """Return the rules for an object, loading what they need."""
    from interp.conformance import objects, packages

    if subject.kind == "plugin":
        return dict(packages.RULES)
    if subject.kind == "probe":
        from interp.conformance import probes

        more = probes.REDUCER_RULES if probes.is_reducer(subject.value) else {}
        return objects.RULES | probes.RULES | more
    if subject.kind == "viewer":
        from interp.conformance import viewers

        return objects.RULES | viewers.RULES
    return {}


__all__ = ["Callable", "Check", "ConformanceError", "Given", "Iterator", "NotApplicable", "OptionError", "Outcome",
           "Any", "checks_for", "unknown"]  # fmt: skip
