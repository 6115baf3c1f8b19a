"""Command-line words to options: each is read by the default and the annotation that a probe gives it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from inspect import Parameter
from typing import Any

from interp.errors import OptionError

WHOLE = ("sample", "step", "source")  # labels that are numbers in every dataset
MANY = {"Sequence", "Iterable", "Collection", "list", "tuple", "set", "frozenset"}
NAMED = {"Mapping", "dict"}
BOOLEAN = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def split_flags(words: Sequence[str], known: Mapping[str, Parameter]) -> tuple[list[str], dict[str, Any]]:
    """Return the words that belong to no flag, and the options.

    Parameters
    ----------
    words : sequence of str
        ``--name value``, ``--name=value``; ``--name`` and ``--no-name`` for a bool. Hyphens stand for underscores.
    known : mapping of str to Parameter
        The options there are. A flag that is none of them takes one value, which stays text: who gets the options
        knows what to say of it.

    Raises
    ------
    OptionError
        For a flag without its value, or a value that can't be read.
    """
    rest: list[str] = []
    found: dict[str, list[str]] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("--"):
            rest.append(word)
            continue
        name, given, value = word[2:].partition("=")
        name = name.replace("-", "_")
        positive = name.removeprefix("no_")
        if not given and name not in known and is_bool(known.get(positive)):
            name, value = positive, "false"
        elif not given and is_bool(known.get(name)):
            value = "true"
        elif not given:
            value = _next(left, word)
        found.setdefault(name, []).append(value)
    return rest, {name: read(name, texts, known.get(name)) for name, texts in found.items()}


def _next(left: list[str], flag: str) -> str:
    if not left:
        raise OptionError(f"{flag} needs a value: {flag} VALUE.")
    return left.pop(0)


def kinds(parameter: Parameter | None) -> tuple[set[str], set[str]]:
    """Return the words of an option's annotation and default: of the option itself, and of its elements."""
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
        inner = {type(value).__name__ for value in parameter.default} if outer & MANY else set()
    return outer, inner


def is_bool(parameter: Parameter | None) -> bool:
    """Return whether an option is a bool."""
    outer, _ = kinds(parameter)
    return "bool" in outer


def read(name: str, texts: Sequence[str], parameter: Parameter | None) -> Any:
    """Return the value of an option from the texts given for it: several where its flag stands several times.

    A sequence is one text with commas, several flags, or a JSON list where the values have commas of their own; a
    mapping is ``label=value``, as many flags as wanted; a module is the name of a model.
    """
    outer, inner = kinds(parameter)
    if outer & NAMED:
        return labels_from(texts, f"--{name.replace('_', '-')}")
    if outer & MANY and not (len(texts) == 1 and "str" in outer and "," not in texts[0]):
        return [_one(name, text, inner) for text in _parts(texts)]
    if "Module" in outer and "str" not in outer:
        from interp.loading import load_model

        return load_model(texts[-1])
    if len(texts) > 1:
        raise OptionError(f"--{name.replace('_', '-')} takes one value; got {', '.join(texts)}.")
    return _one(name, texts[0], outer)


def _parts(texts: Sequence[str]) -> list[str]:
    if len(texts) > 1:
        return list(texts)
    if texts[0].startswith("["):
        try:
            return [str(value) for value in json.loads(texts[0])]
        except json.JSONDecodeError as error:
            raise OptionError(f"Expected a JSON list such as '[\"t=>ծ\"]'; got {texts[0]!r}: {error}.") from error
    return texts[0].split(",")


def _one(name: str, text: str, allowed: set[str]) -> Any:
    if "None" in allowed and text.lower() == "none":
        return None
    if "bool" in allowed and text.lower() in BOOLEAN:
        return BOOLEAN[text.lower()]
    for kind in (int, float):
        if kind.__name__ in allowed:
            try:
                return kind(text)
            except ValueError:
                continue
    numbers = sorted(allowed & {"bool", "int", "float"})
    if numbers and not allowed & {"str", "Any", "object"}:
        raise OptionError(f"--{name.replace('_', '-')} takes {' or '.join(numbers)}; got {text!r}.")
    return text


def labels_from(texts: Iterable[str], flag: str = "--where") -> dict[str, Any]:
    """Return ``{"input": "t"}`` for ``["input=t"]``: several values of a label are any of them.

    ``sample``, ``step`` and ``source`` are whole numbers or half-open ranges, ``sample=0:100``.

    Raises
    ------
    OptionError
        For a text that is no ``label=value``.
    """
    found: dict[str, list[Any]] = {}
    for text in texts:
        name, given, value = text.partition("=")
        if not (name and given):
            raise OptionError(f"{flag} takes LABEL=VALUE, such as {flag} input=t; got {text!r}.")
        found.setdefault(name, []).append(_whole(text, value) if name in WHOLE else value)
    for name, values in found.items():
        if len(values) > 1 and any(isinstance(value, slice) for value in values):
            raise OptionError(f"{flag} takes one range of {name!r}, or whole numbers.")
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _whole(text: str, value: str) -> int | slice:
    low, ranged, high = value.partition(":")
    try:
        if not ranged:
            return int(low)
        return slice(int(low) if low else None, int(high) if high else None)
    except ValueError as error:
        raise OptionError(f"Expected a whole number or a range such as sample=0:100; got {text!r}.") from error
