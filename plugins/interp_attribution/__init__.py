"""Attributions on recurrent networks by Captum's methods: what each letter, unit and gate gives to an output."""

from collections.abc import Callable
from typing import Any

from interp import hookimpl

__all__ = ["register_probes"]


@hookimpl
def register_probes(register: Callable[[Any], None]) -> None:
    """Register ``attribution`` and ``unit-attribution``."""
    from interp_attribution.inputs import attribution
    from interp_attribution.units import unit_attribution

    register(attribution)
    register(unit_attribution)
