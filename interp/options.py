"""Options of a probe or a penalty: its keyword-only parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from inspect import Parameter, signature
from typing import Any

from interp.errors import OptionError


def known_options(kind: str, name: str, called: Callable[..., Any], options: Iterable[str]) -> dict[str, Any]:
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
