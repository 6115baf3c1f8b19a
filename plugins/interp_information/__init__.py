"""Information of units about outputs, readability of single units, and penalties from information theory."""

from collections.abc import Callable
from typing import Any

from interp import hookimpl
from interp_information.dci import completeness, disentanglement, fit_factor, sparse_regression
from interp_information.estimators import (
    estimate_mutual_information,
    miller_madow,
    nearest_neighbour_information,
    plug_in_information,
)
from interp_information.mig import mutual_information_gap
from interp_information.penalties import (
    L1,
    Dropout,
    InfoGAN,
    InformationDropout,
    LabelCode,
    TotalCorrelation,
    VariationalBottleneck,
)
from interp_information.total_correlation import estimate_total_correlation, permuted_total_correlation

PENALTIES = (InfoGAN, VariationalBottleneck, TotalCorrelation, InformationDropout, LabelCode, L1, Dropout)
__all__ = [
    "L1", "Dropout", "InfoGAN", "InformationDropout", "LabelCode", "TotalCorrelation", "VariationalBottleneck",
    "completeness", "disentanglement", "estimate_mutual_information", "estimate_total_correlation", "fit_factor",
    "miller_madow", "mutual_information_gap", "nearest_neighbour_information",
    "permuted_total_correlation", "plug_in_information", "sparse_regression",
]  # fmt: skip


@hookimpl
def register_probes(register: Callable[[Any], None]) -> None:
    """Register ``mutual-information``, and the measures of readability."""
    from interp_information.dci import dci
    from interp_information.mig import mig
    from interp_information.mutual_information import mutual_information
    from interp_information.readability import readability
    from interp_information.total_correlation import total_correlation

    for probe in (mutual_information, mig, dci, total_correlation, readability):
        register(probe)


@hookimpl
def register_penalties(register: Callable[[Any], None]) -> None:
    """Register ``infogan``, ``vib``, ``total-correlation`` and the other penalties."""
    for penalty in PENALTIES:
        register(penalty)
