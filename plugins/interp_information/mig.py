"""The mutual information gap: whether one unit alone tells of a factor, and no second one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, probe
from interp_information.estimators import check, informations
from interp_information.factors import coords, counts, described, found_factors
from interp_information.token_groups import Group
from interp_information.unit_blocks import FINE, blocks

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def mutual_information_gap(information: Any, entropy: Any) -> Floats:
    """Return the gap of each factor: ``(I_(1) - I_(2)) / H``, of its two most telling units.

    Chen, Li, Grosse and Duvenaud, "Isolating sources of disentanglement in variational autoencoders" (2018); MIG is
    the mean over factors.

    Parameters
    ----------
    information : array (factor, unit)
        Mutual information of each unit with each factor, in nats or any other unit; two units at least. What is
        below 0, since it was corrected, counts as 0.
    entropy : array (factor,)
        Of each factor in the same unit, above 0.

    Returns
    -------
    array (factor,) of float64
        0 to about 1: 1 where one unit tells all and no other one anything.
    """
    information = np.maximum(np.asarray(information, np.float64), 0)
    if information.ndim != 2 or information.shape[1] < 2:
        raise OptionError(f"Expected information (factor, unit) of two units at least; got {information.shape}.")
    top = np.sort(information, axis=1)[:, -2:]
    return np.asarray((top[:, 1] - top[:, 0]) / np.asarray(entropy, np.float64))


def participation(information: Any) -> Floats:
    """Return how many units carry each factor: ``(sum_u I)² / sum_u I²``, 1 to all units.

    Parameters
    ----------
    information : array (factor, unit)
        Mutual information; what is below 0 counts as 0.

    Returns
    -------
    array (factor,) of float64
        0 where no unit tells anything.
    """
    information = np.maximum(np.asarray(information, np.float64), 0)
    squares = (information**2).sum(axis=1)
    return np.asarray(information.sum(axis=1) ** 2 / np.where(squares > 0, squares, 1))


def nats(acts: xr.Dataset, found: Sequence[Group], bins: int) -> Floats:
    """Return the information of each factor and unit in nats, less its mean over permutations by source.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``, read in blocks of units.
    found : sequence of Group
        The factors, with their permutations.
    bins : int
        Of equal mass, within each factor.
    """
    held = np.empty((len(found), acts.sizes["unit"]))
    for block, values in blocks(acts):
        for factor, one in enumerate(found):
            bits, _ = informations(np.ascontiguousarray(values[:, one.rows]), one.columns, bins)
            held[factor, block] = (bits[:, 0] - bits[:, 1:].mean(axis=1)) * np.log(2)
    return held


@probe(requires=("source",))
def mig(
    acts: xr.Dataset,
    *,
    labels: Sequence[str] = ("input", "output"),
    factors: Sequence[str] = (),
    bins: int = FINE[0],
    minimum: int = 300,
    minimum_sources: int = 50,
    draws: int = 20,
    seed: int = 0,
) -> xr.Dataset:
    """Mutual information gap: by how much the most telling unit leads the second one, as a share of the entropy.

    A factor is the output given one input that becomes several outputs, or a label named in ``factors``. Information
    is the plug-in over bins of equal mass, in nats, minus the mean over permutations of the labels by source. MIG is
    the mean over factors of the two largest ones' difference over the factor's entropy (Chen et al. 2018).

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``; two units at least.
    labels : sequence of two str
        Coords of ``token``: what is given, and what is told.
    factors : sequence of str
        Coords of ``token`` that are factors themselves, instead.
    bins : int
        Of equal mass, 2 to 255; equal values share a bin.
    minimum, minimum_sources : int
        Of a class of a factor: tokens of classes with fewer are left out.
    draws : int
        Permutations, 2 at least.
    seed : int
        Of the permutations.

    Returns
    -------
    Dataset
        ``mutual_information`` (factor, unit) and ``entropy`` (factor), in nats; ``gap`` (factor), ``mig`` (), about 0
        to 1; ``participation`` (factor), how many units carry it; ``n_tokens``, ``n_sources``, ``n_classes``
        (factor). ``attrs["skipped"]`` (JSON) says which factors were left out.

    Raises
    ------
    OptionError
        For values that make no sense, one unit only, and where no factor has two classes with enough tokens.
    SchemaError
        For labels that are missing, and activations that are not finite.
    """
    import xarray as xr

    check(bins, "permutation", draws)
    found, skipped = found_factors(acts, labels=labels, factors=factors, minimum=minimum,
                                   minimum_sources=minimum_sources, draws=draws, seed=seed)  # fmt: skip
    information, entropy = nats(acts, found, bins), np.array([one.entropy for one in found]) * np.log(2)
    gap = mutual_information_gap(information, entropy)
    data = {
        "mutual_information": (("factor", "unit"), information),
        "entropy": ("factor", entropy),
        "gap": ("factor", gap),
        "mig": gap.mean(),
        "participation": ("factor", participation(information)),
    }
    method = (
        "Mutual information gap (Chen et al. 2018): the lead of the most telling unit over the second one, as a share "
        f"of the factor's entropy, mean over factors. Information in nats over {bins} bins of equal mass, minus the "
        f"mean over {draws} permutations by source. {described(found, labels, factors, (minimum, minimum_sources))}"
    )
    return xr.Dataset(data | counts(found), coords(acts, found)).assign_attrs(skipped=skipped, method=method)
