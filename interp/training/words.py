"""Parsing of the command-line option ``--penalty``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from interp.errors import OptionError
from interp.flags import labels_from, read
from interp.registry import registry
from interp.schema import UNIT_COORDS
from interp.verbs import keyword_only

FORM = "NAME=WEIGHT, then options and labels of units, separated by commas: infogan=0.1,module=hidden,codes=8"


def penalties_from(texts: Iterable[str]) -> list[tuple[str, float, dict[str, Any]]]:
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
    parameters = keyword_only(registry().get("penalty", name))
    try:
        number = float(weight)
    except ValueError as error:
        got = f"the weight {weight!r}" if equals else "no weight"
        raise OptionError(f"--penalty takes {FORM}; got {got} in {text!r}.") from error
    pairs = [part.partition("=") for part in rest]
    if any(not (key and equals) for key, equals, _ in pairs):
        raise OptionError(f"--penalty takes {FORM}; got {text!r}.")
    labels = [f"{key}={value}" for key, _, value in pairs if key in UNIT_COORDS]
    options = {key: read(key, [value], parameters.get(key)) for key, _, value in pairs if key not in UNIT_COORDS}
    if labels:
        options["units"] = whole_numbers(labels_from(labels, "--penalty"))
    return name, number, options


def whole_numbers(labels: dict[str, Any]) -> dict[str, Any]:
    """Return labels of units with ``layer`` and ``index`` as integers."""
    return {key: int(value) if key in ("layer", "index") and str(value).isdigit() else value
            for key, value in labels.items()}  # fmt: skip
