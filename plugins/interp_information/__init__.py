"""How many bits each unit tells of what an input becomes, beyond the input itself."""

from collections.abc import Callable
from typing import Any

from interp import hookimpl
from interp_information.codes import InfoGAN, LabelCode
from interp_information.estimates import miller_madow, mutual_information, plug_in
from interp_information.nearest import nearest_neighbours
from interp_information.noise import InformationDropout, VariationalBottleneck
from interp_information.penalties import L1, Dropout, TotalCorrelation
from interp_information.probe import information

PENALTIES = (InfoGAN, VariationalBottleneck, TotalCorrelation, InformationDropout, LabelCode, L1, Dropout)
__all__ = [
    "L1", "Dropout", "InfoGAN", "InformationDropout", "LabelCode", "TotalCorrelation", "VariationalBottleneck",
    "information", "miller_madow", "mutual_information", "nearest_neighbours", "plug_in",
]  # fmt: skip


@hookimpl
def register_probes(register: Callable[[Any], None]) -> None:
    """Register ``mutual-information``."""
    register(information)


@hookimpl
def register_penalties(register: Callable[[Any], None]) -> None:
    """Register what trains for information: ``infogan``, ``vib``, ``total-correlation`` and the rest."""
    for penalty in PENALTIES:
        register(penalty)
