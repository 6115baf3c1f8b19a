"""Mutual information gap: whether a single unit, and no second one, is informative about a factor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, probe
from interp.statistics import participation_ratio
from interp_information.estimators import check_options, plug_in_by_column
from interp_information.factors import describe_factors, factor_coords, factor_counts, find_factors
from interp_information.token_groups import TokenGroup
from interp_information.unit_blocks import COARSE_BINS, unit_blocks

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def mutual_information_gap(information: Any, entropy: Any) -> Floats:
    """Return the gap of each factor: ``(I_(1) - I_(2)) / H``, of its two most informative units.

    Chen, Li, Grosse and Duvenaud, "Isolating sources of disentanglement in variational autoencoders" (2018); MIG is
    the mean over factors.

    Parameters
    ----------
    information : array (factor, unit)
        Mutual information of each unit with each factor, in nats or any other unit; at least two units. Negative
        values, which bias correction can give, count as 0.
    entropy : array (factor,)
        Entropy of each factor in the same unit, above 0.

    Returns
    -------
    array (factor,) of float64
        0 to about 1: 1 if one unit determines the factor and no other one is informative.
    """
    information = np.maximum(np.asarray(information, np.float64), 0)
    if information.ndim != 2 or information.shape[1] < 2:
        raise OptionError(f"Expected information (factor, unit) of at least two units; got {information.shape}.")
    top = np.sort(information, axis=1)[:, -2:]
    return np.asarray((top[:, 1] - top[:, 0]) / np.asarray(entropy, np.float64))


def information_in_nats(acts: xr.Dataset, groups: Sequence[TokenGroup], bins: int) -> Floats:
    """Return the information of each factor and unit in nats, minus its mean over permutations by source.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``, read in blocks of units.
    groups : sequence of TokenGroup
        The factors, with their permutations.
    bins : int
        Number of bins of equal mass, within each factor.
    """
    information = np.empty((len(groups), acts.sizes["unit"]))
    for block, values in unit_blocks(acts):
        for factor, group in enumerate(groups):
            bits, _ = plug_in_by_column(np.ascontiguousarray(values[:, group.rows]), group.columns, bins)
            information[factor, block] = (bits[:, 0] - bits[:, 1:].mean(axis=1)) * np.log(2)
    return information


@probe(requires=("source",))
def mig(
    acts: xr.Dataset,
    *,
    labels: Sequence[str] = ("input", "output"),
    factors: Sequence[str] = (),
    bins: int = COARSE_BINS,
    min_tokens: int = 300,
    min_sources: int = 50,
    n_permutations: int = 20,
    seed: int = 0,
) -> xr.Dataset:
    """Mutual information gap: the lead of the most informative unit over the second one, as a fraction of the entropy.

    A factor is the output for one input that has several outputs, or a label named in ``factors``. Information is the
    plug-in estimate over bins of equal mass, in nats, minus the mean over permutations of the labels by source. MIG is
    the difference of the two largest values over the entropy of the factor, averaged over factors (Chen et al. 2018).

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``; at least two units.
    labels : sequence of two str
        Coords of ``token``: the input and its output.
    factors : sequence of str
        Coords of ``token`` to use as factors, instead of ``labels``.
    bins : int
        Number of bins of equal mass, 2 to 255; equal values share a bin.
    min_tokens, min_sources : int
        Minimum number of tokens and sources of a class of a factor; tokens of smaller classes are left out.
    n_permutations : int
        Number of permutations, at least 2.
    seed : int
        Seed of the permutations.

    Returns
    -------
    Dataset
        ``mutual_information`` (factor, unit) and ``entropy`` (factor), in nats; ``gap`` (factor), ``mig`` (), about 0
        to 1; ``participation`` (factor), the effective number of units that encode it; ``n_tokens``, ``n_sources``,
        ``n_classes`` (factor). ``attrs["skipped"]`` (JSON) gives the reasons why factors were skipped.

    Raises
    ------
    OptionError
        For invalid option values, a single unit, and if no factor has two classes with enough tokens.
    SchemaError
        For missing labels, and activations that are not finite.
    """
    import xarray as xr

    check_options(bins, "permutation", n_permutations)
    groups, skipped = find_factors(
        acts,
        labels=labels,
        factors=factors,
        min_tokens=min_tokens,
        min_sources=min_sources,
        n_permutations=n_permutations,
        seed=seed,
    )
    information = information_in_nats(acts, groups, bins)
    entropy = np.array([group.entropy for group in groups]) * np.log(2)
    gap = mutual_information_gap(information, entropy)
    data = {
        "mutual_information": (("factor", "unit"), information),
        "entropy": ("factor", entropy),
        "gap": ("factor", gap),
        "mig": gap.mean(),
        "participation": ("factor", participation_ratio(information)),
    }
    method = (
        "Mutual information gap (Chen et al. 2018): the lead of the most informative unit over the second one, as a "
        f"fraction of the factor's entropy, mean over factors. Information in nats over {bins} bins of equal mass, "
        f"minus the mean over {n_permutations} permutations by source. "
        f"{describe_factors(groups, labels, factors, (min_tokens, min_sources))}"
    )
    result = xr.Dataset(data | factor_counts(groups), factor_coords(acts, groups))
    return result.assign_attrs(skipped=skipped, method=method)
