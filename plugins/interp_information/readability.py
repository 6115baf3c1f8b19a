"""How readable single units are, in one small table: each measure beside its value in a random rotation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, probe, rotate
from interp_information.dci import dci
from interp_information.mig import mig
from interp_information.total_correlation import DEAD, correlation, living

if TYPE_CHECKING:
    import xarray as xr


@probe(requires=("source",))
def readability(
    acts: xr.Dataset,
    *,
    labels: Sequence[str] = ("input", "output"),
    factors: Sequence[str] = (),
    tokens: int = 50_000,
    dci_tokens: int = 10_000,
    dead: float = DEAD,
    rotations: int = 3,
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
    rotations : int
        How many.
    minimum, minimum_sources : int
        Of a class of a factor: tokens of classes with fewer are left out.
    seed : int
        Of the rotation and the permutations.

    Returns
    -------
    Dataset
        Over ``basis``, ``units`` and ``rotated`` (the mean over rotations): ``mig``, ``disentanglement``,
        ``completeness``, ``informativeness`` as those probes have them; ``participation``, the mean over factors of
        how many units carry the mutual information, ``(sum I)² / sum I²``; ``total_correlation`` less ``chance``, both
        in nats. ``dead``, ``units``, ``tokens``, ``sources``, ``factors`` (): how many, of units and factors those
        measured.

    Raises
    ------
    OptionError, SchemaError
        As the probes do, and for activations that are rotated already.
    """
    import xarray as xr

    if rotations < 1:
        raise OptionError(f"rotations= is 1 at least; got {rotations}.")
    held = living(acts, dead, tokens)
    chosen = {"labels": labels, "factors": factors, "minimum": minimum, "minimum_sources": minimum_sources}
    straight = measures(held, chosen, dci_tokens, seed)
    turned = [measures(rotate(held, seed + k).load(), chosen, dci_tokens, seed) for k in range(rotations)]
    data = {
        name: ("basis", [value, np.mean([one[name] for one in turned])])
        for name, value in straight.items() if name != "factors"
    }  # fmt: skip
    sizes = {"units": held.sizes["unit"], "dead": acts.sizes["unit"] - held.sizes["unit"]}
    over = {"tokens": held.sizes["token"], "sources": np.unique(held["source"].values).size}
    result = xr.Dataset({**data, **sizes, **over, "factors": straight["factors"]}, {"basis": ["units", "rotated"]})
    return result.assign_attrs(method=_method(result, rotations, dead))


def measures(acts: xr.Dataset, chosen: Mapping[str, Any], dci_tokens: int, seed: int) -> dict[str, Any]:
    """Return each measure as a number, and how many factors there were.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``, in memory, without dead units.
    chosen : mapping
        The options that say what the factors are.
    dci_tokens : int
        Of a factor, at most, for ``dci``.
    seed : int
        Of the permutations.
    """
    gap, apart = mig(acts, seed=seed, **chosen), dci(acts, tokens=dci_tokens, **chosen)
    joint = correlation(acts, tokens=acts.sizes["token"], dead=0, seed=seed)
    return {
        "mig": float(gap.mig),
        "participation": float(gap.participation.mean()),
        **{name: float(apart[name]) for name in ("disentanglement", "completeness", "informativeness")},
        **{name: float(joint[name]) for name in ("total_correlation", "chance")},
        "factors": gap.sizes["factor"],
    }


def _method(result: xr.Dataset, rotations: int, dead: float) -> str:
    return (
        f"Readability of {int(result.units)} units over {int(result.tokens)} tokens of {int(result.sources)} sources "
        f"and {int(result.factors)} factors: mutual information gap (Chen et al. 2018), disentanglement, completeness "
        "and informativeness (Eastwood and Williams 2018), participation ratio of mutual information, and Gaussian "
        "total correlation less chance in nats. Beside each, its mean over random rotations of the units of each "
        f"layer, {rotations} of them. Left out as dead: {int(result.dead)} units, which vary by at most {dead} of the "
        "most varying."
    )
