"""What units tell of what an input becomes, beyond the input itself; and how readable single units are."""

from collections.abc import Callable
from typing import Any

from interp import hookimpl
from interp_information.dci import completeness, dci, disentanglement, learn, sparse_regression
from interp_information.estimators import miller_madow, mutual_information, nearest_neighbours, plug_in
from interp_information.mig import mig, mutual_information_gap, participation
from interp_information.mutual_information import information
from interp_information.penalties import (
    L1,
    Dropout,
    InfoGAN,
    InformationDropout,
    LabelCode,
    TotalCorrelation,
    VariationalBottleneck,
)
from interp_information.readability import readability
from interp_information.total_correlation import chance, correlation, total_correlation

PROBES = (information, mig, dci, correlation, readability)
PENALTIES = (InfoGAN, VariationalBottleneck, TotalCorrelation, InformationDropout, LabelCode, L1, Dropout)
__all__ = [
    "L1", "Dropout", "InfoGAN", "InformationDropout", "LabelCode", "TotalCorrelation", "VariationalBottleneck",
    "chance", "completeness", "correlation", "dci", "disentanglement", "information", "learn", "mig", "miller_madow",
    "mutual_information", "mutual_information_gap", "nearest_neighbours", "participation", "plug_in", "readability",
    "sparse_regression", "total_correlation",
]  # fmt: skip


@hookimpl
def register_probes(register: Callable[[Any], None]) -> None:
    """Register ``mutual-information``, and the measures of readability."""
    for probe in PROBES:
        register(probe)


@hookimpl
def register_penalties(register: Callable[[Any], None]) -> None:
    """Register what trains for information: ``infogan``, ``vib``, ``total-correlation`` and the rest."""
    for penalty in PENALTIES:
        register(penalty)
