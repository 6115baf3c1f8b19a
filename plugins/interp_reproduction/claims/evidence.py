"""Evidence for the claims: debiased distances. Units are selected on one half of the sources, measured on the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, UnknownNameError, measure, select, split_by_source
from interp.plotting import format_counts
from interp_reproduction.estimators import debiased_distances, top_indices
from interp_reproduction.network_run import GATES, is_hidden_unit
from interp_reproduction.settings import CLAIM_PAIRS, GRAPH_PAIRS, MIN_SOURCES, MIN_TOKENS, N_TOP, pair_name

if TYPE_CHECKING:
    import xarray as xr

    from interp_reproduction.network_run import NetworkRun

MINIMA: dict[str, Any] = {"min_tokens": MIN_TOKENS, "min_sources": MIN_SOURCES}
LAYERS = {"hidden": (None, "out"), "backward h": ("backward", "h"), "forward h": ("forward", "h")}
"""Direction (None for any) and quantity of the units of each layer that ablations and tables name."""


@dataclass(frozen=True)
class Evidence:
    """Measurements of one network that the claims use.

    Attributes
    ----------
    selection, measured : Dataset (unit, pair)
        Debiased distances of h and hidden units for the pairs that claims name, on the even-hash and the odd-hash half
        of the sources: units are selected on the first, figures come from the second. Pairs with too few tokens are
        left out.
    gates : Dataset (unit, pair)
        Debiased distances of the gates for t=>ծ, on the second half.
    all_pairs : Dataset (unit, pair)
        Debiased distances of h for all pairs, on all sources.
    contributions : Dataset (lower_unit, upper_unit, pair)
        Contrast contributions for t=>ծ, on the second half.
    windows : Dataset (token, unit)
        As in `NetworkRun`.
    counts : mapping of str to tuple of int
        Tokens and sources on both sides of the pairs that claims name, in the smaller half of the sources.
    seed : int
        Random seed of permutations and random groups.
    """

    selection: xr.Dataset
    measured: xr.Dataset
    gates: xr.Dataset
    all_pairs: xr.Dataset
    contributions: xr.Dataset
    windows: xr.Dataset
    counts: Mapping[str, tuple[int, ...]]
    seed: int = 0

    def has(self, *pairs: tuple[str, str]) -> bool:
        """Return whether both halves have enough tokens and sources of all these pairs."""
        return all(pair_name(pair) in half["pair"].values for pair in pairs for half in (self.selection, self.measured))


def collect_evidence(network: NetworkRun, seed: int, basis: str = "units") -> Evidence:
    """Measure the evidence of a network, with its own units or with each layer in a random basis.

    Parameters
    ----------
    network : NetworkRun
        Activations of the network.
    seed : int
        Random seed of permutations and of the rotation.
    basis : {"units", "rotated"}
        In the rotated basis there are no gates and no contributions, because weights and neuron numbers belong to
        units.
    """
    options: dict[str, Any] = {"seed": seed, "basis": basis, "basis_seed": seed}
    is_shown = (network.acts["quantity"].values == "h") | is_hidden_unit(network.acts)
    acts = network.acts.isel(unit=np.flatnonzero(is_shown))
    even, odd = split_by_source(select(acts, input=sorted({letter for letter, _ in CLAIM_PAIRS})))
    has_gates = basis == "units"
    gate_acts = select(split_by_source(network.gate_acts)[1], quantity=GATES) if has_gates else None
    return Evidence(
        selection=_distances(even, CLAIM_PAIRS, **options),
        measured=_distances(odd, CLAIM_PAIRS, **options),
        gates=_distances(gate_acts, GRAPH_PAIRS[:1], **options) if gate_acts is not None else _no_pairs(),
        all_pairs=_distances(network.ambiguous_acts, None, return_jackknife=False, **options),
        contributions=_contributions(network, GRAPH_PAIRS[0]) if has_gates else _no_pairs(),
        windows=network.windows,
        counts={pair_name(pair): min(_count_sides(half, pair) for half in (even, odd)) for pair in CLAIM_PAIRS},
        seed=seed,
    )


def _distances(
    acts: xr.Dataset, pairs: Sequence[tuple[str, str]] | None, *, return_jackknife: bool = True, **options: Any
) -> xr.Dataset:
    """Measure debiased distances for those pairs that have enough tokens and sources."""
    names = None if pairs is None else [pair_name(pair) for pair in pairs if _is_target(acts, pair).any()]
    try:
        return measure("hellinger", acts, pairs=names, return_jackknife=return_jackknife, **MINIMA, **options)
    except (OptionError, UnknownNameError):  # no pair has enough
        return _no_pairs()


def _no_pairs() -> xr.Dataset:
    """Return a result without pairs."""
    import xarray as xr

    return xr.Dataset(coords={"pair": np.zeros(0, "<U1")})


def _is_target(acts: xr.Dataset, pair: tuple[str, str]) -> np.ndarray:
    mask: np.ndarray = (acts["input"].values == pair[0]) & (acts["output"].values == pair[1])
    return mask


def _count_sides(acts: xr.Dataset, pair: tuple[str, str]) -> tuple[int, ...]:
    """Return tokens and sources of a pair, then of the other tokens of its input."""
    target, sources = _is_target(acts, pair), acts["source"].values
    sides = (target, (acts["input"].values == pair[0]) & ~target)
    return tuple(n for side in sides for n in (int(side.sum()), np.unique(sources[side]).size))


def _contributions(network: NetworkRun, pair: tuple[str, str]) -> xr.Dataset:
    odd = split_by_source(select(network.acts, input=pair[0]))[1]
    if min(_count_sides(odd, pair)) < 1:
        return _no_pairs()
    lower = [str(name) for name in network.acts["unit"].values[is_hidden_unit(network.acts)]]
    weights = network.connectivity.sel(lower_unit=lower)
    return measure("contributions", odd, connectivity=weights, pairs=[pair_name(pair)], min_tokens=1)


def unit_mask(dist: xr.Dataset, direction: str | None = None, quantity: str = "h") -> np.ndarray:
    """Return a boolean array (unit,): true for units of a quantity and, if it is named, of a direction."""
    mask: np.ndarray = is_hidden_unit(dist) if quantity == "out" else dist["quantity"].values == quantity
    return mask if direction is None else mask & (dist["direction"].values == direction)


def distances(dist: xr.Dataset, pair: tuple[str, str], direction: str | None = None, quantity: str = "h") -> np.ndarray:
    """Return the distances (unit,) of one quantity for a pair, of one direction or of both."""
    values: np.ndarray = dist["distance"].sel(pair=pair_name(pair)).values[unit_mask(dist, direction, quantity)]
    return values


def jackknife_distances(
    dist: xr.Dataset, pair: tuple[str, str], direction: str | None = None, quantity: str = "h"
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances (unit,) from all sources, and (group, unit) without each group of them."""
    one = dist.sel(pair=pair_name(pair)).isel(unit=np.flatnonzero(unit_mask(dist, direction, quantity)))
    return debiased_distances(one["estimate_full"].values, one["estimate_leave_out"].transpose("group", "unit").values)


def ranked_units(evidence: Evidence, pair: tuple[str, str], layer: tuple[str | None, str]) -> list[str]:
    """Return the names of all units of a layer (direction or None, quantity), largest selection distance first."""
    names = evidence.selection["unit"].values[unit_mask(evidence.selection, *layer)]
    return [str(name) for name in names[top_indices(distances(evidence.selection, pair, *layer), names.size)]]


def top_units(evidence: Evidence, pair: tuple[str, str], layer: str) -> list[str]:
    """Return the names of the ten units of a layer of `LAYERS` with the largest selection distance."""
    return ranked_units(evidence, pair, LAYERS[layer])[:N_TOP]


def format_sides(dist: xr.Dataset, pair: tuple[str, str]) -> str:
    """Return tokens / sources on both sides of a pair: ``1,112 / 214 against 20,112 / 590``."""
    one = dist.sel(pair=pair_name(pair))
    sides = [format_counts(int(one[f"n_{side}"]), int(one[f"sources_{side}"])) for side in ("target", "rest")]
    return " against ".join(sides)
