"""How readable single units are, in one small table: each measure beside its value in a random rotation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import probe, rotate
from interp_information.correlation import DEAD, correlation, living
from interp_information.dci import dci
from interp_information.mig import mig

if TYPE_CHECKING:
    import xarray as xr

FROM = {
    "mig": ("mig",),
    "dci": ("disentanglement", "completeness", "informativeness"),
    "total-correlation": ("total_correlation", "chance"),
}


@probe(requires=("source",))
def readability(
    acts: xr.Dataset,
    *,
    labels: Sequence[str] = ("input", "output"),
    factors: Sequence[str] = (),
    tokens: int = 50_000,
    dci_tokens: int = 10_000,
    dead: float = DEAD,
    minimum: int = 300,
    minimum_sources: int = 50,
    seed: int = 0,
) -> xr.Dataset:
    """Readability of single units: MIG, DCI, participation ratio, total correlation, each beside a random rotation.

    Dead units, which hardly vary, are counted and left out; the others are measured as they are, and turned at random
    among themselves within each layer. What is as high in the rotation says nothing of single units.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``, of text that the network was not trained on; two units at least. Not rotated.
    labels : sequence of two str
        Coords of ``token``: what is given, and what is told.
    factors : sequence of str
        Coords of ``token`` that are factors themselves, instead.
    tokens : int
        At most, of whole sources.
    dci_tokens : int
        As ``tokens`` of ``dci``: of a factor.
    dead : float
        Units are dead that vary by no more than this share of what the most varying one does.
    minimum, minimum_sources : int
        Of a class of a factor: tokens of classes with fewer are left out.
    seed : int
        Of the rotation and the permutations.

    Returns
    -------
    Dataset
        Over ``basis``, ``units`` and ``rotated``: ``mig``, ``disentanglement``, ``completeness``, ``informativeness``
        as those probes have them; ``participation``, the mean over factors of how many units carry the mutual
        information, ``(sum I)² / sum I²``; ``total_correlation`` less ``chance``, both in nats. ``dead``, ``units``,
        ``tokens``, ``sources``, ``factors`` (): how many, of units and factors those measured.

    Raises
    ------
    OptionError, SchemaError
        As the probes do, and for activations that are rotated already.
    """
    import xarray as xr

    held = living(acts, dead, tokens)
    chosen: dict[str, Any] = {"labels": labels, "factors": factors, "minimum": minimum,
                              "minimum_sources": minimum_sources}  # fmt: skip
    tables = []
    for basis in (held, rotate(held, seed).load()):
        gap = mig(basis, seed=seed, **chosen)
        apart = dci(basis, tokens=dci_tokens, **chosen)
        joint = correlation(basis, tokens=tokens, dead=0, seed=seed)
        tables.append({
            "mig": float(gap.mig),
            "participation": float(gap.participation.mean()),
            **{name: float(apart[name]) for name in FROM["dci"]},
            **{name: float(joint[name]) for name in FROM["total-correlation"]},
        })  # fmt: skip
    data: dict[str, Any] = {name: ("basis", [one[name] for one in tables]) for name in tables[0]}
    sizes = {"units": held.sizes["unit"], "dead": acts.sizes["unit"] - held.sizes["unit"]}
    over = {"tokens": held.sizes["token"], "sources": np.unique(held["source"].values).size}
    return xr.Dataset({**data, **sizes, **over, "factors": gap.sizes["factor"]}, {"basis": ["units", "rotated"]})
