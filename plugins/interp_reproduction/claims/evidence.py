"""What claims are judged on: honest distances, chosen on one half of the sources and measured on the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, UnknownNameError, captions, halves, measure, pick
from interp_reproduction.estimates import rooted
from interp_reproduction.runs import GATES, hidden
from interp_reproduction.settings import GRAPHS, MINIMUM, MINIMUM_SOURCES, NEEDED, arrow

if TYPE_CHECKING:
    import xarray as xr

    from interp_reproduction.runs import Run

ENOUGH: dict[str, Any] = {"minimum": MINIMUM, "minimum_sources": MINIMUM_SOURCES}


@dataclass(frozen=True)
class Evidence:
    """What is known of one network.

    Attributes
    ----------
    chosen, measured : Dataset (unit, pair)
        Honest distances of h and hidden units for the pairs that claims name, on the even-hash and the odd-hash half
        of the sources: units are chosen on the first, figures are from the second. Without pairs that have not enough.
    gates : Dataset (unit, pair)
        Of the gates for t=>ծ, on the second half.
    known : Dataset (unit, pair)
        Of h for all pairs, on all sources.
    pushed : Dataset (lower_unit, upper_unit, pair)
        Contrast contributions for t=>ծ, on the second half.
    windows : Dataset (token, unit)
        As of `Run`.
    counts : mapping of str to tuple of int
        Of the smaller half of the sources: tokens and sources on both sides of the pairs that claims name.
    seed : int
        Of what claims draw.
    """

    chosen: xr.Dataset
    measured: xr.Dataset
    gates: xr.Dataset
    known: xr.Dataset
    pushed: xr.Dataset
    windows: xr.Dataset
    counts: Mapping[str, tuple[int, ...]]
    seed: int = 0

    def has(self, *pairs: tuple[str, str]) -> bool:
        """Return whether both halves have enough tokens and sources of all these pairs."""
        return all(arrow(pair) in half["pair"].values for pair in pairs for half in (self.chosen, self.measured))


def gather(run: Run, seed: int, basis: str = "units") -> Evidence:
    """Return what is known of a network, with its units as they are, or with each layer in a random basis.

    Parameters
    ----------
    run : Run
        What it did.
    seed : int
        Of shuffles and of the rotation.
    basis : {"units", "rotated"}
        In the rotated one there are no gates and no contributions: their weights and their numbers belong to units.
    """
    options: dict[str, Any] = {"seed": seed, "basis": basis, "basis_seed": seed}
    needed = run.acts.isel(unit=np.flatnonzero((run.acts["quantity"].values == "h") | hidden(run.acts)))
    needed = pick(needed, input=sorted({given for given, _ in NEEDED}))
    even, odd = halves(needed)
    plain = basis == "units"
    return Evidence(
        chosen=_honest(even, NEEDED, **options),
        measured=_honest(odd, NEEDED, **options),
        gates=_honest(pick(halves(run.inner)[1], quantity=GATES), GRAPHS[:1], **options) if plain else _none(),
        known=_honest(run.spread, None, keep_groups=False, **options),
        pushed=_pushed(run, GRAPHS[0]) if plain else _none(),
        windows=run.windows,
        counts={arrow(pair): min(_counts(half, pair) for half in (even, odd)) for pair in NEEDED},
        seed=seed,
    )


def _honest(
    acts: xr.Dataset, pairs: Sequence[tuple[str, str]] | None, *, keep_groups: bool = True, **options: Any
) -> xr.Dataset:
    """Return honest distances for those pairs that have enough tokens and sources."""
    wanted = None if pairs is None else [arrow(pair) for pair in pairs if _side(acts, pair).any()]
    try:
        return measure("hellinger", acts, pairs=wanted, keep_groups=keep_groups, **ENOUGH, **options)
    except (OptionError, UnknownNameError):  # not one pair has enough
        return _none()


def _none() -> xr.Dataset:
    """Return a result without pairs."""
    import xarray as xr

    return xr.Dataset(coords={"pair": np.zeros(0, "<U1")})


def _side(acts: xr.Dataset, pair: tuple[str, str]) -> np.ndarray:
    side: np.ndarray = (acts["input"].values == pair[0]) & (acts["output"].values == pair[1])
    return side


def _counts(acts: xr.Dataset, pair: tuple[str, str]) -> tuple[int, ...]:
    """Return tokens and sources of a pair, and of the other tokens of its input."""
    here, sources = _side(acts, pair), acts["source"].values
    sides = (here, (acts["input"].values == pair[0]) & ~here)
    return tuple(n for side in sides for n in (int(side.sum()), np.unique(sources[side]).size))


def _pushed(run: Run, pair: tuple[str, str]) -> xr.Dataset:
    odd = halves(pick(run.acts, input=pair[0]))[1]
    if min(_counts(odd, pair)) < 1:
        return _none()
    lower = [str(name) for name in run.acts["unit"].values[hidden(run.acts)]]
    return measure("contributions", odd, wiring=run.wiring.sel(lower_unit=lower), pairs=[arrow(pair)], minimum=1)


def of_kind(dist: xr.Dataset, direction: str | None = None, quantity: str = "h") -> np.ndarray:
    """Return which units are of one quantity, and of one direction where it is named: boolean (unit,)."""
    mask: np.ndarray = hidden(dist) if quantity == "out" else dist["quantity"].values == quantity
    return mask if direction is None else mask & (dist["direction"].values == direction)


def distances(dist: xr.Dataset, pair: tuple[str, str], direction: str | None = None, quantity: str = "h") -> np.ndarray:
    """Return the distances of one quantity for a pair, in the order of the units; one direction or both."""
    values: np.ndarray = dist["distance"].sel(pair=arrow(pair)).values[of_kind(dist, direction, quantity)]
    return values


def with_groups(
    dist: xr.Dataset, pair: tuple[str, str], direction: str | None = None, quantity: str = "h"
) -> tuple[np.ndarray, np.ndarray]:
    """Return the same from all sources, and without each group of them: (unit,) and (group, unit)."""
    one = dist.sel(pair=arrow(pair)).isel(unit=np.flatnonzero(of_kind(dist, direction, quantity)))
    return rooted(one["whole"].values, one["without"].transpose("group", "unit").values)


def n_of(dist: xr.Dataset, pair: tuple[str, str]) -> str:
    """Return tokens / sources on both sides of a pair: ``1,112 / 214 against 20,112 / 590``."""
    one = dist.sel(pair=arrow(pair))
    shown = [captions.counts(int(one[f"n_{side}"]), int(one[f"sources_{side}"])) for side in ("with", "without")]
    return " against ".join(shown)
