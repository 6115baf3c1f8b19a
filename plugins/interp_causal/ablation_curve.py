"""The probe ``ablation-curve``: remove the first k units of a ranking, or keep only them; how many do the work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, probe
from interp_causal.effect import Setting, begun, columns_of
from interp_causal.numbers import interval, source_weights
from interp_causal.tokens import Measured, in_order
from interp_causal.turned import Turned
from interp_causal.worlds import How, effects

if TYPE_CHECKING:
    import torch
    import xarray as xr

SHARE = 0.8
ENOUGH = 60  # units up to which every k is measured
POINTS = 24


@probe(requires=("source",))
def ablation_curve(
    acts: xr.Dataset,
    *,
    model: torch.nn.Module | None = None,
    ranking: Sequence[str] | None = None,
    pair: str = "",
    batches: Any = None,
    to: str = "resample",
    given: Sequence[str] = ("input",),
    draws: int = 8,
    seed: int = 0,
    seen_by: str = "output",
    orders: int = 50,
    sizes: Sequence[int] | None = None,
    rotated: int | None = None,
    labels: Sequence[str] = ("input", "output"),
) -> xr.Dataset:
    """Effect of ablating the first k units of a ranking, and all but them, against random orders of the same units.

    Parameters
    ----------
    acts : Dataset (token, unit)
        As of ``ablation-effect``; not the tokens on which the ranking was made.
    model, batches, to, given, draws, seed, seen_by, labels
        As of ``ablation-effect``.
    ranking : sequence of str
        Names of all units of a layer, best first.
    pair : str
        Such as ``t=>ծ``.
    orders : int
        Random orders to compare with.
    sizes : sequence of int, optional
        Which k; by default every one up to 60 units, else 24, close together at the beginning.
    rotated : int, optional
        Seed of `interp.rotate`: the names of the ranking are then those of its directions, as a probe with
        ``basis="rotated"`` has ranked them, and they are ablated instead of units. Not where the model runs.

    Returns
    -------
    Dataset
        Dim ``k``: ``removed`` and ``kept``, the effects (nats of log-odds) of ablating the first k and all but the
        first k, with ``_low`` and ``_high``; ``removed_random`` and ``kept_random (k)`` the means over random orders,
        ``removed_order`` and ``kept_order (k, order)`` each of them. ``whole ()``: the effect of ablating all.
        ``area_removed ()``, ``area_kept ()``: the area between the curve and the random mean over k / n, in shares of
        ``whole``, positive where the ranking beats chance. ``k80 ()``: the fewest units, in this order, whose joint
        ablation has 80 % of ``whole``; -1 where ``whole`` is not above 0. ``tokens ()`` and ``sources ()`` of the pair.

    Raises
    ------
    OptionError, UnknownNameError, CaptureError
        As of ``ablation-effect``.
    """
    acts = in_order(acts)
    setting = begun(acts, model, batches, How(to, tuple(given), draws, seed, seen_by), labels)
    if ranking is None or isinstance(ranking, str) or len(ranking) < 2:
        raise OptionError("ranking= takes the names of all units of a layer, best first.")
    source, arrow, output = pair.partition("=>")
    if not arrow:
        raise OptionError(f"pair= takes a pair such as 't=>ծ'; got {pair!r}.")
    units = columns_of(acts, ranking)
    tokens, world = setting.world(source, output)
    if rotated is not None:
        world = turned(setting, tokens, rotated)
    mine = tokens.of(output)
    weights, ks = source_weights(tokens.source, mine), checked(sizes, units.size)

    def lost(group: np.ndarray) -> np.ndarray:
        return effects(world, tokens, group) if group.size else np.zeros(mine.size)

    def mean(group: np.ndarray) -> float:
        return float(weights @ lost(group))

    def told(group: np.ndarray) -> tuple[float, float, float]:
        return interval(lost(group)[mine], tokens.source[mine])

    generator = np.random.default_rng([seed, 3])
    shuffled = [generator.permutation(units) for _ in range(orders)]
    n = {"tokens": int(mine.sum()), "sources": np.unique(tokens.source[mine]).size}
    return result(units, ks, told, mean, shuffled).assign(n)


def turned(setting: Setting, tokens: Measured, seed: int) -> Turned:
    """Return the world of the directions of a rotation."""
    if setting.batches is not None:
        raise OptionError("rotated= works out the logits from the dense layers: leave batches= out.")
    return Turned(setting.acts, setting.model, tokens, setting.how, seed)


def checked(sizes: Sequence[int] | None, n: int) -> list[int]:
    """Return the k that are measured, 0 and n among them."""
    if sizes is not None:
        if any(k < 0 or k > n for k in sizes):
            raise OptionError(f"sizes= are 0 to {n}, the units of the ranking; got {list(sizes)!r}.")
        return sorted({0, n, *map(int, sizes)})
    if n <= ENOUGH:
        return list(range(n + 1))
    return sorted({0, *np.unique(np.round(np.geomspace(1, n, POINTS)).astype(int)).tolist()})


def result(
    units: np.ndarray,
    ks: list[int],
    told: Callable[[np.ndarray], tuple[float, float, float]],
    mean: Callable[[np.ndarray], float],
    shuffled: Sequence[np.ndarray],
) -> xr.Dataset:
    """Return the curves as a result."""
    import xarray as xr

    ends: dict[str, Any] = {}
    for name, part in (("removed", slice_first), ("kept", slice_rest)):
        values = np.array([told(part(units, k)) for k in ks])
        ends |= {f"{name}{end}": ("k", column) for end, column in zip(("", "_low", "_high"), values.T, strict=True)}
        orders = np.array([[mean(part(order, k)) for order in shuffled] for k in ks]).reshape(len(ks), len(shuffled))
        ends |= {f"{name}_order": (("k", "order"), orders)}
        if len(shuffled):
            ends |= {f"{name}_random": ("k", orders.mean(1))}
    whole, share = float(ends["removed"][1][-1]), np.array(ks) / units.size
    for name, sign in (("removed", 1), ("kept", -1)):
        if len(shuffled) and whole > 0:
            ends[f"area_{name}"] = sign * np.trapezoid(ends[name][1] - ends[f"{name}_random"][1], share) / whole
    ends |= {"whole": whole, "k80": fewest(units, ks, ends["removed"][1], whole, mean)}
    return xr.Dataset(ends, {"k": ks})


def slice_first(order: np.ndarray, k: int) -> np.ndarray:
    """Return the first k units."""
    return order[:k]


def slice_rest(order: np.ndarray, k: int) -> np.ndarray:
    """Return all but the first k units."""
    return order[k:]


def fewest(
    units: np.ndarray, ks: Sequence[int], removed: np.ndarray, whole: float, mean: Callable[[np.ndarray], float]
) -> int:
    """Return the smallest k whose removal has 80 % of the whole effect; every k before the first measured one is tried.

    Between two measured k below the level none is looked for: a curve that rises above it and falls back there would
    be missed.
    """
    if not whole > 0:
        return -1
    enough = np.flatnonzero(removed >= SHARE * whole)
    place = int(enough[0])
    below = ks[place - 1] if place else 0
    return next((k for k in range(below + 1, ks[place]) if mean(units[:k]) >= SHARE * whole), ks[place])
