"""Checks of what people read of an object: its docstring and its signature."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import Parameter, getdoc, isclass, signature
from typing import Any

from interp.conformance.checking import Subject
from interp.draw import POSITIONAL
from interp.flags import kinds

DIMS = re.compile(r"\b(token|unit|pair|sample|step|model|source|place|batch)s?\b")


def docstring(subject: Subject) -> None:
    """Read what its docstring says: a sentence, and the dims of what goes in or comes out."""
    told = getdoc(subject.value) or ""
    if not told.strip() or (isclass(subject.value) and not (subject.value.__doc__ or "").strip()):
        subject.fail("it has no docstring.", "say in one sentence what it gives, with its dims: (unit, pair).")
    if subject.kind in ("probe", "viewer") and not DIMS.search(" ".join(docs_of(subject.value))):
        subject.fail(
            "its docstring names no dim.",
            "say of what dims the result is, or what is drawn of: (token, unit), (unit,).",
        )


def docs_of(value: Any) -> Iterator[str]:
    """Yield the docstring of an object and of its own public methods."""
    yield getdoc(value) or ""
    if isclass(value):
        yield from (getdoc(held) or "" for name, held in vars(value).items() if callable(held) and name[0] != "_")


def explicit_signature(subject: Subject) -> None:
    """Read the signature: no ``*args``, every option keyword-only."""
    for name, parameter in signature(subject.value).parameters.items():
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            subject.fail(
                f"its signature has {parameter}.", "list every parameter: options become flags by their names."
            )
        dataset = parameter.kind in POSITIONAL and not isclass(subject.value)
        if dataset and parameter.default not in (None, Parameter.empty):
            subject.fail(
                f"its option {name!r} can be given by position.",
                f"put a `*` before it: f(acts, *, {name}={parameter.default!r}).",
            )
        if isclass(subject.value) and parameter.kind is not Parameter.KEYWORD_ONLY:
            subject.fail(f"its option {name!r} can be given by position.", f"def __init__(self, *, {name}=…).")


def options_as_flags(subject: Subject) -> None:
    """Read the options: each has a type that the command line can read, and a default or no sensible one."""
    for name, parameter in signature(subject.value).parameters.items():
        if parameter.kind is Parameter.KEYWORD_ONLY and not kinds(parameter)[0]:
            subject.fail(
                f"its option {name!r} has neither an annotation nor a default that tells its type.",
                f"annotate it, such as {name}: float = 0.5; the command line reads flags by it.",
            )


RULES = {"docstring": docstring, "explicit-signature": explicit_signature, "options-as-flags": options_as_flags}
