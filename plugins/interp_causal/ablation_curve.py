"""The probe ``ablation-curve``: effect of ablating the first k units of a ranking, and all but them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, probe
from interp_causal.ablation_backends import AblationOptions, RotatedBackend, token_effects
from interp_causal.ablation_effect import AblationSetup, make_setup, unit_columns
from interp_causal.estimators import mean_with_interval, source_weights
from interp_causal.evaluation_tokens import EvaluationTokens, sort_tokens

if TYPE_CHECKING:
    import torch
    import xarray as xr

EFFECT_FRACTION = 0.8  # of the effect of all units, for k80
MAX_UNITS_FOR_EVERY_K = 60
N_K_VALUES = 24


@probe(requires=("source",))
def ablation_curve(
    acts: xr.Dataset,
    *,
    model: torch.nn.Module | None = None,
    ranking: Sequence[str] | None = None,
    pair: str = "",
    batches: Any = None,
    replace_with: str = "resample",
    match_on: Sequence[str] = ("input",),
    n_draws: int = 8,
    seed: int = 0,
    scope: str = "readout",
    n_random_orders: int = 50,
    k_values: Sequence[int] | None = None,
    rotated: int | None = None,
    labels: Sequence[str] = ("input", "output"),
) -> xr.Dataset:
    """Effect of ablating the first k units of a ranking, and all but them, against random orders of the same units.

    Parameters
    ----------
    acts : Dataset (token, unit)
        A capture as for ``ablation-effect``; not the tokens on which the ranking was made.
    model, batches, replace_with, match_on, n_draws, seed, scope, labels
        See ``ablation-effect``.
    ranking : sequence of str
        Names of all units of a layer, best first.
    pair : str
        Pair such as ``t=>ծ``.
    n_random_orders : int
        Number of random orders to compare with.
    k_values : sequence of int, optional
        Values of k; by default every k for up to 60 units, else 24 values that are denser for small k.
    rotated : int, optional
        Seed of `interp.rotate_basis`: the names in the ranking then stand for directions of the rotated layer, as
        ranked by a probe with ``basis="rotated"``, and directions are ablated instead of units. Not available with
        ``batches``.

    Returns
    -------
    Dataset
        Dim ``k``: ``removed`` and ``kept``, the effects (nats of log-odds) of ablating the first k and all but the
        first k units, with ``removed_ci_low``, ``removed_ci_high``, ``kept_ci_low`` and ``kept_ci_high``;
        ``removed_random`` and ``kept_random (k)`` the means over random orders, ``removed_order`` and ``kept_order (k,
        order)`` the single orders. ``whole ()``: the effect of ablating all units. ``area_removed ()``, ``area_kept
        ()``: the area between the curve and the random mean over k / n, relative to ``whole``, positive if the ranking
        beats chance. ``k80 ()``: the smallest k whose first units have 80 % of ``whole`` when ablated together; -1
        unless ``whole`` is above 0. ``tokens ()`` and ``sources ()``: the numbers of both for the pair.

    Raises
    ------
    OptionError, UnknownNameError, CaptureError
        See ``ablation-effect``.
    """
    acts = sort_tokens(acts)
    options = AblationOptions(replace_with, tuple(match_on), n_draws, seed, scope)
    setup = make_setup(acts, model, batches, options, labels)
    if ranking is None or isinstance(ranking, str) or len(ranking) < 2:
        raise OptionError("ranking= takes the names of all units of a layer, best first.")
    symbol, arrow, output = pair.partition("=>")
    if not arrow:
        raise OptionError(f"pair= takes a pair such as 't=>ծ'; got {pair!r}.")
    units = unit_columns(acts, ranking)
    tokens, backend = setup.backend(symbol, output)
    if rotated is not None:
        backend = rotated_backend(setup, tokens, rotated)
    mask, ks = tokens.has_output(output), check_k_values(k_values, units.size)
    weights = source_weights(tokens.source, mask)

    def effects(group: np.ndarray) -> np.ndarray:
        return token_effects(backend, tokens, group) if group.size else np.zeros(mask.size)

    def mean(group: np.ndarray) -> float:
        return float(weights @ effects(group))

    def interval(group: np.ndarray) -> tuple[float, float, float]:
        return mean_with_interval(effects(group)[mask], tokens.source[mask])

    generator = np.random.default_rng([seed, 3])
    orders = [generator.permutation(units) for _ in range(n_random_orders)]
    counts = {"tokens": int(mask.sum()), "sources": np.unique(tokens.source[mask]).size}
    return make_result(units, ks, interval, mean, orders).assign(counts)


def rotated_backend(setup: AblationSetup, tokens: EvaluationTokens, seed: int) -> RotatedBackend:
    """Return the backend for the directions of a rotation."""
    if setup.batches is not None:
        raise OptionError("rotated= computes the logits from the dense layers: leave batches= out.")
    return RotatedBackend(setup.acts, setup.model, tokens, setup.options, seed)


def check_k_values(k_values: Sequence[int] | None, n: int) -> list[int]:
    """Return the values of k to measure, 0 and n among them; `OptionError` for values outside 0 to n."""
    if k_values is not None:
        if any(k < 0 or k > n for k in k_values):
            raise OptionError(f"k_values= are 0 to {n}, the number of units in the ranking; got {list(k_values)!r}.")
        return sorted({0, n, *map(int, k_values)})
    if n <= MAX_UNITS_FOR_EVERY_K:
        return list(range(n + 1))
    return sorted({0, *np.unique(np.round(np.geomspace(1, n, N_K_VALUES)).astype(int)).tolist()})


def make_result(
    units: np.ndarray,
    ks: list[int],
    interval: Callable[[np.ndarray], tuple[float, float, float]],
    mean: Callable[[np.ndarray], float],
    orders: Sequence[np.ndarray],
) -> xr.Dataset:
    """Return the curves as a result.

    Parameters
    ----------
    units : array (unit,) of int
        Columns of the ranking.
    ks : list of int
        Values of k.
    interval, mean : callable
        Functions that return the mean effect of ablating a group of units, with and without its interval.
    orders : sequence of array (unit,) of int
        Random orders of the units.
    """
    import xarray as xr

    data: dict[str, Any] = {}
    for name, part in (("removed", first_units), ("kept", remaining_units)):
        values = np.array([interval(part(units, k)) for k in ks])
        suffixes = ("", "_ci_low", "_ci_high")
        data |= {f"{name}{suffix}": ("k", column) for suffix, column in zip(suffixes, values.T, strict=True)}
        by_order = np.array([[mean(part(order, k)) for order in orders] for k in ks]).reshape(len(ks), len(orders))
        data |= {f"{name}_order": (("k", "order"), by_order)}
        if len(orders):
            data |= {f"{name}_random": ("k", by_order.mean(1))}
    whole, fraction = float(data["removed"][1][-1]), np.array(ks) / units.size
    for name, sign in (("removed", 1), ("kept", -1)):
        if len(orders) and whole > 0:
            data[f"area_{name}"] = sign * np.trapezoid(data[name][1] - data[f"{name}_random"][1], fraction) / whole
    data |= {"whole": whole, "k80": smallest_sufficient_k(units, ks, data["removed"][1], whole, mean)}
    return xr.Dataset(data, {"k": ks})


def first_units(order: np.ndarray, k: int) -> np.ndarray:
    """Return the first k units, ``(unit,)``."""
    return order[:k]


def remaining_units(order: np.ndarray, k: int) -> np.ndarray:
    """Return all but the first k units, ``(unit,)``."""
    return order[k:]


def smallest_sufficient_k(
    units: np.ndarray, ks: Sequence[int], removed: np.ndarray, whole: float, mean: Callable[[np.ndarray], float]
) -> int:
    """Return the smallest k whose ablation has 80 % of the effect of all units; -1 if that is not above 0.

    Every k between the first sufficient measured value and the measured value before it is tried. Earlier intervals are
    not searched: a curve that rises above 80 % and falls again between two measured values is missed.
    """
    if not whole > 0:
        return -1
    first = int(np.flatnonzero(removed >= EFFECT_FRACTION * whole)[0])
    below = ks[first - 1] if first else 0
    return next((k for k in range(below + 1, ks[first]) if mean(units[:k]) >= EFFECT_FRACTION * whole), ks[first])
