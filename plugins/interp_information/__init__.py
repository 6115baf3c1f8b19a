"""How many bits each unit tells of what an input becomes, beyond the input itself."""

from collections.abc import Callable
from typing import Any

from interp import hookimpl
from interp_information.estimates import miller_madow, mutual_information, plug_in
from interp_information.nearest import nearest_neighbours
from interp_information.probe import information

__all__ = ["information", "miller_madow", "mutual_information", "nearest_neighbours", "plug_in"]


@hookimpl
def register_probes(register: Callable[[Any], None]) -> None:
    """Register ``mutual-information``."""
    register(information)
