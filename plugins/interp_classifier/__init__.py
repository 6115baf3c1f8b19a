"""How well a linear classifier reads off the units what an input becomes."""

from collections.abc import Callable
from typing import Any

from interp import hookimpl

__all__: list[str] = []


@hookimpl
def register_probes(register: Callable[[Any], None]) -> None:
    """Register ``classifier``."""
