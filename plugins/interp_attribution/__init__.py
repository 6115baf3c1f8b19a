"""Attribution of a model's output to input steps, units and gates, by Captum's methods on recurrent networks."""

from collections.abc import Callable
from typing import Any

from interp import hookimpl

__all__ = ["register_probes"]


@hookimpl
def register_probes(register: Callable[[Any], None]) -> None:
    """Register ``attribution`` and ``unit-attribution``."""
    from interp_attribution.input_attribution import attribution
    from interp_attribution.unit_attribution import unit_attribution

    register(attribution)
    register(unit_attribution)
