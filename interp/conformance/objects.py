"""Conformance rules of docstrings and signatures."""

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
    """Require a docstring; those of probes and viewers name the dims of inputs or results."""
    text = getdoc(subject.value) or ""
    if not text.strip() or (isclass(subject.value) and not (subject.value.__doc__ or "").strip()):
        subject.fail("it has no docstring.", "describe the result in one sentence, with its dims: (unit, pair).")
    if subject.kind in ("probe", "viewer") and not DIMS.search(" ".join(docs_of(subject.value))):
        subject.fail(
            "its docstring names no dims.",
            "name the dims of the result, or of the drawn data: (token, unit), (unit,).",
        )


def docs_of(value: Any) -> Iterator[str]:
    """Yield the docstring of an object and of its own public methods."""
    yield getdoc(value) or ""
    if isclass(value):
        yield from (getdoc(member) or "" for name, member in vars(value).items() if callable(member) and name[0] != "_")


def explicit_signature(subject: Subject) -> None:
    """Require a signature without ``*args`` and ``**kwargs``, with keyword-only options."""
    for name, parameter in signature(subject.value).parameters.items():
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            subject.fail(
                f"its signature has {parameter}.", "list every parameter; options become flags of the same names."
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
    """Require an annotation or a default of each option, from which the command line gets its type."""
    for name, parameter in signature(subject.value).parameters.items():
        if parameter.kind is Parameter.KEYWORD_ONLY and not kinds(parameter)[0]:
            subject.fail(
                f"its option {name!r} has neither an annotation nor a default with a type.",
                f"annotate it, for example {name}: float = 0.5; the command line parses flags by annotation.",
            )


RULES = {"docstring": docstring, "explicit-signature": explicit_signature, "options-as-flags": options_as_flags}
