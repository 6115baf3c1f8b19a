"""Words of the command line to penalties."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from interp.errors import OptionError
from interp.flags import labels_from, read
from interp.registry import registry
from interp.schema import UNIT_COORDS
from interp.verbs import keyword_only

FORM = "NAME=WEIGHT, then options and labels of units with commas: infogan=0.1,module=hidden,codes=8"


def penalties_from(texts: Iterable[str]) -> list[tuple[str, float, dict[str, Any]]]:
    """Return what `interp.train` takes for ``--penalty NAME=WEIGHT[,OPTION=VALUE…][,LABEL=VALUE…]``, often.

    Labels of units, such as ``module=hidden``, say which units; all else is an option of the penalty.

    Raises
    ------
    OptionError
        For a text of another form.
    UnknownNameError
        For a penalty that is not there.
    """
    return [_penalty(text) for text in texts]


def _penalty(text: str) -> tuple[str, float, dict[str, Any]]:
    head, *rest = text.split(",")
    name, given, weight = head.partition("=")
    known = keyword_only(registry().get("penalty", name))
    try:
        number = float(weight)
    except ValueError as error:
        got = f"the weight {weight!r}" if given else "no weight"
        raise OptionError(f"--penalty takes {FORM}; got {got} in {text!r}.") from error
    words = [part.partition("=") for part in rest]
    if any(not (key and given) for key, given, _ in words):
        raise OptionError(f"--penalty takes {FORM}; got {text!r}.")
    labels = [f"{key}={value}" for key, _, value in words if key in UNIT_COORDS]
    options = {key: read(key, [value], known.get(key)) for key, _, value in words if key not in UNIT_COORDS}
    if labels:
        options["units"] = whole_numbers(labels_from(labels, "--penalty"))
    return name, number, options


def whole_numbers(labels: dict[str, Any]) -> dict[str, Any]:
    """Return labels of units with layer and index as numbers."""
    return {key: int(value) if key in ("layer", "index") and str(value).isdigit() else value
            for key, value in labels.items()}  # fmt: skip
