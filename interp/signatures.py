"""Options and annotations of callables, read from their signatures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from inspect import Parameter, signature
from typing import Any

from interp.errors import OptionError


def check_options(kind: str, name: str, called: Callable[..., Any], options: Iterable[str]) -> dict[str, Any]:
    """Return the options of a callable with their defaults, after checking the names of the given ``options``.

    Raises
    ------
    OptionError
        If the callable has no such option; the message lists all its options.
    """
    parameters = signature(called).parameters
    defaults = {key: value.default for key, value in parameters.items() if value.kind is Parameter.KEYWORD_ONLY}
    for option in options:
        if option not in defaults:
            near = get_close_matches(option, defaults, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            names = ", ".join(str(parameters[key].replace(annotation=Parameter.empty)) for key in defaults) or "none"
            raise OptionError(f"{kind} {name!r} has no option {option!r}.{hint} Options: {names}.")
    return defaults


SEQUENCE_TYPES = {"Sequence", "Iterable", "Collection", "list", "tuple", "set", "frozenset"}
MAPPING_TYPES = {"Mapping", "dict"}


def annotation_types(parameter: Parameter | None) -> tuple[set[str], set[str]]:
    """Return the type names in an option's annotation, or of its default: of the option itself, and of its elements."""
    if parameter is None:
        return set(), set()
    annotation = parameter.annotation
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__qualname__", None) or str(annotation)
    if not isinstance(annotation, str) and "[" in str(annotation):
        text = str(annotation)
    text = "" if annotation is Parameter.empty else text
    inner = set(re.findall(r"\w+", " ".join(re.findall(r"\[(.*)\]", text))))
    outer = set(re.findall(r"\w+", re.sub(r"\[.*\]", "", text)))
    if not text and parameter.default not in (None, Parameter.empty):
        outer = {type(parameter.default).__name__}
        inner = {type(value).__name__ for value in parameter.default} if outer & SEQUENCE_TYPES else set()
    return outer, inner


def is_bool(parameter: Parameter | None) -> bool:
    """Return whether an option is a bool."""
    outer, _ = annotation_types(parameter)
    return "bool" in outer


def keyword_only(called: Any) -> dict[str, Parameter]:
    """Return the options of a callable: its keyword-only parameters."""
    parameters = signature(called).parameters.items()
    return {name: parameter for name, parameter in parameters if parameter.kind is Parameter.KEYWORD_ONLY}
