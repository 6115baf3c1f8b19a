"""Readability of single units in one small table: each measure beside its value in a random rotation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, probe, rotate_basis
from interp_information.dci import dci
from interp_information.mig import mig
from interp_information.total_correlation import MIN_RELATIVE_STD, total_correlation, varying_units

if TYPE_CHECKING:
    import xarray as xr


@probe(requires=("source",))
def readability(
    acts: xr.Dataset,
    *,
    labels: Sequence[str] = ("input", "output"),
    factors: Sequence[str] = (),
    max_tokens: int = 50_000,
    max_dci_tokens: int = 10_000,
    min_relative_std: float = MIN_RELATIVE_STD,
    n_rotations: int = 3,
    min_tokens: int = 300,
    min_sources: int = 50,
    seed: int = 0,
) -> xr.Dataset:
    """Readability of single units: MIG, DCI, participation ratio and total correlation, each beside a random rotation.

    Dead units, which hardly vary, are counted and left out. The others are measured as they are, and in random
    rotations within each layer. A value that the rotations also reach is not evidence about single units.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``, of text that the network was not trained on; at least two units. Not rotated.
    labels : sequence of two str
        Coords of ``token``: the input and its output.
    factors : sequence of str
        Coords of ``token`` to use as factors, instead of ``labels``.
    max_tokens : int
        Maximum number of tokens, of whole sources.
    max_dci_tokens : int
        Maximum number of tokens of a factor in ``dci``.
    min_relative_std : float
        Standard deviation up to which a unit counts as dead, as a fraction of the largest one.
    n_rotations : int
        Number of random rotations, at least 1.
    min_tokens, min_sources : int
        Minimum number of tokens and sources of a class of a factor; tokens of smaller classes are left out.
    seed : int
        Seed of the rotations and the permutations.

    Returns
    -------
    Dataset
        Over ``basis``, ``units`` and ``rotated`` (the mean over rotations): ``mig``, ``disentanglement``,
        ``completeness``, ``informativeness`` as in those probes; ``participation``, the mean over factors of the
        effective number of units that encode it, ``(sum I)² / sum I²``; ``total_correlation`` after subtracting
        ``chance``, both in nats. ``dead``, ``units``, ``tokens``, ``sources``, ``factors`` (): the number of dead
        units, and of units, tokens, sources and factors measured.

    Raises
    ------
    OptionError, SchemaError
        As in the single probes, and for activations that are already rotated.
    """
    import xarray as xr

    if n_rotations < 1:
        raise OptionError(f"n_rotations= is at least 1; got {n_rotations}.")
    sample = varying_units(acts, min_relative_std, max_tokens)
    options = {"labels": labels, "factors": factors, "min_tokens": min_tokens, "min_sources": min_sources}
    straight = readability_measures(sample, options, max_dci_tokens, seed)
    rotated = [
        readability_measures(rotate_basis(sample, seed + k).load(), options, max_dci_tokens, seed)
        for k in range(n_rotations)
    ]
    data = {
        name: ("basis", [value, np.mean([one[name] for one in rotated])])
        for name, value in straight.items() if name != "factors"
    }  # fmt: skip
    sizes = {"units": sample.sizes["unit"], "dead": acts.sizes["unit"] - sample.sizes["unit"]}
    sizes |= {"tokens": sample.sizes["token"], "sources": np.unique(sample["source"].values).size}
    result = xr.Dataset({**data, **sizes, "factors": straight["factors"]}, {"basis": ["units", "rotated"]})
    return result.assign_attrs(method=_method_text(result, n_rotations, min_relative_std))


def readability_measures(
    acts: xr.Dataset, options: Mapping[str, Any], max_dci_tokens: int, seed: int
) -> dict[str, Any]:
    """Return each measure as a number, and the number of factors.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``, in memory, without dead units.
    options : mapping
        Options that define the factors.
    max_dci_tokens : int
        Maximum number of tokens of a factor in ``dci``.
    seed : int
        Seed of the permutations.
    """
    gap, disentangled = mig(acts, seed=seed, **options), dci(acts, max_tokens=max_dci_tokens, **options)
    joint = total_correlation(acts, max_tokens=acts.sizes["token"], min_relative_std=0, seed=seed)
    return {
        "mig": float(gap.mig),
        "participation": float(gap.participation.mean()),
        **{name: float(disentangled[name]) for name in ("disentanglement", "completeness", "informativeness")},
        **{name: float(joint[name]) for name in ("total_correlation", "chance")},
        "factors": gap.sizes["factor"],
    }


def _method_text(result: xr.Dataset, n_rotations: int, min_relative_std: float) -> str:
    return (
        f"Readability of {int(result.units)} units over {int(result.tokens)} tokens of {int(result.sources)} sources "
        f"and {int(result.factors)} factors: mutual information gap (Chen et al. 2018), disentanglement, completeness "
        "and informativeness (Eastwood and Williams 2018), participation ratio of mutual information, and Gaussian "
        "total correlation minus chance in nats; each beside its mean over "
        f"{n_rotations} random rotations of the units of each layer. Left out as dead: {int(result.dead)} units, whose "
        f"standard deviation is at most {min_relative_std} of the largest."
    )
