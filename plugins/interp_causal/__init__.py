"""Causal effects of units on the correct output: ablation effects and curves, activation patching, and viewers."""

from collections.abc import Callable
from typing import Any

from interp import hookimpl

__all__ = ["register_probes", "register_viewers"]


@hookimpl
def register_probes(register: Callable[[Any], None]) -> None:
    """Register ``ablation-effect``, ``ablation-curve`` and ``activation-patching``."""
    from interp_causal.ablation_curve import ablation_curve
    from interp_causal.ablation_effect import ablation_effect
    from interp_causal.activation_patching import activation_patching

    register(ablation_effect)
    register(ablation_curve)
    register(activation_patching)


@hookimpl
def register_viewers(register: Callable[[Any], None]) -> None:
    """Register ``ablation-curves`` and ``context-reach``."""
    from interp_causal.ablation_curves_viewer import ablation_curves
    from interp_causal.context_reach_viewer import context_reach

    register(ablation_curves)
    register(context_reach)
