"""Parse command-line words to options, by the annotations and defaults of a function's parameters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from inspect import Parameter
from typing import Any

from interp.errors import OptionError
from interp.registry import active_registry
from interp.schema import UNIT_COORDS
from interp.signatures import MAPPING_TYPES, SEQUENCE_TYPES, annotation_types, is_bool, keyword_only

INT_LABELS = ("sample", "step", "source")  # labels that are integers in every dataset
BOOLEAN_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def split_flags(words: Sequence[str], parameters: Mapping[str, Parameter]) -> tuple[list[str], dict[str, Any]]:
    """Split words into positional arguments and options.

    Parameters
    ----------
    words : sequence of str
        Command line: ``--name value`` or ``--name=value``; ``--name`` or ``--no-name`` for a bool. Hyphens in names
        stand for underscores.
    parameters : mapping of str to Parameter
        Options by name. An unknown flag takes one value, which stays text; the function called with the options
        reports it.

    Returns
    -------
    tuple of (list of str, dict)
        Positional words in order, and the value of each option.

    Raises
    ------
    OptionError
        A flag without a value, or a value of the wrong type.
    """
    positional: list[str] = []
    texts_of: dict[str, list[str]] = {}
    remaining = list(words)
    while remaining:
        word = remaining.pop(0)
        if not word.startswith("--"):
            positional.append(word)
            continue
        name, equals, value = word[2:].partition("=")
        name = name.replace("-", "_")
        positive = name.removeprefix("no_")
        if not equals and name not in parameters and is_bool(parameters.get(positive)):
            name, value = positive, "false"
        elif not equals and is_bool(parameters.get(name)):
            value = "true"
        elif not equals:
            value = _pop_value(remaining, word)
        texts_of.setdefault(name, []).append(value)
    return positional, {name: parse_value(name, texts, parameters.get(name)) for name, texts in texts_of.items()}


def _pop_value(remaining: list[str], flag: str) -> str:
    if not remaining:
        raise OptionError(f"{flag} needs a value: {flag} VALUE.")
    return remaining.pop(0)


def parse_value(name: str, texts: Sequence[str], parameter: Parameter | None) -> Any:
    """Parse the value of an option from its texts, one per occurrence of the flag.

    A sequence is one text with commas, several flags, or a JSON list if the values contain commas; a mapping is
    ``label=value``, one per flag; a module is the name of a model.
    """
    outer, inner = annotation_types(parameter)
    if outer & MAPPING_TYPES:
        return parse_label_filters(texts, f"--{name.replace('_', '-')}")
    if outer & SEQUENCE_TYPES and not (len(texts) == 1 and "str" in outer and "," not in texts[0]):
        return [_convert(name, text, inner) for text in _split_texts(texts)]
    if "Module" in outer and "str" not in outer:
        from interp.api.loading import load_model

        return load_model(texts[-1])
    if len(texts) > 1:
        raise OptionError(f"--{name.replace('_', '-')} takes one value; got {', '.join(texts)}.")
    return _convert(name, texts[0], outer)


def _split_texts(texts: Sequence[str]) -> list[str]:
    if len(texts) > 1:
        return list(texts)
    if texts[0].startswith("["):
        try:
            return [str(value) for value in json.loads(texts[0])]
        except json.JSONDecodeError as error:
            raise OptionError(f"Expected a JSON list such as '[\"t=>ծ\"]'; got {texts[0]!r}: {error}.") from error
    return texts[0].split(",")


def _convert(name: str, text: str, allowed: set[str]) -> Any:
    if "None" in allowed and text.lower() == "none":
        return None
    if "bool" in allowed and text.lower() in BOOLEAN_WORDS:
        return BOOLEAN_WORDS[text.lower()]
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


def parse_label_filters(texts: Iterable[str], flag: str = "--where") -> dict[str, Any]:
    """Parse label filters: ``["input=t"]`` gives ``{"input": "t"}``. Several values of a label select any of them.

    ``sample``, ``step`` and ``source`` take integers or half-open ranges such as ``sample=0:100``.

    Raises
    ------
    OptionError
        A text is not of the form ``label=value``.
    """
    values_of: dict[str, list[Any]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise OptionError(f"{flag} takes LABEL=VALUE, such as {flag} input=t; got {text!r}.")
        values_of.setdefault(name, []).append(_parse_integers(text, value) if name in INT_LABELS else value)
    for name, values in values_of.items():
        if len(values) > 1 and any(isinstance(value, slice) for value in values):
            raise OptionError(f"{flag} takes one range of {name!r}, or integers, not both.")
    return {name: values[0] if len(values) == 1 else values for name, values in values_of.items()}


def _parse_integers(text: str, value: str) -> int | slice:
    low, colon, high = value.partition(":")
    try:
        if not colon:
            return int(low)
        return slice(int(low) if low else None, int(high) if high else None)
    except ValueError as error:
        raise OptionError(f"Expected an integer or a range such as sample=0:100; got {text!r}.") from error


PENALTY_FORM = "NAME=WEIGHT, then options and labels of units, separated by commas: infogan=0.1,module=hidden,codes=8"


def parse_penalties(texts: Iterable[str]) -> list[tuple[str, float, dict[str, Any]]]:
    """Return the penalties for `interp.train` from texts ``NAME=WEIGHT[,OPTION=VALUE…][,LABEL=VALUE…]``.

    Labels of units, such as ``module=hidden``, select the units; everything else is an option of the penalty.

    Raises
    ------
    OptionError
        If a text has another form.
    UnknownNameError
        If there is no such penalty.
    """
    return [_parse_penalty(text) for text in texts]


def _parse_penalty(text: str) -> tuple[str, float, dict[str, Any]]:
    head, *rest = text.split(",")
    name, equals, weight = head.partition("=")
    parameters = keyword_only(active_registry().get("penalty", name))
    try:
        number = float(weight)
    except ValueError as error:
        got = f"the weight {weight!r}" if equals else "no weight"
        raise OptionError(f"--penalty takes {PENALTY_FORM}; got {got} in {text!r}.") from error
    pairs = [part.partition("=") for part in rest]
    if any(not (key and equals) for key, equals, _ in pairs):
        raise OptionError(f"--penalty takes {PENALTY_FORM}; got {text!r}.")
    labels = [f"{key}={value}" for key, _, value in pairs if key in UNIT_COORDS]
    options = {key: parse_value(key, [value], parameters.get(key)) for key, _, value in pairs if key not in UNIT_COORDS}
    if labels:
        options["units"] = with_integers(parse_label_filters(labels, "--penalty"))
    return name, number, options


def with_integers(labels: dict[str, Any]) -> dict[str, Any]:
    """Return labels of units with ``layer`` and ``index`` as integers."""
    return {key: int(value) if key in ("layer", "index") and str(value).isdigit() else value
            for key, value in labels.items()}  # fmt: skip
