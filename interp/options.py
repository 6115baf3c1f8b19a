"""The options of a probe or a penalty: its keyword-only parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from inspect import Parameter, signature
from typing import Any

from interp.errors import OptionError


def known_options(kind: str, name: str, called: Callable[..., Any], options: Iterable[str]) -> dict[str, Any]:
    """Return the options that a callable has, with their defaults.

    Raises
    ------
    OptionError
        For one of ``options`` that it does not have; the text has all that it has.
    """
    parameters = signature(called).parameters
    known = {key: held.default for key, held in parameters.items() if held.kind is Parameter.KEYWORD_ONLY}
    for option in options:
        if option not in known:
            near = get_close_matches(option, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            listed = ", ".join(str(parameters[key].replace(annotation=Parameter.empty)) for key in known) or "none"
            raise OptionError(f"{kind} {name!r} has no option {option!r}.{hint} Options: {listed}.")
    return known
