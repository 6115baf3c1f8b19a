"""Layered graph: an input letter, and above it the gates, h, hidden units and possible outputs, with their edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interp import hookimpl


@hookimpl
def register_viewers(register: Callable[[Any], None]) -> None:
    """Register the viewer ``layered-graph``."""
    from interp_layered_graph.viewer import layered_graph

    register(layered_graph)
